"""`wabus doctor`: the command; `deploy.local.doctor` looks."""

import typer

from deploy.local.doctor import examine
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import print_rows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Check whether this machine has what the stack needs; exit code 1 if it does not.

    Example: wabus doctor
    """
    findings = examine(state.absolute())
    rows = [{"check": finding.check, "ok": finding.ok, "says": finding.says} for finding in findings]
    print_rows(rows, ("check", "ok", "says"), as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

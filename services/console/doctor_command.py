"""`wabus doctor`: the command; `deploy.local.doctor` looks at this machine, `deploy.doctor` at a deployment."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.doctor.deployment import Deployment, of_environment, of_file, of_stack
from deploy.doctor.findings import Finding
from deploy.doctor.server_checks import examine_servers
from deploy.doctor.settings_checks import examine_settings
from deploy.local.doctor import examine
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import print_rows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="Look at the deployment that this file describes, like .env.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Read the settings only; ask no server.")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Check this machine for the local stack, and a deployment for weak settings; exit code 1 for an error.

    The deployment is the one of --env-file, or of the environment where that names its servers (then this machine is
    of no interest), or the stack that runs in the state directory, for which being open is only a note.

    Example: wabus doctor --env-file .env
    """
    named = of_file(env_file) if env_file is not None else of_environment()
    findings = [] if named is not None else examine(state.absolute())
    deployment = named or of_stack(state)
    if deployment is not None:
        findings += _of(deployment, offline)
    rows = [{"check": it.check, "level": it.level.value, "ok": it.ok, "says": it.says} for it in findings]
    print_rows(rows, ("check", "level", "says"), as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _of(deployment: Deployment, offline: bool) -> list[Finding]:
    findings = examine_settings(deployment)
    return findings if offline else findings + asyncio.run(examine_servers(deployment))

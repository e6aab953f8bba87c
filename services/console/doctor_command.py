"""`wabus doctor`: the command; `deploy.doctor` looks at this machine, or at a deployment."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.doctor.env_file import of_file
from deploy.doctor.findings import Finding
from deploy.doctor.machine import examine
from deploy.doctor.server_checks import examine_servers
from deploy.doctor.settings_checks import examine_settings
from deploy.local.deployment import Deployment
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import print_rows
from services.console.target import deployment_of


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

    The deployment is the one of --env-file, or the one whose address the environment names, or the stack that runs in
    the state directory. For such a stack being open is only a note; for another this machine is not looked at.

    Example: wabus doctor --env-file .env
    """
    deployment = of_file(env_file) if env_file is not None else deployment_of(state)
    findings = examine(state.absolute()) if deployment is None or deployment.stack is not None else []
    if deployment is not None:
        findings += _of(deployment, offline)
    rows = [{"check": it.check, "level": it.level.value, "ok": it.ok, "says": it.says} for it in findings]
    print_rows(rows, ("check", "level", "says"), as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _of(deployment: Deployment, offline: bool) -> list[Finding]:
    findings = examine_settings(deployment)
    return findings if offline else findings + asyncio.run(examine_servers(deployment))

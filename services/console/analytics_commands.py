"""Commands for analytics: count everything anew."""

import subprocess
import sys

import typer

from deploy.local.services import ROOT, environment_of, shared_environment
from deploy.local.settings import given_variables, outside_environment
from deploy.local.state import StateDirectory
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, State

JOB = "services.analytics.rebuild"

analytics = typer.Typer(no_args_is_help=True, help="Analytics: count the history anew.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(analytics, name="analytics")
    analytics.callback()(lambda: None)


@analytics.command("rebuild")
def rebuild(state: State = DEFAULT_STATE) -> None:
    """Count all of the history anew, while the stack goes on counting; stopped, it goes on where it was.

    In a deployment: `python -m services.analytics.rebuild` with the settings of analytics.

    Example: wabus analytics rebuild
    """
    directory = StateDirectory(state)
    if (stack := directory.stack()) is None:
        raise CommandRefused(f"no stack runs in {directory.root}: `wabus up` starts one")
    urls = {"edge": stack["edge"], "sandbox": stack["sandbox"]}
    shared = shared_environment(
        directory.secrets(), stack["kafka"], stack["mongo"], urls, str(directory.root / "sandbox")
    )
    environment = environment_of("analytics", 0, shared | given_variables(), outside_environment())
    ended = subprocess.run(  # noqa: S603  # our own job
        [sys.executable, "-m", JOB], env=environment, cwd=ROOT, check=False
    )
    if ended.returncode:
        raise CommandRefused(f"the job ended with code {ended.returncode}")

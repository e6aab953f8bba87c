"""Commands for analytics: count everything anew, price messages anew."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.services import ROOT, environment_of
from deploy.local.settings import outside_environment
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, State
from services.console.target import deployment_of

REBUILD, REPRICE = "services.analytics.rebuild", "services.analytics.reprice"
DAY = ["%Y-%m-%d"]

analytics = typer.Typer(no_args_is_help=True, help="Analytics: count the history anew, price it anew.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(analytics, name="analytics")


@analytics.command("rebuild")
def rebuild(
    state: State = DEFAULT_STATE,
    accept_fewer: Annotated[
        bool, typer.Option("--accept-fewer", help="Change over even where it finds less than was counted.")
    ] = False,
) -> None:  # fmt: skip
    """Count all of the history anew, while the stack goes on counting; stopped, it goes on where it was.

    In a deployment: where analytics runs, for it needs the settings of analytics.

    Example: wabus analytics rebuild
    """
    _run(state, REBUILD, *(["--accept-fewer"] if accept_fewer else []))


@analytics.command("reprice")
def reprice(
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="First day of delivery (UTC).")],
    last: Annotated[datetime | None, typer.Option("--to", formats=DAY, help="Last day; default today.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Price messages anew by the rate cards of today: each price that changes is a further line.

    In a deployment: where analytics runs, for it needs the settings of analytics.

    Example: wabus analytics reprice --from 2026-10-01
    """
    days = ["--from", f"{first:%Y-%m-%d}", *(["--to", f"{last:%Y-%m-%d}"] if last is not None else [])]
    _run(state, REPRICE, *days)


def _run(state: Path, job: str, *arguments: str) -> None:
    if (deployment := deployment_of(state)) is None:
        raise CommandRefused(f"no stack runs in {state.absolute()}: start one with `wabus up`, or set WABUS_MONGO_URL")
    environment = environment_of("analytics", 0, deployment.variables(), outside_environment())
    ended = subprocess.run(  # noqa: S603  # our own job
        [sys.executable, "-m", job, *arguments], env=environment, cwd=ROOT, check=False
    )
    if ended.returncode:
        raise CommandRefused(f"the job ended with code {ended.returncode}")

"""`wabus demo`: a stack of its own, the story, and nothing left behind."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.local.control import order
from deploy.local.deployment import of_stack
from deploy.local.processes import Identity, wait_until_gone
from deploy.local.stack import Options
from deploy.local.state import StateDirectory
from services.console.demo import Story
from services.console.errors import CommandRefused
from services.console.http_calls import Calls, public_api, sandbox_control
from services.console.printing import console
from services.console.receiver import receiving
from services.console.starting import up_in_background
from services.console.target import Target
from services.console.telling import Teller

STOP_WITHIN = 32.0  # seconds: what `wabus down` takes at most

StateOption = Annotated[
    Path | None, typer.Option("--state", help="Play on the stack of this directory, and leave it running.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(state: StateOption = None) -> None:
    """Play a real story through the public API, on a stack of its own, checking every step.

    Example: wabus demo
    """
    tell = Teller(console)
    with _stack(state) as directory:
        target = Target(of_stack(directory), directory)  # whatever else the environment names
        try:
            with receiving() as receiver:
                hook = Calls(target.need("edge"))
                Story(public_api(target), sandbox_control(target), hook, receiver, tell).play()
        except (KeyError, TypeError, IndexError, CommandRefused) as error:  # an answer of another shape than promised
            tell.check("the story goes on", False, f"{type(error).__name__}: {error}")
    console.print(f"\n{tell.held} of {tell.held + len(tell.failed)} steps were right")
    if tell.failed:
        raise typer.Exit(1)


@contextmanager
def _stack(state: Path | None) -> Iterator[Path]:
    if state is not None:
        up_in_background(Options(state.absolute()))
        yield state
        return
    temporary = Path(tempfile.mkdtemp(prefix="wabus-demo-"))
    directory = StateDirectory(temporary)
    console.print("[bold]The whole platform starts: Kafka, MongoDB, a simulated Meta, and the services[/]")
    try:
        stack: dict[str, Any] = up_in_background(Options(temporary))
        console.print(f"  API at {stack['edge']}, Meta's sandbox at {stack['sandbox']}/_sandbox/")
        yield temporary
    finally:
        if directory.in_use():
            console.print("\n[bold]Everything stops[/]")
            supervisor = order(directory.control, do="down")["supervisor"]
            wait_until_gone(Identity(**supervisor), STOP_WITHIN)
        shutil.rmtree(temporary, ignore_errors=True)

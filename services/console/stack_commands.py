"""Commands for the running stack: down, status, logs, restart, stop."""

from pathlib import Path
from typing import Annotated

import psutil
import typer

from deploy.local.control import order
from deploy.local.errors import StackRefused
from deploy.local.logs import Follower, last_lines
from deploy.local.processes import Identity, stop_strangers, wait_until_gone
from deploy.local.state import StateDirectory
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, print_log_line, print_rows

DOWN_WITHIN = 32.0  # seconds: the supervisor stops everything within 27 and then goes itself
LEFTOVERS_STOP_WITHIN = 12.0  # seconds for what a crash left behind, where there is no supervisor to ask

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="Its name as `wabus status` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (down, status, logs, restart, stop):
        app.command()(command)


def down(
    state: State = DEFAULT_STATE,
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove the data too.")] = False,
) -> None:
    """Stop the stack within 30 seconds and keep its data.

    Example: wabus down --wipe
    """
    directory = StateDirectory(state)
    was_running = directory.in_use()
    if was_running:
        supervisor = Identity(**order(directory.control, do="down")["supervisor"])
        if not wait_until_gone(supervisor, DOWN_WITHIN):
            raise StackRefused(f"the stack did not stop within {DOWN_WITHIN:.0f} s: see {directory.log('supervisor')}")
    left = stop_strangers(directory.identities(), LEFTOVERS_STOP_WITHIN)
    directory.forget_stack()
    if wipe:
        directory.wipe()
    console.print("stopped" if was_running or left else "nothing was running")


def status(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Show every process of the stack.

    Example: wabus status --json
    """
    rows = order(StateDirectory(state).control, do="status")["processes"]
    for row in rows:
        row["memory_mb"] = _memory(row["pid"])
    columns = ("name", "state", "pid", "uptime_seconds", "starts", "memory_mb", "url")
    print_rows(rows, columns, as_json)


def _memory(pid: int | None) -> int | None:
    if pid is None:
        return None
    try:
        return round(psutil.Process(pid).memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        return None


def logs(
    service: ServiceName,
    state: State = DEFAULT_STATE,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
) -> None:
    """Show what a process has logged.

    Example: wabus logs sender --follow
    """
    log = StateDirectory(state).log(service)
    if not log.exists():
        raise StackRefused(f"there is no log of {service} in {log.parent}: there are {_names(log.parent)}")
    follower = Follower({service: log})
    for line in last_lines(log, lines):
        console.print(line, markup=False)
    if follow:
        for name, line in follower.follow():
            print_log_line(name, line)


def _names(folder: Path) -> str:
    return ", ".join(sorted(log.stem for log in folder.glob("*.log"))) or "none"


def restart(service: ServiceName, state: State = DEFAULT_STATE) -> None:
    """Stop a process if it lives and start it again; returns once it is ready.

    Example: wabus restart sender
    """
    order(StateDirectory(state).control, do="restart", name=service)
    console.print(f"{service} is ready")


def stop(service: ServiceName, state: State = DEFAULT_STATE) -> None:
    """Stop one process and leave it down until `wabus restart` brings it back.

    Example: wabus stop mongod
    """
    order(StateDirectory(state).control, do="halt", name=service)
    console.print(f"{service} is stopped")

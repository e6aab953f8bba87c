"""`wabus up`: run a stack in the foreground, or leave one running in the background."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.status import Status

from deploy.local.control import order
from deploy.local.errors import StackRefused
from deploy.local.logs import FOLLOW_EVERY, Follower
from deploy.local.services import ROOT, SERVICES
from deploy.local.stack import Options, run_stack
from deploy.local.state import StateDirectory
from services.console.printing import console, print_log_line

CATCH_UP = 10.0  # seconds that a stack which is stopping gets before a new one is refused its directory


class Steps:
    """Shows the steps of a start: a moving line for a terminal, plain lines for everything else."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._status = Status("starting", console=out) if out.is_terminal else None

    def __enter__(self) -> "Steps":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, text: str) -> None:
        """Show one step."""
        if self._status and text.startswith("downloading"):
            self._status.update(text)
        else:
            self._out.print(f"[dim]·[/] {text}")


def up_in_background(options: Options) -> dict[str, Any]:
    """Start a stack and return what its `stack.json` says once all is ready; a running one is left as it is.

    Raises StackRefused with the reason when it does not come up; nothing is left running then.
    """
    state = StateDirectory(options.state)
    if not _join_running(state):
        state.make()
        _start_supervisor(options, state)
    stack = state.stack()
    if stack is None:
        raise StackRefused(f"the stack in {state.root} ended right after its start: see {state.log('supervisor')}")
    return stack


def _join_running(state: StateDirectory) -> bool:
    if not state.in_use():
        return False
    if state.stack() is None and state.wait_until_free(CATCH_UP):
        return False  # it was stopping
    order(state.control, do="settle")
    return True


def _start_supervisor(options: Options, state: StateDirectory) -> None:
    ours, theirs = os.pipe()
    asked = {
        "state": str(state.root), "edge_port": options.edge_port, "without": sorted(options.without),
        "scale": options.scale, "servers": options.servers.as_json(), "tell": theirs,
    }  # fmt: skip
    with state.log("supervisor").open("ab") as log, os.fdopen(ours) as told:
        supervisor = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "deploy.local", json.dumps(asked)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(theirs,), start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        try:
            with Steps(console) as steps:
                for line in told:
                    _take(json.loads(line), steps)
        except BaseException:
            supervisor.terminate()
            supervisor.wait()
            raise
        if state.stack() is None:
            raise StackRefused(f"the supervisor ended without a word: see {state.log('supervisor')}")


def _take(told: dict[str, Any], steps: Steps) -> None:
    if "failed" in told:
        raise StackRefused(told["failed"])
    if "step" in told:
        steps(told["step"])


def up_in_foreground(options: Options) -> None:
    """Run a stack until Ctrl-C, showing its logs; raises StackRefused when it does not come up."""
    state = StateDirectory(options.state)
    with Steps(console) as steps:

        async def run() -> None:
            logs = {service.name: state.log(service.name) for service in SERVICES}
            following: list[asyncio.Task[None]] = []

            def on_ready(stack: dict[str, Any]) -> None:
                steps.__exit__()
                print_where_to_look(stack)
                following.append(asyncio.create_task(_show_logs(Follower(logs))))

            try:
                await run_stack(options, steps, on_ready)
            finally:
                for task in following:
                    task.cancel()
                await asyncio.gather(*following, return_exceptions=True)

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run())
    console.print("stopped")


async def _show_logs(follower: Follower) -> None:
    while True:
        for name, line in follower.new_lines():
            print_log_line(name, line)
        await asyncio.sleep(FOLLOW_EVERY)


def print_where_to_look(stack: dict[str, Any]) -> None:
    """Print the addresses, a ready key, and a line to paste."""
    api = f"{stack['edge']}/api/v1/whatsapp"
    key = stack.get("api_key", "")
    console.print()
    console.print(f"  API         {api}")
    console.print(f"  Docs        {stack['edge']}/docs")
    console.print(f"  Phone page  {stack['sandbox']}/_sandbox/")
    console.print(f"  Test key    {key}")
    console.print(f"  Try it      curl -H 'Authorization: Bearer {key}' {api}/accounts")
    console.print(f"  Metrics     {stack['edge']}/metrics   (of every process: `metrics` in stack.json)")
    console.print("  An account  wabus sandbox connect   (at the simulated Meta: a number, a template, a user)")
    console.print()

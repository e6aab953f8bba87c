"""Commands for bots: talk to one in the terminal, through the simulated Meta and the public API."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from services.console.errors import CommandRefused
from services.console.http_calls import Calls, public_api, sandbox_control
from services.console.options import DEFAULT_STATE, State
from services.console.printing import console
from services.console.sandbox_commands import only_number
from services.console.target import target_of

SOON = 100.0  # seconds for a decision: tenths of one by a rule, up to a minute by who thinks, after half of one
WAITS = "waiting"  # the outcome of a message that somebody still thinks about
LOOK_EVERY = 0.1  # seconds between looks

Document = dict[str, Any]

TALKER = "15550110000"  # nobody whom the other examples write to: an answer of a person silences a bot

bots = typer.Typer(no_args_is_help=True, help="Bots: talk to the one of a number.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(bots, name="bots")
    bots.callback()(lambda: None)


@bots.command("try")
def attempt(
    said: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Else it is asked for.")] = None,
    user: Annotated[str, typer.Option("--as", help="The simulated user who writes.")] = f"+{TALKER}",
    number: Annotated[str | None, typer.Option("--to", metavar="PHONE_NUMBER_ID", help="The only one if not said.")]
    = None,
    state: State = DEFAULT_STATE,
) -> None:  # fmt: skip
    """Write to a number as one of the sandbox's users, and read what its bot answers.

    Example: wabus bots try hello "my order 42"
    """
    target = target_of(state)
    api, meta = public_api(target), sandbox_control(target)
    chosen = number or only_number(api, "--to")
    row = api.do("GET", f"/phone_numbers/{chosen}")
    if not (row["autoreply"] and row["bot_id"]):
        raise CommandRefused(f"{chosen} has no bot that is switched on: link one, and switch autoreply on")
    for text in said or _typed():
        message = {"phone_number_id": chosen, "from": user.removeprefix("+"), "type": "text", "text": {"body": text}}
        wamid = meta.do("POST", "/inbound", message)["id"]
        decision = _decision(api, user, wamid)
        for answer_id in decision["answer_ids"]:
            console.print(f"  {_shown(_answer(api, answer_id))}", markup=False)
        console.print(f"  [{decision['outcome']}{', ' + decision['rule'] if decision['rule'] else ''}]", markup=False)


def _typed() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            console.print("> ", end="")
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _decision(api: Calls, user: str, wamid: str) -> Document:
    path = f"/messages?direction=inbound&recipient={user.removeprefix('+')}&limit=100"

    def look() -> Document | None:
        found: Document | None = next(
            (row["bot_decision"] for row in api.do("GET", path)["data"] if row["wamid"] == wamid), None
        )
        return None if found is not None and found["outcome"] == WAITS else found

    return _until(look, "the bot did not decide")


def _answer(api: Calls, message_id: str) -> Document:
    def look() -> Document | None:
        found = api.ask("GET", f"/messages/{message_id}")
        return found.body if found.status == 200 else None

    return _until(look, "the answer was not accepted")


def _until(look: Callable[[], Document | None], refusal: str) -> Document:
    deadline = time.monotonic() + SOON
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise CommandRefused(f"{refusal} within {SOON:.0f} s: see `wabus logs autoreply`")
        time.sleep(LOOK_EVERY)
    return found


def _shown(message: Document) -> str:
    """Return what a person would read of a message, or its type."""
    content = message.get("content") or {}
    words = content.get("body") or content.get("caption")
    if isinstance(words, dict):
        buttons = [each["reply"]["title"] for each in content.get("action", {}).get("buttons", [])]
        return f"{words.get('text')} {' '.join(f'({title})' for title in buttons)}".strip()
    return str(words) if words else f"({message['type']})"

"""Commands that send a message through the public API, as a client would."""

import time
from typing import Annotated, Any

import typer

from services.console.errors import CommandRefused
from services.console.http_calls import Calls, public_api
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, print_json
from services.console.sandbox_commands import only_number
from services.console.target import target_of

FOLLOW_FOR = 60.0  # seconds that --wait follows a message
FOLLOW_EVERY = 0.25  # seconds between looks
ENDED = {"delivered", "read", "failed", "expired", "canceled"}

To = Annotated[str, typer.Argument(metavar="TO", help="Recipient: +, country code, number.")]
From = Annotated[str | None, typer.Option("--from", metavar="PHONE_NUMBER_ID", help="The only number if not said.")]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait", help="Follow it until it is delivered, read or failed; exit code 1 if it is not within a minute."
    ),
]

send = typer.Typer(no_args_is_help=True, help="Send a message: text, template.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(send, name="send")


@send.command("text")
def send_text(
    to: To,
    text: Annotated[str, typer.Argument(help="What to say, 1 to 4,096 characters.")],
    number: From = None,
    wait: Wait = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Send a text; the recipient's customer service window must be open.

    Example: wabus send text +15550100000 "Your table is ready" --wait
    """
    api = public_api(target_of(state))
    _send(api, "/messages", {"phone_number_id": _number(api, number), "to": to, "text": text}, wait, as_json)


@send.command("template")
def send_template(
    to: To,
    template: Annotated[str, typer.Argument(help="Name of an approved template.")],
    language: Annotated[str, typer.Option(help="Its language.")] = "en_US",
    parameter: Annotated[list[str], typer.Option(help="A body parameter, in order; may be repeated.")] = [],  # noqa: B006
    number: From = None,
    wait: Wait = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Send an approved template, window or not.

    Example: wabus send template +15550100000 order_shipped --parameter Ann --wait
    """
    api = public_api(target_of(state))
    values = [{"type": "text", "text": value} for value in parameter]
    body = {
        "phone_number_id": _number(api, number),
        "to": to,
        "template": template,
        "language": language,
        "components": [{"type": "body", "parameters": values}] if values else [],
    }
    _send(api, "/messages/template", body, wait, as_json)


def _number(api: Calls, given: str | None) -> str:
    return given if given is not None else only_number(api, "--from")


def _send(api: Calls, path: str, body: dict[str, Any], wait: bool, as_json: bool) -> None:
    message = api.do("POST", path, body)
    if wait:
        message = _follow(api, message["id"])
    if as_json:
        print_json(message)
        _check_ended(message, wait)
        return
    console.print(f"{message['id']}  {message['status']}")
    for step in message.get("history", []):
        console.print(f"  {step['status']:<10} {step['at']}")
    if error := message.get("error"):
        console.print(f"  {error['code']}: {error['message']}", markup=False)
    _check_ended(message, wait)


def _check_ended(message: dict[str, Any], waited: bool) -> None:
    if waited and message["status"] not in ENDED:
        raise CommandRefused(
            f"it is still {message['status']} after {FOLLOW_FOR:.0f} s; it goes on without this command"
        )


def _follow(api: Calls, message_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + FOLLOW_FOR
    while True:
        message: dict[str, Any] = api.do("GET", f"/messages/{message_id}")
        if message["status"] in ENDED or time.monotonic() > deadline:
            return message
        time.sleep(FOLLOW_EVERY)

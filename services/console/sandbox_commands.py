"""Commands for the simulated Meta of a local stack: an account to try things with, its users, its reviewers."""

from shlex import quote
from typing import Annotated, Any

import typer

from services.console.errors import CommandRefused
from services.console.http_calls import Calls, public_api, sandbox_control
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, print_json
from services.console.target import Target, target_of

USER = "15550100000"  # one of the sandbox's recipients: always delivered
TEMPLATE = {
    "name": "hello", "language": "en_US", "category": "UTILITY",
    "components": [{"type": "BODY", "text": "Hello {{1}}.", "example": {"body_text": [["Ann"]]}}],
}  # fmt: skip

sandbox = typer.Typer(no_args_is_help=True, help="The simulated Meta: connect an account, write as a user, review.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(sandbox, name="sandbox")


@sandbox.command("connect")
def connect(
    throughput: Annotated[int, typer.Option(min=1, max=1000, help="Messages a second of its number.")] = 80,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Make an account at the simulated Meta and connect it: a number, an approved template, a user who has written.

    Example: wabus sandbox connect
    """
    target = target_of(state)
    api, meta = public_api(target), sandbox_control(target)
    made = meta.do("POST", "/accounts", {"throughput": throughput})
    number = made["phone_numbers"][0]["phone_number_id"]
    meta.do("POST", "/templates", TEMPLATE | {"waba_id": made["waba_id"]})
    body = {"waba_id": made["waba_id"], "phone_number_id": number, "access_token": made["access_token"]}
    api.do("POST", "/onboarding/manual", body)
    meta.do("POST", "/inbound", _text(number, USER, "Hello!"))
    if as_json:
        print_json({"waba_id": made["waba_id"], "phone_number_id": number, "template": TEMPLATE["name"], "user": USER})
        return
    console.print(f"phone_number_id {number} is connected, template {TEMPLATE['name']} is approved. Try:")
    console.print(f'  wabus send text +{USER} "It works" --from {number} --wait', markup=False)
    console.print(f"  wabus send template +15550100001 hello --parameter Bob --from {number} --wait", markup=False)
    console.print("Or with curl, as contracts/guides/api-users.md begins:")
    access = ['API="$WABUS_EDGE_URL"', 'KEY="$WABUS_API_KEY"']  # a deployment's key does not belong on a screen
    if target.is_local:
        access = [f"API={quote(target.need('edge'))}", f"KEY={quote(target.need('api_key'))}"]
    exports = " ".join([*access, f"FROM={quote(number)}", f"TO={quote(f'+{USER}')}"])
    console.print(f"  export {exports}", markup=False, soft_wrap=True)


@sandbox.command("write")
def write(
    user: Annotated[str, typer.Argument(metavar="FROM", help="Country code and number of the user.")],
    text: Annotated[str, typer.Argument(help="What the user writes.")],
    number: Annotated[str | None, typer.Option("--to", metavar="PHONE_NUMBER_ID", help="The only one if not said.")]
    = None,
    state: State = DEFAULT_STATE,
) -> None:  # fmt: skip
    """Write to a number as one of its users, which opens their 24 hours.

    Example: wabus sandbox write +15550100000 "Is my order on its way?"
    """
    target = target_of(state)
    chosen = number or only_number(public_api(target), "--to")
    sandbox_control(target).do("POST", "/inbound", _text(chosen, user.removeprefix("+"), text))
    console.print(f"{user} wrote to {chosen}")


@sandbox.command("review")
def review(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="Its name.")],
    action: Annotated[str, typer.Argument(help="approve, reject, pause, unpause, disable, ...")] = "approve",
    state: State = DEFAULT_STATE,
) -> None:
    """Review a template as Meta's reviewers do, in all its languages.

    Example: wabus sandbox review order_shipped approve
    """
    target = target_of(state)
    for meta_id in _meta_ids(target, template):
        sandbox_control(target).do("POST", f"/templates/{meta_id}/review", {"action": action})
        console.print(f"{template} ({meta_id}): {action}")


def only_number(api: Calls, option: str) -> str:
    """Return the only connected number; raises CommandRefused, naming the option that says which."""
    numbers = [row["phone_number_id"] for row in api.do("GET", "/phone_numbers?limit=100")["data"]]
    if not numbers:
        raise CommandRefused("no number is connected: on a local stack `wabus sandbox connect` connects one")
    if len(numbers) > 1:
        raise CommandRefused(f"say which number with {option} PHONE_NUMBER_ID: {', '.join(numbers)}")
    return str(numbers[0])


def _meta_ids(target: Target, name: str) -> list[str]:
    rows: list[dict[str, Any]] = sandbox_control(target).do("GET", "/templates")["data"]
    found = [str(row["id"]) for row in rows if row["name"] == name]
    if not found:
        raise CommandRefused(f"the sandbox has no template {name}")
    return found


def _text(number: str, user: str, text: str) -> dict[str, Any]:
    return {"phone_number_id": number, "from": user, "type": "text", "text": {"body": text}}

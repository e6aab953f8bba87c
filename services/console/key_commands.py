"""Commands for tenants and their API keys."""

from typing import Annotated, Any

import typer

from libs.runtime.ids import is_uuid
from services.console.errors import CommandRefused
from services.console.http_calls import internal_routes
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, print_json, print_rows
from services.console.target import Target, target_of

DEFAULT_SCOPES = "whatsapp:read,whatsapp:write,whatsapp:send"
UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}  # seconds
KEY_COLUMNS = ("id", "name", "mode", "prefix", "last4", "scopes", "expires_at", "revoked_at", "last_used_at")

TenantId = Annotated[str | None, typer.Option("--tenant", metavar="ID", help="Whose; the stack's own if not said.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Its id as `wabus keys list` shows it.")]

keys = typer.Typer(no_args_is_help=True, help="API keys: create, list, roll, revoke.")
tenants = typer.Typer(no_args_is_help=True, help="Tenants: create, list.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(keys, name="keys")
    app.add_typer(tenants, name="tenants")


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Option(help="What people call it.")],
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Make a tenant.

    Example: wabus tenants create --name "Blue Bottle"
    """
    made = internal_routes(target_of(state)).do("POST", "/tenants", {"name": name})
    print_rows_or_object(made, ("id", "name", "created_at"), as_json)


@tenants.command("list")
def list_tenants(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """List all tenants.

    Example: wabus tenants list --json
    """
    print_rows(internal_routes(target_of(state)).do("GET", "/tenants")["data"], ("id", "name", "created_at"), as_json)


@keys.command("create")
def create_key(
    tenant: TenantId = None,
    scopes: Annotated[str, typer.Option(help="Comma separated.")] = DEFAULT_SCOPES,
    mode: Annotated[str, typer.Option(help="test keys reach sandbox accounts only; or live.")] = "test",
    name: Annotated[str, typer.Option(help="What it is for.")] = "key",
    expires_in: Annotated[
        str | None, typer.Option(help="How long it lives: 90d, 12h, 30m or seconds; for ever if not said.")
    ] = None,
    allow_address: Annotated[
        list[str] | None, typer.Option(help="A network it may be used from, e.g. 203.0.113.0/24; more than once.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(min=1, help="Requests per second; what every key has if not said.")
    ] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown now and never again.

    Example: wabus keys create --scopes whatsapp:read --expires-in 90d --allow-address 203.0.113.0/24 --rate 50
    """
    target = target_of(state)
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    body = {
        "tenant": _tenant(target, tenant), "scopes": wanted, "mode": mode, "name": name,
        "expires_in": _seconds(expires_in) if expires_in else None, "allowed_addresses": allow_address or [],
        "rate_per_second": rate,
    }  # fmt: skip
    _show_new_key(internal_routes(target).do("POST", "/keys", body), as_json)


@keys.command("list")
def list_keys(tenant: TenantId = None, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """List a tenant's keys: by prefix and last four characters, never whole.

    Example: wabus keys list --tenant 0190c0de-0000-7000-8000-000000000000
    """
    target = target_of(state)
    rows = internal_routes(target).do("GET", f"/keys?tenant={_tenant(target, tenant)}")["data"]
    print_rows(rows, KEY_COLUMNS, as_json)


@keys.command("roll")
def roll_key(
    key_id: KeyId,
    overlap_seconds: Annotated[int, typer.Option(min=0, help="How long the old key stays valid.")] = 24 * 3600,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Make a key's successor; the old one stays valid for the overlap.

    Example: wabus keys roll KEY_ID --overlap-seconds 3600
    """
    body = {"overlap_seconds": overlap_seconds}
    _show_new_key(internal_routes(target_of(state)).do("POST", f"/keys/{_key(key_id)}/roll", body), as_json)


@keys.command("revoke")
def revoke_key(key_id: KeyId, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """End a key now; it is dead everywhere within five seconds.

    Example: wabus keys revoke KEY_ID
    """
    row = internal_routes(target_of(state)).do("POST", f"/keys/{_key(key_id)}/revoke")
    print_rows_or_object(row, KEY_COLUMNS, as_json)


def print_rows_or_object(one: dict[str, Any], columns: tuple[str, ...], as_json: bool) -> None:
    """Print one object: as a table of one row, or as a JSON object."""
    if as_json:
        print_json(one)
    else:
        print_rows([one], columns, as_json=False)


def _show_new_key(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    print_rows([made], ("id", "name", "mode", "scopes", "expires_at"), as_json=False)
    console.print(f"\n  {made['key']}\n\nKeep it now: it is not shown again.", markup=False)


def _tenant(target: Target, given: str | None) -> str:
    if given is None and target.tenant is None:
        raise CommandRefused("say whose key with --tenant ID: `wabus tenants list` shows them")
    return given or target.tenant or ""


def _seconds(text: str) -> int:
    amount, unit = (text, 1) if text.isdigit() else (text[:-1], UNITS.get(text[-1:]))
    if unit is None or not (amount.isascii() and amount.isdigit()) or len(amount) > 9 or int(amount) == 0:
        raise CommandRefused(f"{text!r} is not a length of time: say it as 90d, 12h, 30m or in seconds")
    return int(amount) * unit


def _key(key_id: str) -> str:
    # An id goes into a path: what has a slash in it would name another route.
    if not (key_id.isalnum() or is_uuid(key_id)):
        raise CommandRefused(f"{key_id!r} is not a key's id: `wabus keys list` shows them")
    return key_id

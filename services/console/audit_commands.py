"""`wabus audit`: who did what to keys, tenants, accounts, numbers, endpoints, bots and dead letters."""

from typing import Annotated
from urllib.parse import urlencode

import typer

from services.console.http_calls import internal_routes
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import print_rows
from services.console.target import target_of

PAGE = 100  # rows of one call
COLUMNS = ("at", "tenant", "actor", "address", "action", "object_id", "made_id", "outcome", "code")

audit = typer.Typer(no_args_is_help=True, help="The audit log: who did what.")


@audit.callback()
def _group() -> None:
    """A group of one command still has its name."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit, name="audit")


@audit.command("list")
def list_entries(
    tenant: Annotated[str | None, typer.Option(metavar="ID", help="Whose; everybody's if not said.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, e.g. key.revoke.")] = None,
    thing: Annotated[str | None, typer.Option("--object", metavar="ID", help="Only what was done to this.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this key did, by its id; or console, or meta.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="At or after this time, e.g. 2026-11-23T09:00Z.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = PAGE,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """List the newest entries: what was done, by which key or tool, from where, and what became of it.

    Example: wabus audit list --action key.create --from 2026-11-23T00:00Z
    """
    said = {"tenant": tenant, "action": action, "object": thing, "actor": actor, "from": since, "to": until}
    asked = {name: value for name, value in said.items() if value is not None}
    calls = internal_routes(target_of(state))
    rows: list[dict[str, object]] = []
    while len(rows) < limit:
        after = {"starting_after": str(rows[-1]["id"])} if rows else {}
        wanted = asked | {"limit": str(min(PAGE, limit - len(rows)))} | after
        page = calls.do("GET", f"/audit_log?{urlencode(wanted)}")
        rows += page["data"]
        if not page["has_more"]:
            break
    print_rows(rows, COLUMNS, as_json)

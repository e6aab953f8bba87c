"""`wabus migrate`: run the numbered steps that change what is stored."""

import asyncio
from typing import Annotated

import typer

from deploy.migrations.steps import STEPS
from libs.mongo.client import Mongo
from libs.mongo.migrations import LeaseLost, Migrations, OtherStep, Step
from libs.runtime.clock import SystemClock
from libs.runtime.errors import Outage, StartRefused
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, errors_console, print_json, print_rows
from services.console.target import target_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate")(migrate)


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be run.")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Run the steps that the database has not seen, before the services of a new version start.

    Each is safe while services of both versions run. `wabus up` does this by itself.

    Example: wabus migrate --dry-run
    """
    try:
        steps = asyncio.run(_migrated(target_of(state).need_mongo(), dry_run))
    except OtherStep as error:
        raise CommandRefused(f"{error}: use the code that this database belongs to") from None
    except LeaseLost as error:
        raise CommandRefused(str(error)) from None
    except (Outage, StartRefused) as error:
        raise CommandRefused(f"MongoDB: {error}") from None
    rows = [{"number": step.number, "name": step.name, "why": step.why} for step in steps]
    if as_json:
        print_json({"steps": rows, "dry_run": dry_run})
    elif not rows:
        console.print("the database has seen every step")
    else:
        print_rows(rows, ("number", "name", "why"), as_json=False)


async def _migrated(mongo: Mongo, dry_run: bool) -> list[Step]:
    await mongo.start()
    try:
        migrations = Migrations(mongo, STEPS, SystemClock())
        pending = await migrations.pending()
        if not dry_run:
            await migrations.apply(errors_console.print)
        return pending
    finally:
        await mongo.stop()

"""`wabus keyring`: which key of the ring encrypted what, and all of it encrypted anew with the first one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from deploy.keyring.places import declared
from deploy.keyring.verdict import Verdict, judge
from libs.directory.resealing import Found, Resealing
from libs.directory.vault import Vault
from libs.mongo.client import Mongo
from libs.runtime.errors import Outage
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, errors_console, print_json, print_rows
from services.console.target import target_of

keyring = typer.Typer(no_args_is_help=True, help="The key ring of what is encrypted at rest: status, rotate.")

Work = Callable[[Resealing], Coroutine[Any, Any, int]]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(keyring, name="keyring")


@keyring.command("status")
def status(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Count what is encrypted with which key, and say which keys may leave the ring; exit code 1 if it is incomplete.

    Example: wabus keyring status
    """

    async def nothing(_: Resealing) -> int:
        return 0

    _, found, vault = _done(state, nothing)
    _show(vault, found, None, as_json)


@keyring.command("rotate")
def rotate(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Encrypt everything anew with the ring's first key, while the services run; again, after whatever ended it.

    All services must know the ring by then: deploy/README.md has the order. Exit code 1 if something is left.

    Example: wabus keyring rotate
    """
    changed, found, vault = _done(state, lambda resealing: resealing.rotate(errors_console.print))
    verdict = _show(vault, found, changed, as_json)
    if verdict.left:
        raise CommandRefused(
            f"{verdict.left} were written with an old key meanwhile: restart the services, run it again"
        )


def _done(state: State, work: Work) -> tuple[int, list[Found], Vault]:
    target = target_of(state)
    vault = Vault(target.need("encryption_keys"))
    try:
        changed, found = asyncio.run(_worked(target.need_mongo(), vault, work))
    except Outage as error:
        raise CommandRefused(f"MongoDB: {error}; run it again, it goes on where it was") from None
    return changed, found, vault


async def _worked(mongo: Mongo, vault: Vault, work: Work) -> tuple[int, list[Found]]:
    await mongo.start()
    try:
        resealing = Resealing(mongo, vault, declared())
        return await work(resealing), await resealing.found()
    finally:
        await mongo.stop()


def _show(vault: Vault, found: list[Found], changed: int | None, as_json: bool) -> Verdict:
    """Print it; raises Exit where the ring cannot read all that is there."""
    verdict = judge(vault, found)
    rows = [
        {"place": each.place, "key": key_id, "count": count}
        for each in found
        for key_id, count in sorted(each.by_key.items())
    ]
    if as_json:
        told = {"current": vault.current, "removable": verdict.removable, "left": verdict.left, "changed": changed or 0}
        print_json(told | {"counts": rows, "problems": verdict.problems})
    else:
        print_rows(rows, ("place", "key", "count"), as_json=False)
        _say(vault, verdict, changed)
    if verdict.problems:
        raise typer.Exit(1)
    return verdict


def _say(vault: Vault, verdict: Verdict, changed: int | None) -> None:
    if changed is not None:
        console.print(f"{changed} encrypted anew")
    console.print(f"new texts are encrypted with `{vault.current}`", markup=False)
    for key_id in verdict.removable:
        console.print(f"nothing is encrypted with `{key_id}` any more: it may leave the ring", markup=False)
    if verdict.left:
        console.print(f"{verdict.left} are encrypted with older keys: `wabus keyring rotate`", markup=False)
    for problem in verdict.problems:
        console.print(problem, markup=False)

"""Commands for dead letters, everybody's: look at them, put them back, let nothing become of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from services.console.errors import CommandRefused
from services.console.http_calls import Calls, answered, internal_routes
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, errors_console, print_json, print_rows
from services.console.target import target_of

PAGE = 100  # rows of one call
AT_ONCE = 1_000  # letters of one call
BUSY = 429  # nothing was done: others put letters back or discard them, or the key asks too often
PATIENCE = 120.0  # seconds: a process that died at the dead letters blocks others for a minute
SHORTEST = 0.2  # seconds to wait at least
DONE = {"replay": "replayed", "discard": "discarded"}
COLUMNS = ("id", "at", "reason", "error", "attempts", "service", "state")

Sums = dict[str, int]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids as `list` shows them.")]
Topic = Annotated[str | None, typer.Option(help="The dead-letter topic that they lie in.")]
Reason = Annotated[str | None, typer.Option(help="What they died of, e.g. handler_failed.")]
Error = Annotated[str | None, typer.Option(help="Words in their error.")]
Since = Annotated[str | None, typer.Option("--from", help="Buried at or after this time, e.g. 2026-11-23T09:00:00Z.")]
Until = Annotated[str | None, typer.Option("--to", help="Buried before this time.")]
All = Annotated[bool, typer.Option("--all", help="All open ones that match what is said.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count them.")]

dead_letters = typer.Typer(no_args_is_help=True, help="Records that could not be handled: list, show, replay, discard.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(dead_letters, name="dead-letters")


@dead_letters.command("list")
def list_dead_letters(
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="All of them if not said.")] = None,
    reason: Reason = None,
    error: Error = None,
    since: Since = None,
    until: Until = None,
    kept_as: Annotated[str, typer.Option("--as", help="open, replayed or discarded.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="At most so many, the newest first.")] = PAGE,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """List the newest dead letters, of all topics or of one.

    Example: wabus dead-letters list meta.webhooks.v1.tracker.dlt --reason handler_failed
    """
    asked = _filter(topic, reason, error, since, until) | {"state": kept_as, "limit": str(limit)}
    rows = internal_routes(target_of(state)).do("GET", f"/dead_letters?{urlencode(asked)}")["data"]
    print_rows(rows, COLUMNS, as_json)


@dead_letters.command("show")
def show_dead_letter(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID")],
    value: Annotated[bool, typer.Option("--value", help="Print the record's own content: it may hold texts.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Show one dead letter with its story.

    Example: wabus dead-letters show meta.webhooks.v1.tracker.dlt:0:17
    """
    shown = internal_routes(target_of(state)).do("GET", _path(dead_letter_id))
    print_json(shown if value else {name: part for name, part in shown.items() if name != "value"})


@dead_letters.command("replay")
def replay_dead_letters(
    ids: Ids = None,
    all_of_them: All = False,
    topic: Topic = None,
    reason: Reason = None,
    error: Error = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into the topic they came from, after what they died of was mended.

    Example: wabus dead-letters replay --all --topic meta.webhooks.v1.tracker.dlt --reason handler_failed
    """
    calls, asked = internal_routes(target_of(state)), _filter(topic, reason, error, since, until)
    _check(ids, all_of_them, asked)
    with _told("replayed", "put back", dry_run, as_json) as sums:
        if all_of_them:
            _all(calls, "replay", asked, dry_run, sums)
        else:
            _each(calls, "replay", ids or [], {}, dry_run, sums)


@dead_letters.command("discard")
def discard_dead_letters(
    why: Annotated[str, typer.Option(help="Why nothing is to become of them; it is kept with each.")],
    ids: Ids = None,
    all_of_them: All = False,
    topic: Topic = None,
    reason: Reason = None,
    error: Error = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Let nothing become of dead letters, and say why.

    Example: wabus dead-letters discard --why "a test of ours" messages.requested.v1.edge.dlt:0:4
    """
    calls, asked = internal_routes(target_of(state)), _filter(topic, reason, error, since, until)
    _check(ids, all_of_them, asked)
    with _told("discarded", "discarded", dry_run, as_json) as sums:
        if all_of_them:
            _all(calls, "discard", asked | {"why": why}, dry_run, sums)
        else:
            _each(calls, "discard", ids or [], {"why": why}, dry_run, sums)


def _filter(
    topic: str | None, reason: str | None, error: str | None, since: str | None, until: str | None
) -> dict[str, str]:
    said = {"topic": topic, "reason": reason, "error": error, "from": since, "to": until}
    return {name: value for name, value in said.items() if value is not None}


def _check(ids: list[str] | None, all_of_them: bool, asked: dict[str, str]) -> None:
    if bool(ids) == all_of_them:
        raise CommandRefused("say which: ids, or --all with what they have in common")
    if ids and asked:
        raise CommandRefused("--topic, --reason, --error, --from and --to go with --all, not with ids")


def _all(calls: Calls, act: str, asked: dict[str, str], dry_run: bool, sums: Sums) -> None:
    body: dict[str, Any] = asked | {"limit": AT_ONCE, "dry_run": dry_run}
    while True:
        done = _do(calls, "POST", f"/dead_letters/{act}", body)
        for name in ("matched", DONE[act], "without_source"):
            sums[name] = sums.get(name, 0) + done.get(name, 0)
        if not done["has_more"]:
            return
        body["starting_after"] = done["reached"]


def _each(calls: Calls, act: str, ids: list[str], body: dict[str, str], dry_run: bool, sums: Sums) -> None:
    for dead_letter_id in ids:
        if dry_run:
            _do(calls, "GET", _path(dead_letter_id))
        else:
            _do(calls, "POST", f"{_path(dead_letter_id)}/{act}", body)
        sums["matched"] = sums.get("matched", 0) + 1
        sums[DONE[act]] = sums.get(DONE[act], 0) + (not dry_run)


def _do(calls: Calls, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Call; where others are at the dead letters, wait as long as the answer says, and ask again for `PATIENCE`."""
    ends = time.monotonic() + PATIENCE
    while True:
        answer = calls.ask(method, path, body)
        wait = _seconds(answer.headers.get("retry-after"))
        if answer.status != BUSY or time.monotonic() + wait > ends:
            return answered(answer)
        time.sleep(wait)


def _seconds(retry_after: str | None) -> float:
    return max(float(retry_after), SHORTEST) if retry_after is not None and retry_after.isdecimal() else SHORTEST


@contextmanager
def _told(name: str, words: str, dry_run: bool, as_json: bool) -> Iterator[Sums]:
    """Give sums that are printed at the end, where that comes early too: what is done is done."""
    sums: Sums = {}
    try:
        yield sums
    except BaseException:
        if sums:
            errors_console.print("[yellow]it ended early; until then:[/]")
            _tell(sums, name, words, dry_run, as_json)
        raise
    _tell(sums, name, words, dry_run, as_json)


def _path(dead_letter_id: str) -> str:
    return f"/dead_letters/{quote(dead_letter_id, safe=':')}"


def _tell(done: Sums, name: str, words: str, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(done | {"dry_run": dry_run})
        return
    count = done["matched"] if dry_run else done[name]
    verb = "would be" if dry_run else "was" if count == 1 else "were"
    console.print(f"{count} dead letter{'' if count == 1 else 's'} {verb} {words}")
    if lost := done.get("without_source"):
        said = (
            "does not say where it came from: discard it"
            if lost == 1
            else "do not say where they came from: discard them"
        )
        console.print(f"{lost} {said}")

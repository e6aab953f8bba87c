"""Commands for campaigns, through the public API: make one, import its recipients, launch it, watch it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TransferSpeedColumn

from services.console.errors import CommandRefused
from services.console.event_stream import events_of
from services.console.http_calls import public_api
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.plan_printing import print_plan
from services.console.printing import console, errors_console, print_json, print_rows
from services.console.target import target_of

CHUNK = 256 * 1024  # bytes of a file sent at once
KINDS = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
COLUMNS = ("id", "name", "status", "template", "recipients", "pause_reason", "created_at")
REPORTED = 20  # bad rows that are printed

Campaign = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.01, help="At most so many messages a second.")]
Budget = Annotated[int | None, typer.Option(min=1, help="Messages in all after which it pauses.")]

campaigns = typer.Typer(no_args_is_help=True, help="Campaigns: create, import, launch, watch, list, pause, and so on.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(campaigns, name="campaigns")


@campaigns.command("create")
def create(
    name: Annotated[str, typer.Option(help="For people to read.")],
    template: Annotated[str, typer.Option(help="Name of an approved template.")],
    phone_number_id: Annotated[str, typer.Option(help="The number that sends.")],
    language: Annotated[str | None, typer.Option(help="Where the template has several.")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Make a draft.

    Example: wabus campaigns create --name Spring --template sale --phone-number-id 106540352242922
    """
    body = {"name": name, "template": template, "phone_number_id": phone_number_id} | (
        {"language": language} if language else {}
    )
    _show(public_api(target_of(state)).do("POST", "/campaigns", body), as_json)


@campaigns.command("import")
def import_recipients(
    campaign: Campaign,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or NDJSON; - for standard input.")],
    kind: Annotated[str | None, typer.Option("--format", help="csv or ndjson, where the name does not say.")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Add recipients from a file of any length; bad rows are reported with their lines.

    Exit code 1 where not one row is right, 0 otherwise.

    Example: wabus campaigns import 01939a5e-0000-7000-8000-000000000000 customers.csv
    """
    suffix = f".{kind}" if kind else file.suffix.lower()
    if suffix not in KINDS:
        raise CommandRefused(f"say --format csv or --format ndjson: the name {file.name} does not tell")
    source = sys.stdin.buffer if str(file) == "-" else _opened(file)  # before anything is asked for
    body = _sent(source, file.stat().st_size if str(file) != "-" else None)
    report = public_api(target_of(state)).upload(f"/campaigns/{campaign}/recipients", body, KINDS[suffix])
    if as_json:
        print_json(report)
    else:
        console.print(f"{report['added']} added, {report['duplicates']} there already, {report['invalid']} invalid")
        for each in report["errors"][:REPORTED]:
            console.print(f"  line {each['line']}: {each['path']}: {each['message']}", markup=False)
    if report["invalid"] and not report["added"] + report["duplicates"]:
        raise CommandRefused("no row of the file is right")


@campaigns.command("launch")
def launch(
    campaign: Campaign,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    at: Annotated[str | None, typer.Option("--at", help="When (RFC 3339, with an offset).")] = None,
    rate: Rate = None,
    budget: Budget = None,
    then_watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Launch a draft, now or later.

    Example: wabus campaigns launch 01939a5e-0000-7000-8000-000000000000 --rate 20 --watch
    """
    asked = {"dry_run": dry_run or None, "scheduled_at": at, "rate_per_second": rate, "budget": budget}
    body = {name: value for name, value in asked.items() if value is not None}
    done = public_api(target_of(state)).do("POST", f"/campaigns/{campaign}/launch", body)
    if then_watch and not dry_run:
        watch(campaign, state, as_json)
    elif dry_run and not as_json:
        print_plan(done)
    else:
        _show(done, as_json)


@campaigns.command("watch")
def watch(campaign: Campaign, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Follow a campaign until it ends: a bar for a person, a JSON line per change for a program.

    Exit code 0 when it completed, 1 when it was canceled.

    Example: wabus campaigns watch 01939a5e-0000-7000-8000-000000000000
    """
    target = target_of(state)
    last: dict[str, Any] = {}
    with _Bar() as bar:
        for last in events_of(public_api(target), f"/campaigns/{campaign}/progress/stream"):
            if as_json:
                typer.echo(json.dumps(last, ensure_ascii=False))
            else:
                bar.show(last)
    if not as_json:
        bar.tell_errors()
    if last.get("status") != "completed":
        raise CommandRefused(f"the campaign is {last.get('status', 'gone')}")


@campaigns.command("list")
def list_campaigns(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """List the latest campaigns.

    Example: wabus campaigns list
    """
    print_rows(public_api(target_of(state)).do("GET", "/campaigns?limit=100")["data"], COLUMNS, as_json)


@campaigns.command("pause")
def pause(campaign: Campaign, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Pause one; what is queued is taken back.

    Example: wabus campaigns pause 01939a5e-0000-7000-8000-000000000000
    """
    _show(public_api(target_of(state)).do("POST", f"/campaigns/{campaign}/pause", {}), as_json)


@campaigns.command("resume")
def resume(
    campaign: Campaign,
    rate: Rate = None,
    budget: Budget = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Go on with a paused one.

    Example: wabus campaigns resume 01939a5e-0000-7000-8000-000000000000 --budget 2000
    """
    asked = {"rate_per_second": rate, "budget": budget}
    body = {name: value for name, value in asked.items() if value is not None}
    _show(public_api(target_of(state)).do("POST", f"/campaigns/{campaign}/resume", body), as_json)


@campaigns.command("retry")
def retry(
    campaign: Campaign,
    code: Annotated[list[str], typer.Option(help="Only who failed with it; may be repeated.")] = [],  # noqa: B006
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Write once more to who failed.

    Example: wabus campaigns retry 01939a5e-0000-7000-8000-000000000000 --code undeliverable
    """
    body = {"codes": code} if code else {}
    done = public_api(target_of(state)).do("POST", f"/campaigns/{campaign}/retry", body)
    _show(done, as_json)
    if not as_json:
        console.print(f"{done['retried']} are written to again")


@campaigns.command("cancel")
def cancel(campaign: Campaign, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """End one; what is queued is taken back, nobody else is written to.

    Example: wabus campaigns cancel 01939a5e-0000-7000-8000-000000000000
    """
    _show(public_api(target_of(state)).do("POST", f"/campaigns/{campaign}/cancel", {}), as_json)


@campaigns.command("export")
def export(campaign: Campaign, state: State = DEFAULT_STATE) -> None:
    """Write all recipients with their states to standard output, as CSV.

    Example: wabus campaigns export 01939a5e-0000-7000-8000-000000000000 > recipients.csv
    """
    for chunk in public_api(target_of(state)).download(f"/campaigns/{campaign}/recipients/export"):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


class _Bar:
    """Shows progress: a moving bar on a terminal, a line per change everywhere else."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
        self._bar = Progress(*columns, console=errors_console) if errors_console.is_terminal else None
        self._said, self._errors = "", dict[str, int]()
        self._task = self._bar.add_task("waiting", total=1) if self._bar else None

    def __enter__(self) -> "_Bar":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, progress: dict[str, Any]) -> None:
        """Show how far it is."""
        counts, total = progress["counts"], progress["recipients"]
        done = total - counts["pending"] - counts["queued"]
        some = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        words = f"{progress['status']}: {some}"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=words, completed=done, total=max(total, 1))
        elif words != self._said:
            self._said = words
            console.print(f"{done}/{total} {words}", markup=False)
        self._errors = {each["code"]: each["count"] for each in progress["errors"]}

    def tell_errors(self) -> None:
        """Say at the end why some were not written to."""
        for code, count in self._errors.items():
            console.print(f"  {count} {code}", markup=False)


def _sent(source: Any, size: int | None) -> Iterator[bytes]:
    """Yield a file, telling on a terminal how far it is."""
    columns = (TextColumn("importing"), BarColumn(), TransferSpeedColumn())
    with source, Progress(*columns, console=errors_console, disable=not errors_console.is_terminal) as bar:
        task = bar.add_task("importing", total=size)
        while chunk := source.read(CHUNK):
            yield chunk
            bar.advance(task, len(chunk))


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise CommandRefused(f"cannot read {file}: {error.strerror}") from None


def _show(campaign: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(campaign)
    else:
        console.print(f"{campaign['id']}  {campaign['status']}  {campaign['recipients']} recipients")
        if campaign["status"] == "draft":
            following = "launch" if campaign["recipients"] else "import"
            console.print(
                f"next: wabus campaigns {following} {campaign['id']} {'' if campaign['recipients'] else 'FILE'}"
            )

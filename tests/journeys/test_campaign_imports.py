"""Recipients as files: any length, bad rows with their lines, nothing half-imported without saying so."""

import csv
import io
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.campaigns import STORED, arrived, becomes, body_of, does, draft, read
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import all_rows, install, refused


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A fast number with the usual templates."""
    made = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def send(stack: Stack, campaign_id: str, raw: bytes | Iterator[bytes], kind: str = "text/csv") -> httpx.Response:
    return stack.http.post(
        f"{stack.info['edge']}{API}/campaigns/{campaign_id}/recipients",
        content=raw, headers={"Authorization": f"Bearer {stack.key}", "Content-Type": kind}, timeout=60,
    )  # fmt: skip


def test_a_csv_file_becomes_recipients_with_their_words(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = draft(shop, [], "sale"), germans(1_200)
    lines = ["to,1", *(f"+{each},Person {each}" for each in who), f"+{who[0]},again", "nonsense,x", f"+{who[1]}", ""]
    answer = send(stack, campaign_id, "\r\n".join(lines).encode("utf-8-sig"))
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["added"], report["duplicates"], report["invalid"]) == (1_200, 1, 2)
    assert [(each["line"], each["path"]) for each in report["errors"]] == [(1203, "to"), (1204, "row")]
    told = stack.call("GET", report["errors_url"].removeprefix(API))
    assert told.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(told.text)))
    assert rows[0] == ["line", "path", "message"]
    assert [row[0] for row in rows[1:]] == ["1203", "1204"]
    found = stack.call("GET", f"/campaigns/{campaign_id}/imports/{report['import_id']}").json()
    assert (found["status"], found["lines"], found["added"]) == ("completed", 1204, 1_200)
    assert [each["id"] for each in all_rows(stack, f"/campaigns/{campaign_id}/imports")] == [report["import_id"]]
    again = send(stack, campaign_id, "\n".join(lines[:601]).encode()).json()
    assert (again["added"], again["duplicates"]) == (0, 600)
    assert does(stack, campaign_id, "launch").status_code == 202
    becomes(stack, campaign_id, "completed", 60)
    until(lambda: set(who) <= set(arrived(shop)), "everybody is written to", 60)


def test_a_stream_of_json_lines_is_taken_as_it_comes(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = draft(shop, [], "sale"), germans(700)

    def parts() -> Iterator[bytes]:
        for each in who:
            yield json.dumps({"to": f"+{each}", "components": body_of("Ann")}).encode() + b"\n"
        yield b'{"to": "+49151", "colour": 1}\nno json\n'

    report = send(stack, campaign_id, parts(), "application/x-ndjson").json()
    assert (report["added"], report["invalid"]) == (700, 2)
    assert [(each["line"], each["path"]) for each in report["errors"]] == [(701, "colour"), (702, "row")]


def test_a_row_that_lacks_a_value_is_named_by_its_line(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = draft(shop, [], "sale"), germans(8)
    rows = [
        {"to": f"+{each}"} | ({"components": body_of("Ann")} if place != 6 else {}) for place, each in enumerate(who)
    ]
    report = send(stack, campaign_id, "\n".join(map(json.dumps, rows)).encode(), "application/x-ndjson").json()
    assert (report["added"], report["invalid"], report["errors"][0]["line"]) == (7, 1, 7)
    assert report["errors"][0]["path"].startswith("components")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (b'+4915100000,"Ann\n', "unclosed_quote"),
        (b"x" * 70_000, "line_too_long"),
        (b"+4915\xff\n", None),
        (b"+4915\x00\n", None),
    ],
)
def test_a_file_that_breaks_says_what_was_added_before_and_is_incomplete(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]], end: bytes, code: str | None
) -> None:
    campaign_id, who = draft(shop, [], "notice"), germans(1_100)
    raw = b"to\n" + b"".join(b"+%s\n" % each.encode() for each in who) + end
    error = refused(send(stack, campaign_id, raw), 422 if code else 400, code)
    assert error["added"] == read(stack, campaign_id)["recipients"]
    assert error["added"] % 500 == 0, "batches are added whole"
    found = stack.call("GET", f"/campaigns/{campaign_id}/imports/{error['import_id']}").json()
    assert (found["status"], found["added"], found["error"]) == ("incomplete", error["added"], error["message"])
    assert not error["added"] or does(stack, campaign_id, "launch", dry_run=True).json()["imports_incomplete"] == 1
    again = send(stack, campaign_id, raw.removesuffix(end)).json()
    assert again["added"] + error["added"] == 1_100


@pytest.mark.parametrize(
    ("raw", "kind", "status", "code"),
    [
        (b"", "text/csv", 422, "missing_header"),
        (b"to,1,1\n", "text/csv", 422, "duplicate_column"),
        (b"who\n+491\n", "text/csv", 422, "missing_header"),
        ("to\n+4915123456789\n".encode("utf-16"), "text/csv", 400, None),
        (b"<to/>", "application/xml", 415, None),
        (b"x" * 100_000_000, "text/csv", 422, "line_too_long"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_adds_nobody(
    stack: Stack, shop: Number, raw: bytes, kind: str, status: int, code: str | None
) -> None:
    campaign_id = draft(shop, [])
    refused(send(stack, campaign_id, raw, kind), status, code)
    assert read(stack, campaign_id)["recipients"] == 0
    refused(does(stack, campaign_id, "launch"), 422, "no_recipients")


def test_a_client_that_goes_away_leaves_an_import_that_says_it_is_incomplete(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = draft(shop, [], "notice"), germans(600)
    host, _, port = stack.info["edge"].removeprefix("http://").partition(":")
    body = b"to\n" + b"".join(b"+%s\n" % each.encode() for each in who)
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            f"POST {API}/campaigns/{campaign_id}/recipients HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {stack.key}\r\nContent-Type: text/csv\r\n"
            f"Content-Length: {len(body) + 1000}\r\n\r\n".encode()
            + body
        )
        until(lambda: read(stack, campaign_id)["recipients"] == 500, "a batch is added")
        refused(does(stack, campaign_id, "launch"), 409, "import_running")
    done = until(
        lambda: [row for row in all_rows(stack, f"/campaigns/{campaign_id}/imports") if row["status"] != "running"],
        "the import ended",
    )
    assert (done[0]["status"], done[0]["added"]) == ("incomplete", 500)
    assert does(stack, campaign_id, "launch").status_code == 202


def test_the_same_people_in_parallel_are_added_once(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = draft(shop, []), germans(1_500)
    raw = b"to\n" + b"".join(b"+%s\n" % each.encode() for each in who)

    def one(_: int) -> Any:
        with httpx.Client(timeout=60, trust_env=False) as client:
            return client.post(
                f"{stack.info['edge']}{API}/campaigns/{campaign_id}/recipients",
                content=raw, headers={"Authorization": f"Bearer {stack.key}", "Content-Type": "text/csv"},
            ).json()  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(one, range(4)))
    assert sum(each["added"] for each in reports) == 1_500 == read(stack, campaign_id)["recipients"]
    assert sum(each["duplicates"] for each in reports) == 4_500


def test_an_export_holds_no_formula_and_can_be_imported_again(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = draft(shop, [], "sale"), germans(30)
    rows = [{"to": f"+{each}", "components": body_of("=1+1")} for each in who]
    assert does(stack, campaign_id, "recipients", recipients=rows).json()["added"] == 30
    answer = stack.call("GET", f"/campaigns/{campaign_id}/recipients/export?state=pending")
    assert answer.headers["content-disposition"].startswith("attachment")
    exported = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["to"] for row in exported} == {f"'+{each}" for each in who}
    assert not [cell for row in exported for cell in row.values() if cell and cell[0] in "=+-@\t\r"]
    other = draft(shop, [], "sale")
    assert send(stack, other, answer.content).json()["added"] == 30
    again = all_rows(stack, f"/campaigns/{other}/recipients")
    assert all(row["components"] == body_of("=1+1") for row in again)
    refused(stack.call("GET", f"/campaigns/{campaign_id}/recipients/export?state=asleep"), 422, None, "state")
    assert stack.call("DELETE", f"/campaigns/{campaign_id}").status_code == 204


@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
def test_other_people_under_the_same_idempotency_key_are_refused_not_lost(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]], kind: str
) -> None:
    campaign_id, (one, other) = draft(shop, []), germans(2)

    def add(who: str) -> Any:
        raw = json.dumps({"recipients": [{"to": f"+{who}"}]}) if kind == "application/json" else f"to\n+{who}\n"
        headers = {"Idempotency-Key": f"add-{campaign_id}", "Content-Type": kind}
        return stack.call("POST", f"/campaigns/{campaign_id}/recipients", raw=raw.encode(), headers=headers)

    assert add(one).json()["added"] == 1
    again = add(one)
    assert (again.headers["Idempotent-Replayed"], again.json()["added"]) == ("true", 1)
    refused(add(other), 422, "idempotency_key_reused")
    assert read(stack, campaign_id)["recipients"] == 1


def test_a_campaign_may_come_with_ten_thousand_people_and_their_words(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    rows = [{"to": f"+{each}", "components": body_of("Ann of the long name" * 4)} for each in germans(10_000)]
    body = {"name": "a", "template": "sale", "phone_number_id": shop.id, "recipients": rows}
    made = stack.call("POST", "/campaigns", body)
    assert (made.status_code, made.json()["recipients"]) == (201, 10_000), made.text

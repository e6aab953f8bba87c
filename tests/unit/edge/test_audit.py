"""What is in the audit log: every call that changes something is, or is said not to be and why."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from deploy.openapi import FILE
from libs.mongo.client import MongoUnavailable
from libs.web.answers import JsonAnswer
from libs.web.errors import NotFound, OutcomeUnclear
from services.edge.addresses import CallerAddress
from services.edge.audit import AuditTrail
from services.edge.audited import ACTIONS, AUDITED, NOT_AUDITED, audited
from services.edge.routes.dead_letters import DeadLetterRoutes
from services.edge.routes.internal import InternalRoutes
from tests.unit.edge.test_buckets import HandClock

API = "/api/v1/whatsapp"
SECRET = "whsec_never"  # to be looked for


class Log:
    """A store in memory, which may be away."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.away = False
        self.did: list[str] = []

    async def add(self, entry: dict[str, Any]) -> None:
        if self.away:
            raise MongoUnavailable(nothing_written=True)
        self.did.append("noted")
        self.rows.setdefault(entry["_id"], dict(entry))

    async def close(self, entry_id: str, facts: dict[str, Any]) -> None:
        if self.away:
            raise MongoUnavailable(nothing_written=True)
        self.did.append("closed")
        self.rows[entry_id] |= facts

    @property
    def only(self) -> dict[str, Any]:
        [row] = self.rows.values()
        return row


@pytest.fixture
def log() -> Log:
    return Log()


def trail(log: Log) -> AuditTrail:
    store: Any = log
    return AuditTrail(store, CallerAddress(""), HandClock())


def asked(method: str, path: str) -> Request:
    scope = {
        "type": "http", "method": method, "path": path, "headers": [], "client": ("203.0.113.7", 1),
        "wabus.request_id": "request",
    }  # fmt: skip
    return Request(scope)


def answering(answer: Response | BaseException, log: Log | None = None) -> Callable[[], Awaitable[Response]]:
    async def call() -> Response:
        if log is not None:
            log.did.append("done")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return call


class Paths:
    """Takes the routes of our own tools."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def add_route(self, path: str, _: object, methods: list[str], **__: object) -> None:
        self.calls += [f"{method} {path}" for method in methods]


def mutating_calls() -> set[str]:
    """Every call of the API's document and of our own tools that is no GET."""
    paths = json.loads(FILE.read_text())["paths"]
    of_keys = {f"{method.upper()} {path.removeprefix(API)}" for path, ways in paths.items() for method in ways}
    api: Any = Paths()
    nothing: Any = None
    InternalRoutes(nothing, nothing, nothing, "s").register(
        api, DeadLetterRoutes(nothing, nothing, nothing).for_our_tools()
    )
    return {call for call in [*of_keys, *api.calls] if not call.startswith("GET ")}


def test_every_call_that_changes_something_is_audited_or_said_not_to_be() -> None:
    calls = mutating_calls()
    assert len(calls) > 60
    assert calls - set(AUDITED) - set(NOT_AUDITED) == set(), "put it into AUDITED, or into NOT_AUDITED with a reason"
    assert (set(AUDITED) | set(NOT_AUDITED)) - calls == set(), "there is no such call any more"
    assert set(AUDITED) & set(NOT_AUDITED) == set()


@pytest.mark.parametrize("call", sorted(AUDITED))
def test_each_audited_call_is_found_by_its_path_with_the_id_that_it_names(call: str) -> None:
    method, _, path = call.partition(" ")
    concrete = path.replace("{", "").replace("}", "")
    assert audited(method, concrete) == (AUDITED[call], AUDITED[call].named)
    assert AUDITED[call].action in ACTIONS


@pytest.mark.parametrize("call", sorted(NOT_AUDITED))
def test_no_other_call_is_found(call: str) -> None:
    method, _, path = call.partition(" ")
    assert audited(method, path.replace("{", "").replace("}", "")) is None


async def test_the_entry_stands_before_the_action_and_is_closed_before_the_answer(log: Log) -> None:
    made = JsonAnswer({"id": "made", "secret": SECRET, "url": "https://a.example/hook"}, 201)
    path = f"{API}/webhook_endpoints"
    await trail(log).noted(asked("POST", path), "key", "tenant", answering(made, log))
    assert log.did == ["noted", "done", "closed"]
    entry = log.only
    facts = {
        "tenant": "tenant", "actor": "key", "address": "203.0.113.7", "action": "webhook_endpoint.create",
        "object_type": "webhook_endpoint", "object_id": "made", "request_id": "request", "outcome": "done",
        "status": 201,
    }  # fmt: skip
    assert entry | facts == entry
    assert SECRET not in str(entry)


async def test_nothing_is_done_where_no_entry_can_be_written(log: Log) -> None:
    log.away = True
    with pytest.raises(MongoUnavailable):
        await trail(log).noted(asked("POST", f"{API}/bots"), "key", "t", answering(JsonAnswer({}), log))
    assert log.did == []


async def test_what_was_done_is_answered_and_stays_in_the_log_where_it_cannot_be_closed(log: Log) -> None:
    async def call() -> Response:
        log.away = True
        return JsonAnswer({"id": "made"}, 201)

    answer = await trail(log).noted(asked("POST", f"{API}/bots"), "key", "t", call)
    assert (answer.status_code, log.only["outcome"]) == (201, "unclear")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (JsonAnswer({"error": {"code": "key_revoked"}}, 409), "refused"), (JsonAnswer({}, 503), "failed"),
        (JsonAnswer({"id": "x"}, 201, {"Idempotent-Replayed": "true"}), "repeated"),
        (JsonAnswer({"replayed": 0, "dry_run": True}), "dry_run"),
        (JsonAnswer({"replayed": 2, "dry_run": False}), "done"),
        (JsonAnswer({"dry_run": True}, 200, {"Idempotent-Replayed": "true"}), "repeated"),
        (OutcomeUnclear("?"), "unclear"), (NotFound("?"), "refused"), (ValueError(), "unclear"),
        (asyncio.CancelledError(), "unclear"),
    ],
)  # fmt: skip
async def test_the_outcome_is_what_the_caller_was_told(log: Log, answer: Any, outcome: str) -> None:
    gives = pytest.raises(type(answer)) if isinstance(answer, BaseException) else contextlib.nullcontext()
    with gives:
        await trail(log).noted(asked("POST", f"{API}/keys/k/roll"), "key", "t", answering(answer))
    assert log.only["outcome"] == outcome


async def test_a_successor_is_named_beside_what_it_follows(log: Log) -> None:
    call = answering(JsonAnswer({"id": "new", "key": SECRET}, 201))
    await trail(log).noted(asked("POST", f"{API}/keys/old/roll"), "key", "t", call)
    assert (log.only["object_id"], log.only["made_id"]) == ("old", "new")


@pytest.mark.parametrize("named", ["+15551234567", "15551234567"])
async def test_what_nobody_has_is_not_named_for_it_may_be_a_persons_number(log: Log, named: str) -> None:
    call = answering(NotFound("There is no such contact."))
    with pytest.raises(NotFound):
        await trail(log).noted(asked("DELETE", f"{API}/contacts/{named}"), "key", "t", call)
    assert "1555" not in str(log.only)


async def test_who_is_blocked_is_not_in_the_log(log: Log) -> None:
    path = f"{API}/phone_numbers/123456789012345/blocked_users/15551234567"
    await trail(log).noted(asked("DELETE", path), "key", "t", answering(Response(status_code=204)))
    assert log.only["object_id"] == "123456789012345"
    assert "1555123" not in str(log.only)


async def test_an_answer_that_is_passed_on_is_read_and_given_as_it_was(log: Log) -> None:
    async def chunks() -> Any:
        yield b'{"id":'
        yield b'"made"}'

    streamed = StreamingResponse(chunks(), 201, {"content-type": "application/json", "retry-after": "3"})
    answer = await trail(log).noted(asked("POST", f"{API}/bots"), "key", "t", answering(streamed))
    assert (answer.body, answer.status_code, answer.headers["retry-after"]) == (b'{"id":"made"}', 201, "3")
    assert log.only["object_id"] == "made"


async def test_our_own_tools_are_noted_under_the_tenant_that_it_was_done_to(log: Log) -> None:
    call = answering(JsonAnswer({"id": "made", "tenant": "theirs"}, 201))
    await trail(log).noted(asked("POST", "/internal/keys"), "console", None, call)
    assert (log.only["tenant"], log.only["actor"]) == ("theirs", "console")


async def test_a_word_of_metas_that_comes_twice_is_one_entry(log: Log) -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    for value in ("a", "a", "b"):
        await trail(log).meta_said("t", "account.stop", "1", "token_revoked", at, value)
    assert len(log.rows) == 2
    assert {(row["actor"], row["at"]) for row in log.rows.values()} == {("meta", at)}

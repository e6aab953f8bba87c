"""One running stack for a whole test session, with a second tenant beside the first, and people nobody has met."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from tests.faults.scenarios import QUICK
from tests.support.running import Number, Stack, running_stack, until

# As in production a message that nobody wakes waits for its first look; a stopped account is looked at more often.
# Webhooks to customers are given up in seconds, not days. Tests are a load balancer to edge: they may say who calls.
SETTINGS = QUICK | {
    "WABUS_EDGE_FIRST_LOOK": "PT45S",
    "WABUS_EDGE_TRUSTED_PROXIES": "127.0.0.1",
    "WABUS_EDGE_FAILED_ATTEMPTS": "120",
    "WABUS_EDGE_LAST_USED_EVERY": "PT0.5S",
    "WABUS_EDGE_FORGET_SETTLES": "PT2S",
    "WABUS_SENDER_STOPPED_WAIT": "PT1S",
    "WABUS_TEMPLATES_RETRY_EVERY": "PT1S",
    "WABUS_NOTIFIER_TIMEOUT": "PT2S",
    "WABUS_NOTIFIER_RETRIES": "PT0.2S,PT0.3S,PT0.5S,PT1S,PT1S,PT1S,PT1S,PT1S,PT1S",
    "WABUS_NOTIFIER_LOOK_EVERY": "PT1S",
    "WABUS_NOTIFIER_CIRCUIT_FIRST": "PT0.3S",
    "WABUS_NOTIFIER_CIRCUIT_LONGEST": "PT0.6S",
    "WABUS_NOTIFIER_DISABLE_AFTER": "PT3S",
    "WABUS_NOTIFIER_SESSION_TIMEOUT": "PT6S",
}

# Meta's statuses follow one another at once; nobody reads by himself.
AT_ONCE = {"sent": 0.01, "delivered": 0.01, "read": 0.01, "answer": 0.01, "read_share": 0.0, "seed": 1}
ALL_SCOPES = "whatsapp:read,whatsapp:write,whatsapp:send"

# The error type of every status, as the REST surface promises it.
TYPES = {
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    403: {"permission_error"},
    404: {"not_found_error"},
    405: {"invalid_request_error"},
    409: {"conflict_error", "idempotency_error"},
    410: {"not_found_error"},
    413: {"invalid_request_error"},
    415: {"invalid_request_error"},
    422: {"invalid_request_error", "idempotency_error"},
    429: {"rate_limit_error"},
    502: {"upstream_error"},
    503: {"api_error"},
    504: {"upstream_error", "api_error"},
}
SHAPE = {"type", "code", "message", "param", "request_id", "retryable", "errors", "meta"}


@dataclass(frozen=True)
class Tenant:
    """A tenant with a key of all three scopes."""

    id: str
    key: str


def refused(answer: httpx.Response, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """Check that an answer is a refusal in the shape that every refusal has, and return its error object."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) >= SHAPE, f"missing in the error: {SHAPE - set(error)}"
    assert error["type"] in TYPES[status], error
    assert error["request_id"] == answer.headers["Request-Id"]
    assert error["message"]
    assert isinstance(error["message"], str)
    assert all(set(problem) == {"path", "message"} for problem in error["errors"])
    if code is not None:
        assert error["code"] == code, error
    if param is not None:
        assert error["param"] == param, error
    return error


def new_tenant(stack: Stack, name: str) -> Tenant:
    """Make a tenant with a key."""
    made = json.loads(stack.cli("tenants", "create", "--name", name, "--json"))
    return Tenant(made["id"], str(new_key(stack, ALL_SCOPES, tenant=made["id"])["key"]))


def new_key(stack: Stack, scopes: str, tenant: str | None = None, mode: str = "test") -> dict[str, Any]:
    """Make a key, of the stack's own tenant unless one is named; -> as the command line prints it."""
    whose = ("--tenant", tenant) if tenant else ()
    text = stack.cli("keys", "create", "--mode", mode, *whose, "--scopes", scopes, "--json")
    made: dict[str, Any] = json.loads(text)
    return made


def newest(stack: Stack, key: str | None = None, **filters: str) -> str | None:
    """Return the id of a tenant's newest message, or None."""
    query = "".join(f"&{name}={value}" for name, value in filters.items())
    answer = stack.call("GET", f"/messages?limit=1{query}", key=key or stack.key)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["data"]
    return str(rows[0]["id"]) if rows else None


def all_rows(stack: Stack, path: str, key: str | None = None) -> list[dict[str, Any]]:
    """Return every row of a list, page by page."""
    rows: list[dict[str, Any]] = []
    after, limit = "", f"{path}{'&' if '?' in path else '?'}limit=100"
    while True:
        page = stack.call("GET", f"{limit}{after}", key=key or stack.key).json()
        rows += page["data"]
        if not page["has_more"]:
            return rows
        after = f"&starting_after={rows[-1]['id']}"


def greet(number: Number, user: str, text: str = "hi") -> None:
    """Have a user write to a number, and wait until that opened the window."""
    number.hears(user, text)
    path = f"/messages?direction=inbound&phone_number_id={number.id}&recipient={user}&limit=1"
    until(lambda: number.stack.call("GET", path).json()["data"], "the window is open", 10, 0.02)


def install(stack: Stack, number: Number, *templates: Mapping[str, Any]) -> None:
    """Install approved templates at Meta and read them from there."""
    stack.box("POST", "/templates", {"waba_id": number.waba_id, "templates": [dict(each) for each in templates]})
    sync(stack, number)


def sync(stack: Stack, number: Number) -> dict[str, Any]:
    """Sync an account's templates and return the finished job."""
    asked = stack.call("POST", "/templates/sync", {"waba_id": number.waba_id})
    assert asked.status_code == 202, asked.text
    job_id = asked.json()["id"]

    def finished() -> dict[str, Any] | None:
        job: dict[str, Any] = stack.call("GET", f"/templates/sync/{job_id}").json()
        return job if job["finished_at"] else None

    found: dict[str, Any] = until(finished, "the sync is finished", 20)
    return found


def buried(stack: Stack, topic: str) -> int:
    """Return how many records lie in a dead-letter topic."""

    async def count() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=stack.info["kafka"])
        await consumer.start()
        try:
            await consumer._client.add_topic(topic)
            parts = [TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic) or ()]
            return sum((await consumer.end_offsets(parts)).values())
        finally:
            await consumer.stop()

    return asyncio.run(count())


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The session's stack. Tests leave it as they found it: no fault in force, every process running."""
    with running_stack(**SETTINGS) as running:
        running.box("PUT", "/timing", AT_ONCE)
        yield running


@pytest.fixture(scope="session")
def number(stack: Stack) -> Number:
    """A connected number with a high throughput, for whatever does not change the number itself."""
    return stack.connect(throughput=1000, messaging_limit="UNLIMITED")


@pytest.fixture(scope="session")
def stranger(stack: Stack) -> Iterator[Tenant]:
    """Another tenant, who has nothing for as long as the session lasts: who is to have something is a `newcomer`."""
    tenant = new_tenant(stack, "Strangers")
    yield tenant
    for path in ("/accounts", "/contacts", "/templates"):
        assert all_rows(stack, path, tenant.key) == [], f"a test gave the stranger {path}: take a `newcomer` there"


@pytest.fixture
def newcomer(stack: Stack) -> Tenant:
    """Another tenant, of one test alone, which may connect accounts and meet people."""
    return new_tenant(stack, "Newcomers")


@pytest.fixture(scope="session")
def person() -> Callable[[], str]:
    """Return digits of somebody whom no test has met yet."""
    counter = itertools.count(1)
    return lambda: f"1557{next(counter):07d}"


@pytest.fixture(scope="session")
def germans(person: Callable[[], str]) -> Callable[[int], list[str]]:
    """Return digits of so many people in Germany whom no test has met yet: Meta delivers marketing to them."""
    return lambda count: [f"4915{person()[-9:].zfill(9)}" for _ in range(count)]

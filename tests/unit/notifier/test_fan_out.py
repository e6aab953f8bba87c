"""From events to deliveries: what is stored, what is history, who is woken."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from libs.directory.reach import Reach, reach_of
from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived
from libs.events.model import Event
from libs.kafka.errors import Reason
from libs.kafka.record import Record
from libs.runtime.ids import derived_id
from services.notifier.delivery_store import DeliveryStore, fitting
from services.notifier.endpoint_store import EndpointStore
from services.notifier.fan_out import FanOut
from services.notifier.handlers import EventHandlers
from services.notifier.notices import Notice, disabled_notice
from services.notifier.subscriptions import Subscriptions

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class FixedClock:
    """Stands still."""

    def now(self) -> datetime:
        """Return noon."""
        return NOW

    def monotonic(self) -> float:
        """Return 0."""
        return 0.0


class Shelf:
    """Both stores in memory: the endpoints that it is given, the deliveries that it gets."""

    def __init__(self, *endpoints: dict[str, Any]) -> None:
        self.endpoints = endpoints
        self.rows: dict[str, dict[str, Any]] = {}
        self.bumped: list[str] = []
        self.asked: list[str] = []
        self.lost: set[str] = set()
        self.held: list[str] = []

    async def all_of(self, tenant: str) -> list[dict[str, Any]]:
        self.asked.append(tenant)
        return [each for each in self.endpoints if each["tenant"] == tenant]

    async def add(self, rows: Sequence[dict[str, Any]]) -> int:
        fresh = {row["_id"]: row for row in rows if row["_id"] not in self.rows}
        self.rows |= fresh
        return len(fresh)

    async def remove(self, delivery_ids: Sequence[str]) -> None:
        for each in delivery_ids:
            self.rows.pop(each, None)

    async def bump(self, endpoint_ids: Collection[str], now: datetime) -> set[str]:
        self.bumped += endpoint_ids
        return set(endpoint_ids) & self.lost

    async def recipients(self, ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        return {}

    async def reach(self, tenant: str, mode: str) -> Reach:
        self.asked.append(f"reach of {mode} keys")
        accounts = [{"waba_id": "w1", "sandbox": False}, {"waba_id": "w2", "sandbox": True}]
        return reach_of(accounts, [{"_id": "1", "waba_id": "w1"}, {"_id": "2", "waba_id": "w2"}])

    async def hold(self, endpoint_id: str) -> None:
        self.held.append(endpoint_id)


def endpoint(name: str, tenant: str = "ours", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"_id": name, "tenant": tenant, "events": ["*"], "phone_number_ids": [], "status": "enabled"}
    return made | {"created_at": NOW - 20 * DAY} | more


def built(shelf: Shelf) -> tuple[FanOut, Subscriptions, list[str]]:
    woken: list[str] = []
    endpoints, deliveries = cast(EndpointStore, shelf), cast(DeliveryStore, shelf)
    subscriptions = Subscriptions(endpoints, FixedClock())
    fan_out = FanOut(
        subscriptions, endpoints, deliveries, shelf, FixedClock(), 7 * DAY, 30 * DAY, lambda: woken.append("now")
    )
    return fan_out, subscriptions, woken


def notice(event_id: str = "event", at: datetime = NOW, tenant: str = "ours") -> Notice:
    return Notice(event_id, "message.read", tenant, at, {})


async def test_an_event_is_stored_once_for_each_endpoint_however_often_it_comes() -> None:
    shelf = Shelf(endpoint("a"), endpoint("b"), endpoint("c", tenant="theirs"))
    fan_out, _, woken = built(shelf)
    await fan_out.tell([notice(), notice("other")])
    await fan_out.tell([notice()])
    assert sorted((row["endpoint_id"], row["event_id"]) for row in shelf.rows.values()) == [
        ("a", "event"), ("a", "other"), ("b", "event"), ("b", "other")
    ]  # fmt: skip
    # Woken again for the repeat too: the first time may have died between the deliveries and this.
    assert (sorted(shelf.bumped), woken) == (["a", "a", "b", "b"], ["now", "now"])


async def test_history_is_not_sent_again_when_its_deliveries_are_gone() -> None:
    shelf = Shelf(endpoint("a"))
    fan_out, _, woken = built(shelf)
    await fan_out.tell([notice("old", NOW - 7 * DAY - timedelta(seconds=1)), notice("news", NOW - 6 * DAY)])
    assert [row["event_id"] for row in shelf.rows.values()] == ["news"]
    [row] = shelf.rows.values()
    assert row["expires_at"] == NOW + 30 * DAY
    assert woken


async def test_what_happened_before_an_endpoint_was_made_is_not_sent_to_it() -> None:
    shelf = Shelf(endpoint("young", created_at=NOW), endpoint("old"))
    fan_out, _, _ = built(shelf)
    await fan_out.tell(
        [notice("before", NOW - timedelta(minutes=1)), notice("in-this-second", NOW - timedelta(seconds=1))]
    )
    assert sorted((row["event_id"], row["endpoint_id"]) for row in shelf.rows.values()) == [
        ("before", "old"), ("in-this-second", "old"), ("in-this-second", "young")
    ]  # fmt: skip


async def test_what_an_endpoint_misses_is_held_only_where_we_disabled_it_for_failing() -> None:
    off = {"status": "disabled"}
    shelf = Shelf(
        endpoint("failing", disabled_reason="failing", **off),
        endpoint("gone", disabled_reason="gone", **off),
        endpoint("by-request", disabled_reason="by_request", **off),
    )
    fan_out, _, _ = built(shelf)
    await fan_out.tell([notice()])
    [row] = shelf.rows.values()
    assert (row["endpoint_id"], row["state"], "due" in row) == ("failing", "held", False)
    assert shelf.bumped == []


async def test_what_was_stored_for_an_endpoint_that_just_went_does_not_wait_for_ever() -> None:
    shelf = Shelf(endpoint("a"), endpoint("b"))
    shelf.lost = {"b"}  # another process disabled it within the seconds for which ours is cached
    fan_out, _, _ = built(shelf)
    await fan_out.tell([notice()])
    assert shelf.held == ["b"]


def test_large_bodies_are_held_a_few_at_a_time_and_one_in_any_case() -> None:
    rows = [{"_id": str(i), "size": size} for i, size in enumerate([900, 200, 10])]
    assert [row["_id"] for row in fitting(rows, 1_000)] == ["0"]
    assert [row["_id"] for row in fitting(rows, 1_100)] == ["0", "1"]
    assert [row["_id"] for row in fitting(rows, 10)] == ["0"]
    assert fitting([], 10) == []


def record(tenant: str, value: bytes, name: str = "id", kind: type[Event] = MessageReceived) -> Record:
    envelope = Envelope(name, kind.type_name(), "tracker", NOW, tenant)
    return Record("messages.inbound.v1", 0, 0, b"k", value, tuple(envelope.headers()), 0)


async def test_a_tenant_without_endpoints_costs_one_look_and_its_records_are_not_read() -> None:
    shelf = Shelf(endpoint("a"))
    fan_out, subscriptions, _ = built(shelf)
    handlers = EventHandlers(subscriptions, shelf, fan_out)
    assert await handlers.take([record("nobody", b"not even JSON")] * 100) == []
    assert await handlers.take([record("nobody", b"not even JSON")] * 100) == []
    assert shelf.asked == ["nobody"]


async def test_a_record_that_cannot_be_read_is_rejected_and_its_siblings_go_on() -> None:
    shelf = Shelf(endpoint("a"))
    fan_out, subscriptions, _ = built(shelf)
    good = (
        b'{"message_id":"m","wamid":"w","phone_number_id":"1","waba_id":"2","conversation_id":"c","contact_id":"k",'
        b'"sender":"s","type":"text","at":"2026-11-25T12:00:00Z","window_until":"2026-11-26T12:00:00Z"}'
    )
    found = await EventHandlers(subscriptions, shelf, fan_out).take([record("ours", b"{}"), record("ours", good)])
    assert [each.reason for each in found] == [Reason.UNREADABLE]
    assert len(shelf.rows) == 1


async def test_what_an_endpoint_was_told_of_a_forgotten_person_goes_also_where_it_was_disabled_since() -> None:
    before = Shelf(endpoint("a"), endpoint("b"))
    fan_out, subscriptions, _ = built(before)
    said = {"message_id": "m", "wamid": "w", "phone_number_id": "1", "waba_id": "2", "conversation_id": "c"}
    said |= {"contact_id": "k", "sender": "s", "type": "text", "at": "2026-11-25T12:00:00Z"}
    said |= {"window_until": "2026-11-26T12:00:00Z"}
    name = derived_id("received", "m")
    await EventHandlers(subscriptions, before, fan_out).take([record("ours", json.dumps(said).encode(), name)])
    assert len(before.rows) == 2
    after = Shelf(endpoint("a", status="disabled"), endpoint("b", status="disabled"))
    after.rows = before.rows
    fan_out, subscriptions, _ = built(after)
    nobody = json.dumps(said | {"wamid": "", "sender": "", "forgotten": True}).encode()
    await EventHandlers(subscriptions, after, fan_out).take([record("ours", nobody, name)])
    assert after.rows == {}


async def test_an_endpoint_that_a_test_key_made_hears_of_sandbox_accounts_only() -> None:
    shelf = Shelf(endpoint("tests", mode="test"), endpoint("live", mode="live"))
    fan_out, _, _ = built(shelf)
    told = {
        "of-the-live-number": replace(notice("1"), phone_number_id="1"),
        "of-the-sandbox-number": replace(notice("2"), phone_number_id="2"),
        "of-the-live-account": replace(notice("3"), data={"waba_id": "w1"}),
        "of-the-sandbox-account": replace(notice("4"), data={"waba_id": "w2"}),
        "of-an-endpoint": disabled_notice(endpoint("o", url="u"), "gone", NOW, NOW),
        "of-an-endpoint-for-tests": disabled_notice(endpoint("t", url="u", mode="test"), "gone", NOW, NOW),
    }
    await fan_out.tell(list(told.values()))
    heard = {row["event_id"] for row in shelf.rows.values() if row["endpoint_id"] == "tests"}
    assert {name for name, it in told.items() if it.event_id in heard} == {
        "of-the-sandbox-number", "of-the-sandbox-account", "of-an-endpoint-for-tests"
    }  # fmt: skip
    assert len(shelf.rows) == len(told) + 3, "the other one hears of everything"


async def test_nobody_looks_what_is_a_sandboxs_where_no_test_key_made_an_endpoint() -> None:
    shelf = Shelf(endpoint("live", mode="live"), endpoint("old"))
    fan_out, _, _ = built(shelf)
    await fan_out.tell([notice()])
    assert shelf.asked == ["ours"]
    assert len(shelf.rows) == 2


async def test_an_endpoint_that_a_test_key_makes_meanwhile_hears_nothing_of_a_live_account() -> None:
    class Busy(Shelf):
        async def reach(self, tenant: str, mode: str) -> Reach:
            self.endpoints = (*self.endpoints, endpoint("new", mode="test"))
            subscriptions.forget("ours")
            return await super().reach(tenant, mode)

    shelf = Busy(endpoint("live", mode="live"), endpoint("tests", "theirs", mode="test"))
    fan_out, subscriptions, _ = built(shelf)
    await fan_out.tell([replace(notice("1"), phone_number_id="1"), notice("2", tenant="theirs")])
    assert {row["endpoint_id"] for row in shelf.rows.values()} == {"live"}

"""What happens around a cancellation when Kafka is away, or the sender was faster."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.directory.reach import Reach
from libs.events.messages import MessageStatus
from libs.kafka.bus import BusUnavailable
from libs.web.errors import NotFound
from services.edge.cancellations import Cancellations
from services.edge.errors import NotCancelable
from tests.support.reaching import reach_to

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Ledger:
    """Holds one message; the reader and the claims of the real thing as far as a cancellation needs them."""

    def __init__(self, state: str = "queued", direction: str = "outbound") -> None:
        self.row: dict[str, Any] = {
            "_id": "m1", "tenant": "t1", "direction": direction, "state": state, "rank": 0, "open": True, "times": {},
            "history": [], "recipient": "+15550001234", "phone_number_id": "1", "waba_id": "2",
            "conversation_id": "c1", "contact_id": "p1",
            "lane": "interactive", "type": "text", "created_at": NOW,
        }  # fmt: skip
        self.told_ids: list[str] = []

    async def get(self, tenant: str, message_id: str) -> dict[str, Any] | None:
        return dict(self.row) if (tenant, message_id) == ("t1", "m1") else None

    async def end(self, record: dict[str, Any], status: MessageStatus, at: datetime) -> bool:
        if self.row["state"] != "queued":
            return False
        self.row |= {"state": status.value, "times": {status.value: at}}
        del self.row["open"]
        return True

    async def reach(self, tenant: str, mode: str) -> Reach:
        return reach_to("2", "1", sandbox=False, mode=mode)

    async def told(self, ids: Sequence[tuple[str, str]]) -> None:
        self.told_ids += [message_id for _, message_id in ids]


class Broker:
    """Takes events, or is away; takes wake-ups too."""

    def __init__(self, away: bool = False) -> None:
        self.away = away
        self.events: list[Any] = []
        self.woken: list[str] = []

    async def publish_many(self, events: Sequence[Any], timeout: float) -> None:
        if self.away:
            raise BusUnavailable("away")
        self.events += events

    def add(self, document: dict[str, Any]) -> None:
        self.woken.append(document["_id"])


class Clock:
    def now(self) -> datetime:
        return NOW


def cancellations(ledger: Ledger, broker: Broker) -> Cancellations:
    return Cancellations(ledger, ledger, ledger, broker, broker, Clock())  # type: ignore[arg-type]  # what it needs of each


async def test_the_event_is_told_and_noted_and_those_behind_are_woken() -> None:
    ledger, broker = Ledger(), Broker()
    cancel = cancellations(ledger, broker)
    assert (await cancel.cancel("t1", "m1", "live"))["state"] == "canceled"
    await cancel.stop()
    assert len(broker.events) == 1
    assert (ledger.told_ids, broker.woken) == (["m1"], ["m1"])
    assert (await cancel.cancel("t1", "m1", "live"))["state"] == "canceled"
    await cancel.stop()
    assert len(broker.events) == 1, "told once"


async def test_with_kafka_away_it_is_canceled_and_stays_due_for_the_sweeper() -> None:
    ledger = Ledger()
    cancel = cancellations(ledger, Broker(away=True))
    assert (await cancel.cancel("t1", "m1", "live"))["state"] == "canceled"
    await cancel.stop()
    assert ledger.told_ids == []


@pytest.mark.parametrize(
    ("ledger", "state"),
    [(Ledger("sending"), "sending"), (Ledger("unknown"), "unknown"), (Ledger("expired"), "expired"),
     (Ledger(direction="inbound"), "received")],
)  # fmt: skip
async def test_what_may_be_on_its_way_is_refused_with_its_state(ledger: Ledger, state: str) -> None:
    with pytest.raises(NotCancelable) as refusal:
        await cancellations(ledger, Broker()).cancel("t1", "m1", "live")
    assert refusal.value.more == {"status": state}


async def test_another_tenants_message_is_not_there() -> None:
    with pytest.raises(NotFound):
        await cancellations(Ledger(), Broker()).cancel("t2", "m1", "live")


async def test_to_a_test_key_a_message_of_an_account_at_meta_does_not_exist() -> None:
    ledger = Ledger()
    with pytest.raises(NotFound):
        await cancellations(ledger, Broker()).cancel("t1", "m1", "test")
    assert ledger.row["state"] == "queued"

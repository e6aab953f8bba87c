"""What the sweeper tells: which messages nobody woke, and how many have an outcome that nobody knows."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from libs.ledger.flow import Door
from services.sender.reconcile import FORGOTTEN_AFTER, Reconciler
from services.sender.sweeper import Sweeper

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LOOK = timedelta(seconds=2)


class World:
    """Records, flow, directory, bus and lease, as far as a sweep asks for them."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows, self.at, self.ours = list(rows), NOW, True

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def hold(self) -> bool:
        return self.ours

    async def past(self, _: datetime, __: int) -> list[dict[str, Any]]:
        return self.rows

    async def open(self, _: Any) -> None:
        """Open messages whose time has come."""

    async def postpone(self, _: Any) -> None:
        """Look again later."""

    async def publish_many(self, _: Any) -> None:
        """Wake conversations."""

    async def partition_counts(self, topics: list[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def applied_until(self, _: int) -> None:
        """Nothing is applied yet: everybody waits."""

    async def heard(self, _: Any) -> dict[str, datetime]:
        return {}

    async def heard_at_all(self) -> None:
        """Nobody was heard."""

    async def door(self) -> Door:
        return Door(None, None)

    async def account(self, *_: str) -> None:
        """None is known."""


def sweeper_of(world: World) -> Sweeper:
    it = cast(Any, world)
    reconciler = Reconciler(it, it, it, it, it, LOOK, LOOK, timedelta(minutes=15), LOOK)
    return Sweeper(it, it, reconciler, it, it, it, timedelta(seconds=1))


def row(state: str, name: str = "m", **more: Any) -> dict[str, Any]:
    ids = {
        "_id": name,
        "tenant": "t",
        "conversation_id": "c",
        "contact_id": "x",
        "waba_id": "w",
        "phone_number_id": "1",
    }
    return ids | {"state": state, "rank": 0, "open": True, "lane": "interactive", "due": NOW} | more


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"wabus_sender_{name}", labels) or 0.0


@pytest.mark.parametrize(
    ("more", "action"),
    [
        ({}, "missed"),
        ({"not_before": NOW}, "woken"),
        ({"send_at": NOW}, "woken"),
        ({"claim": {"at": NOW, "attempt": 1}}, "woken"),
    ],
    ids=["never tried", "put off", "for later", "tried before"],
)
async def test_a_message_that_nobody_woke_is_told_apart_from_one_whose_time_has_come(
    more: dict[str, Any], action: str
) -> None:
    before = {name: told("swept_total", action=name) for name in ("missed", "woken")}
    await sweeper_of(World(row("queued", **more))).sweep()
    grown = {name for name, count in before.items() if told("swept_total", action=name) > count}
    assert grown == {action}


async def test_unknown_messages_are_counted_between_two_looks_and_no_more_once_they_are_found_out() -> None:
    unknown = [row("unknown", name, claim={"at": NOW}) for name in "abc"]
    world = World(*unknown)
    sweeper = sweeper_of(world)
    await sweeper.sweep()
    assert told("unknown_messages") == 3
    world.rows, world.at = [], NOW + LOOK / 2  # none is due in this sweep
    await sweeper.sweep()
    assert told("unknown_messages") == 3
    world.rows, world.at = unknown[:1], NOW + LOOK  # the others were settled by webhooks meanwhile
    await sweeper.sweep()
    world.rows, world.at = [], NOW + LOOK * FORGOTTEN_AFTER
    await sweeper.sweep()
    assert told("unknown_messages") == 1


async def test_a_sender_that_does_not_sweep_any_more_knows_of_none() -> None:
    world = World(row("unknown", claim={"at": NOW}))
    sweeper = sweeper_of(world)
    await sweeper.sweep()
    assert told("unknown_messages") == 1
    world.ours = False
    assert not await sweeper._is_ours()
    assert told("unknown_messages") == 0

"""Room: ten seconds of a number's rate, shared; a campaign's own rate; a portfolio's people of the day."""

from datetime import UTC, datetime
from typing import Any

from libs.directory.entries import AccountEntry, NumberEntry
from services.campaigns.pace import Neighbours, Pace
from services.campaigns.states import RecipientState
from services.campaigns.targets import Sending

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


class Spent:
    """A portfolio that has reached so many people."""

    def __init__(self, used: int) -> None:
        self.people = used

    async def used(self, portfolio_id: str, now: datetime, most: int) -> int:
        return self.people

    async def next_free(self, portfolio_id: str, now: datetime) -> datetime:
        return NOW


def sending(throughput: int = 80, limit: int | None = None) -> Sending:
    account = AccountEntry("t", "w", "active", "x", None, "p", limit, False, False, None)  # type: ignore[arg-type]
    return Sending(NumberEntry("n", "t", "w", "connected", throughput, None), account)


def counts(**some: int) -> dict[str, int]:
    return dict.fromkeys((state.value for state in RecipientState), 0) | some


def running(name: str, **more: Any) -> dict[str, Any]:
    return {"_id": name, "status": "running", "phone_number_id": "n"} | more


def pace(used: int = 0, clock: FixedClock | None = None) -> Pace:
    return Pace(Spent(used), clock or FixedClock(), 10.0)  # type: ignore[arg-type]  # what it asks of them is there


def between(where: Sending, **campaigns: dict[str, int]) -> Neighbours:
    docs = [running(name) for name in campaigns]
    return Neighbours.of(docs, campaigns, dict.fromkeys(campaigns, where))


async def room(of: Pace, its: dict[str, int], where: Sending, neighbours: Neighbours, **more: Any) -> int:
    return (await of.room(running("a", **more), its, where, neighbours, 5_000)).messages


async def test_ten_seconds_of_the_rate_may_wait() -> None:
    where, its = sending(), counts(pending=10_000, queued=300)
    assert await room(pace(), its, where, between(where, a=its)) == 500


async def test_campaigns_of_one_number_have_equal_shares_and_one_that_is_done_has_none() -> None:
    where, its = sending(), counts(pending=10_000, queued=100)
    assert await room(pace(), its, where, between(where, a=its, b=counts(pending=1, queued=400))) == 300
    assert await room(pace(), its, where, between(where, a=its, b=counts(delivered=9))) == 700


async def test_among_very_many_campaigns_each_has_room_for_one() -> None:
    where, its = sending(), counts(pending=10)
    many = {f"c{place}": counts(pending=1) for place in range(5_000)}
    assert await room(pace(), its, where, between(where, a=its, **many)) == 1


async def test_its_own_rate_fills_up_with_time() -> None:
    clock, where, its = FixedClock(), sending(), counts(pending=10_000)
    own = pace(clock=clock)
    neighbours = between(where, a=its)
    assert await room(own, its, where, neighbours, rate_per_second=4) == 1
    assert await room(own, its, where, neighbours, rate_per_second=4) == 0
    clock.seconds = 0.5
    assert await room(own, its, where, neighbours, rate_per_second=4) == 2
    clock.seconds = 60.0
    assert await room(own, its, where, neighbours, rate_per_second=4) == 4


async def test_who_is_queued_counts_against_the_portfolio_as_if_reached() -> None:
    where, its = sending(limit=1_000), counts(pending=10_000, queued=200)
    assert await room(pace(used=500), its, where, between(where, a=its)) == 300
    full = await pace(used=800).room(running("a"), its, where, between(where, a=its), 500)
    assert (full.messages, full.reason, full.until) == (0, "messaging_limit", NOW)


async def test_a_budget_leaves_no_room_beyond_it() -> None:
    where, its = sending(), counts(pending=10_000, queued=2, delivered=5)
    assert await room(pace(), its, where, between(where, a=its), budget=10) == 3

import asyncio

import pytest
from prometheus_client import REGISTRY

from libs.events.messages import Lane
from libs.kafka.errors import LetGo
from services.sender.pacing import BULK_SHARE, Pacers, Parked
from services.sender.pairs import BURST, INTERVAL, Pairs


class LoopClock:
    """The loop's own time."""

    def monotonic(self) -> float:
        """Return it."""
        return asyncio.get_running_loop().time()

    def now(self) -> None:
        """Not needed here."""


class HandClock:
    """Time that only moves by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.at

    def now(self) -> None:
        """Not needed here."""


async def _released(rate: int, lanes: list[Lane], seconds: float) -> list[Lane]:
    pacer = Pacers(LoopClock(), 10_000).of("number", rate)  # type: ignore[arg-type]
    order: list[Lane] = []

    async def wait(lane: Lane) -> None:
        await pacer.slot(lane, 60.0)
        order.append(lane)

    tasks = [asyncio.create_task(wait(lane)) for lane in lanes]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return order


async def test_a_number_never_gets_more_slots_than_its_rate() -> None:
    assert 0.7 * 200 * 0.5 <= len(await _released(200, [Lane.BULK] * 400, 0.5)) <= 200 * 0.5 + 10


async def test_replies_overtake_campaigns_which_still_get_their_share_of_what_is_left() -> None:
    order = await _released(200, [Lane.BULK] * 200 + [Lane.INTERACTIVE] * 20, 0.5)
    assert order.count(Lane.INTERACTIVE) == 20
    assert max(place for place, lane in enumerate(order) if lane is Lane.INTERACTIVE) < 45
    assert len(order) <= 20 + 200 * 0.5 * BULK_SHARE + 15


async def test_a_throttle_halves_the_rate() -> None:
    pacer = Pacers(LoopClock(), 100).of("number", 80)  # type: ignore[arg-type]
    before = pacer.current
    pacer.throttled()
    assert pacer.current <= before * 0.55


async def test_a_wait_that_is_too_long_is_parked_and_a_slow_number_takes_only_its_share() -> None:
    pacer = Pacers(LoopClock(), 40).of("number", 1)  # type: ignore[arg-type]
    tasks = [asyncio.create_task(pacer.slot(Lane.BULK, 1e9)) for _ in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(Parked):
        await pacer.slot(Lane.BULK, 1e9)
    with pytest.raises(Parked):
        await pacer.slot(Lane.INTERACTIVE, -1.0)
    pacer.let_go()
    assert all(isinstance(each, LetGo) for each in await asyncio.gather(*tasks, return_exceptions=True))


def test_a_pair_may_burst_and_then_waits_for_its_interval() -> None:
    clock = HandClock()
    pairs = Pairs(clock)  # type: ignore[arg-type]
    assert [pairs.delay("number", "person") for _ in range(BURST)] == [0.0] * BURST
    wait = pairs.delay("number", "person")
    assert 0 < wait <= INTERVAL
    assert pairs.delay("number", "another") == 0.0
    clock.at += wait
    assert pairs.delay("number", "person") == 0.0


def test_refusals_of_a_pair_wait_longer_each_time_until_one_is_accepted() -> None:
    clock = HandClock()
    pairs = Pairs(clock)  # type: ignore[arg-type]
    assert [pairs.refused("number", "person") for _ in range(3)] == [1.0, 4.0, 16.0]
    assert pairs.delay("number", "person") == pytest.approx(16.0)
    pairs.accepted("number", "person")
    assert pairs.refused("number", "person") == 1.0


async def test_what_comes_late_and_all_at_once_leaves_at_the_rate_and_replies_first() -> None:
    pacer = Pacers(LoopClock(), 10_000).of("number", 200)  # type: ignore[arg-type]
    gone: list[tuple[float, Lane]] = []

    async def leave(lane: Lane) -> None:
        await pacer.gate.pass_through(lane)
        gone.append((asyncio.get_running_loop().time(), lane))

    await asyncio.gather(*(leave(lane) for lane in [Lane.BULK] * 100 + [Lane.INTERACTIVE] * 5))
    at = [moment for moment, _ in gone]
    for place, begin in enumerate(at):
        held = sum(1 for moment in at[place:] if moment < begin + 0.2)
        assert held <= 200 * 0.2 + 200 * 0.04 + 1
    assert {lane for _, lane in gone[:5]} == {Lane.INTERACTIVE}


async def test_an_attempt_that_was_given_up_at_the_gate_costs_nobody_a_turn() -> None:
    pacer = Pacers(LoopClock(), 10_000).of("number", 50)  # type: ignore[arg-type]
    first, second = (asyncio.create_task(pacer.gate.pass_through(Lane.BULK)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 0.2)


def _shown(name: str, number: str, **more: str) -> float | None:
    return REGISTRY.get_sample_value(f"wabus_sender_number_{name}", {"phone_number_id": number} | more)


async def test_the_gauges_of_a_number_show_its_bucket_and_go_with_it() -> None:
    clock = HandClock()
    pacers = Pacers(clock, 10_000)  # type: ignore[arg-type]
    pacer = pacers.of("4711", 100)
    waiting = asyncio.create_task(pacer.slot(Lane.BULK, 60.0))
    await asyncio.sleep(0)
    assert _shown("waiting_messages", "4711", lane="bulk") == 1
    assert _shown("throughput", "4711") == 100
    assert _shown("rate", "4711") == pytest.approx(98)
    pacer.throttled()
    assert _shown("rate", "4711") == pytest.approx(49)
    clock.at += 2
    assert _shown("rate", "4711") == pytest.approx(49 + 2 * 0.05 * 98)
    pacers.let_go()
    await asyncio.gather(waiting, return_exceptions=True)
    assert _shown("rate", "4711") is None
    assert _shown("waiting_messages", "4711", lane="bulk") is None

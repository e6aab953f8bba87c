"""The supervisor's promises, with small real processes in place of services."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from deploy.local.errors import NotReadyInTime, ProcessDied, StackRefused
from deploy.local.plan import ProcessPlan
from deploy.local.processes import spawn
from deploy.local.services import Tier
from deploy.local.supervisor import Supervisor
from tests.support.waiting import eventually

# Says which life it is by a line in its log, is ready when `ready` exists, and stops when asked.
LIVES = "import signal, time; print('life', flush=True); signal.signal(15, lambda *_: exit(0)); time.sleep(60)"
DIES = "import sys; sys.exit('cannot start: no luck')"
ALL = {Tier.SERVERS, Tier.META, Tier.WORKERS, Tier.DOOR}


class Small:
    """Plans of small processes, and what the supervisor reported and did in which order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.ready = True

    def plan(self, name: str, tier: Tier, code: str = LIVES, within: float = 10) -> ProcessPlan:
        log = self.folder / f"{name}.log"

        async def ready() -> bool:
            return self.ready and "life" in log.read_text()

        command = [sys.executable, "-c", code]
        return ProcessPlan(name, tier, partial(spawn, name, command, {}, self.folder, log), ready, within)

    def supervisor(self, *plans: ProcessPlan) -> Supervisor:
        return Supervisor(plans, self.said.append, lambda: None)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


async def running(supervisor: Supervisor, test: Callable[[], Awaitable[None]]) -> None:
    """Run a test's body while the supervisor watches, and stop everything whatever happens."""
    watching = asyncio.create_task(supervisor.watch())
    try:
        await test()
    finally:
        watching.cancel()
        await supervisor.stop()
    assert supervisor.pids() == {}


async def test_what_dies_comes_back_and_what_was_halted_does_not(small: Small) -> None:
    supervisor = small.supervisor(small.plan("one", Tier.WORKERS), small.plan("two", Tier.WORKERS))

    async def body() -> None:
        await supervisor.start(ALL, set())
        first = supervisor.pids()
        await supervisor.halt("two")
        os.kill(first["one"], signal.SIGKILL)
        await eventually(lambda: supervisor.pids().get("one", first["one"]) != first["one"], "one is back")
        await supervisor.settle()
        assert set(supervisor.pids()) == {"one"}

    await running(supervisor, body)
    assert "one ended with code -9: it is started again in 1 s" in small.said


async def test_a_restart_joins_the_start_that_is_under_way(small: Small) -> None:
    supervisor = small.supervisor(small.plan("one", Tier.WORKERS))

    async def body() -> None:
        await supervisor.start(ALL, set())
        small.ready = False
        first = asyncio.create_task(supervisor.restart("one"))
        await eventually(lambda: supervisor.status()[0]["starts"] == 2, "the restart has begun")
        second = asyncio.create_task(supervisor.restart("one"))
        await asyncio.sleep(0)
        small.ready = True
        await asyncio.gather(first, second)
        assert supervisor.status()[0]["starts"] == 2

    await running(supervisor, body)


async def test_a_process_that_is_ready_too_late_is_ready_all_the_same(small: Small) -> None:
    small.ready = False
    supervisor = small.supervisor(small.plan("one", Tier.WORKERS, within=0.2))

    async def body() -> None:
        with pytest.raises(NotReadyInTime):
            await supervisor.start(ALL, set())
        small.ready = True
        await eventually(lambda: supervisor.status()[0]["state"] == "ready", "it is ready")

    await running(supervisor, body)


async def test_the_first_that_cannot_start_ends_the_start(small: Small) -> None:
    supervisor = small.supervisor(small.plan("one", Tier.WORKERS), small.plan("two", Tier.WORKERS, DIES))

    async def body() -> None:
        with pytest.raises(ProcessDied, match="two ended with code 1: no luck"):
            await supervisor.start(ALL, set())

    await running(supervisor, body)


async def test_a_process_that_nobody_knows_is_refused_by_name(small: Small) -> None:
    supervisor = small.supervisor(small.plan("one", Tier.WORKERS))

    async def body() -> None:
        with pytest.raises(StackRefused, match="the stack has no three: it has one"):
            await supervisor.restart("three")

    await running(supervisor, body)


async def test_the_door_stops_first_and_the_servers_last(small: Small) -> None:
    order = small.folder / "order"
    writes = LIVES.replace("exit(0)", "(open({path!r}, 'a').write({name!r} + ' '), exit(0))")
    plans = [
        small.plan(name, tier, writes.format(path=str(order), name=name))
        for name, tier in [
            ("kafka", Tier.SERVERS),
            ("sandbox", Tier.META),
            ("sender", Tier.WORKERS),
            ("edge", Tier.DOOR),
        ]
    ]
    supervisor = small.supervisor(*plans)
    await supervisor.start(ALL, set())
    await eventually(lambda: all(_printed(small, plan.name) for plan in plans), "all hear")
    await supervisor.stop()
    assert order.read_text().split() == ["edge", "sender", "sandbox", "kafka"]


async def test_brokers_of_one_tier_stop_in_turns_and_the_last_is_not_waited_for(small: Small) -> None:
    """With the others gone there is no controller left that would let it go."""
    order = small.folder / "order"
    writes = LIVES.replace("exit(0)", "(time.sleep(0.2), open({path!r}, 'a').write({name!r} + ' '), exit(0))")
    plans = [
        replace(small.plan(name, Tier.SERVERS, writes.format(path=str(order), name=name)), stop_turn=turn)
        for turn, name in enumerate(["kafka", "kafka-2"])
    ]
    stubborn = LIVES.replace("lambda *_: exit(0)", "signal.SIG_IGN")
    plans.append(replace(small.plan("kafka-3", Tier.SERVERS, stubborn), stop_turn=2, stop_within=0.3))
    supervisor = small.supervisor(*plans)
    await supervisor.start(ALL, set())
    await eventually(lambda: all(_printed(small, plan.name) for plan in plans), "all hear")
    async with asyncio.timeout(10):
        await supervisor.stop()
    assert order.read_text().split() == ["kafka", "kafka-2"]
    assert "kafka-3 did not stop within 0 s and was killed" in small.said


def _printed(small: Small, name: str) -> bool:
    return "life" in (small.folder / f"{name}.log").read_text()

import asyncio

from libs.runtime.errors import Outage
from libs.runtime.periodic import Periodic
from tests.support.waiting import eventually


class Rounds(Periodic):
    """Counts its rounds; the first ones raise what they were given."""

    def __init__(self, *raised: Exception, every: float = 0.001, at_once: bool = True) -> None:
        super().__init__(every, at_once=at_once)
        self.raised = list(raised)
        self.done = 0

    async def _round(self) -> None:
        self.done += 1
        if self.raised:
            raise self.raised.pop(0)


async def test_an_outage_or_a_bug_in_one_round_does_not_end_the_next() -> None:
    rounds = Rounds(Outage("away"), KeyError("bug"))
    await rounds.start()
    await eventually(lambda: rounds.done >= 3, "the rounds after the failed ones")
    await rounds.stop()


async def test_the_first_round_waits_where_it_is_not_wanted_at_once() -> None:
    now, later = Rounds(every=60), Rounds(every=60, at_once=False)
    await now.start()
    await later.start()
    await eventually(lambda: now.done, "the round at once")
    assert later.done == 0
    await now.stop()
    await later.stop()


async def test_after_the_stop_no_round_begins() -> None:
    rounds = Rounds(every=0)
    await rounds.start()
    await eventually(lambda: rounds.done, "a round")
    await rounds.stop()
    done = rounds.done
    for _ in range(5):
        await asyncio.sleep(0)
    assert rounds.done == done

import asyncio
from typing import Any

import pytest

from libs.kafka.attempts import Attempts, CeilingReached
from libs.kafka.ceiling import Ceiling, CeilingWatch
from libs.kafka.dead_letter_reader import DeadLetter
from libs.kafka.dead_letters import Burial, DeadLetterPolicy
from libs.kafka.errors import LetGo, Poison, Reason, RecordRefused
from libs.kafka.record import Record
from libs.runtime.errors import Outage
from tests.unit.kafka.fakes import FakeClock, FakePublisher, record

POLICY = DeadLetterPolicy(service="s", first_wait=0.001, ceiling=Ceiling(from_count=2, share=0))


class Handler:
    """Raises what it is told to, one after the other, then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def __call__(self, _: Record) -> None:
        """Run once."""
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)


def attempts(handler: Handler, publisher: FakePublisher) -> Attempts:
    clock = FakeClock()
    return Attempts(handler, Burial(publisher, "g", POLICY), POLICY, CeilingWatch(POLICY.ceiling, clock), clock)


async def test_a_bug_that_goes_by_is_tried_again_and_not_buried() -> None:
    handler, publisher = Handler(ValueError(), ValueError(), ValueError(), ValueError()), FakePublisher()
    await attempts(handler, publisher).finish(record(), asyncio.Event())
    assert (handler.runs, publisher.published) == (5, [])


async def test_the_last_try_buries_and_earlier_failures_count() -> None:
    handler, publisher = Handler(*[ValueError()] * 9), FakePublisher()
    await attempts(handler, publisher).finish(record(), asyncio.Event(), before=2)
    assert (handler.runs, len(publisher.published)) == (3, 1)


async def test_outages_do_not_count_as_tries() -> None:
    handler, publisher = Handler(ValueError(), Outage(), ValueError(), Outage(), ValueError()), FakePublisher()
    await attempts(handler, publisher).finish(record(), asyncio.Event())
    assert (handler.runs, publisher.published) == (6, [])


async def test_burying_waits_for_the_broker() -> None:
    handler, publisher = Handler(Poison(Reason.REFUSED)), FakePublisher(away=2)
    await attempts(handler, publisher).finish(record(), asyncio.Event())
    assert (handler.runs, len(publisher.published)) == (1, 1)


async def test_beyond_the_ceiling_nothing_is_buried() -> None:
    handler, publisher = Handler(*[Poison(Reason.REFUSED)] * 3), FakePublisher()
    tried = attempts(handler, publisher)
    await tried.finish(record(0), asyncio.Event())
    await tried.finish(record(1), asyncio.Event())
    with pytest.raises(CeilingReached):
        await tried.finish(record(2), asyncio.Event())
    assert len(publisher.published) == 2


@pytest.mark.parametrize("error", [Outage(), ValueError(), LetGo()])
async def test_a_leaving_partition_ends_the_wait_between_tries(error: Exception) -> None:
    handler, publisher, leaving = Handler(*[error] * 99), FakePublisher(), asyncio.Event()
    leaving.set()
    with pytest.raises(LetGo):
        await attempts(handler, publisher).finish(record(), leaving)
    assert (handler.runs, publisher.published) == (1, [])


async def test_letting_go_without_cause_means_not_now() -> None:
    handler, publisher = Handler(LetGo()), FakePublisher()
    await attempts(handler, publisher).finish(record(), asyncio.Event())
    assert handler.runs == 2


async def test_a_cancelled_inner_task_is_a_bug_but_our_own_cancellation_is_obeyed() -> None:
    handler, publisher = Handler(asyncio.CancelledError()), FakePublisher()
    await attempts(handler, publisher).finish(record(), asyncio.Event())
    assert handler.runs == 2

    async def hang(_: Record) -> None:
        await asyncio.Event().wait()

    clock = FakeClock()
    hanging = Attempts(hang, Burial(publisher, "g", POLICY), POLICY, CeilingWatch(POLICY.ceiling, clock), clock)
    task = asyncio.create_task(hanging.finish(record(), asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_was_put_back_and_dies_again_does_not_stop_its_consumer() -> None:
    handler, publisher = Handler(*[Poison(Reason.REFUSED)] * 6), FakePublisher()
    one = attempts(handler, publisher)
    for place in range(5):
        await one.finish(record(place, headers=(("dlt_replays", b"1"),)), asyncio.Event())
    await one.finish(record(), asyncio.Event())  # one of its own is below the ceiling still
    assert len(publisher.published) == 6


async def test_what_cannot_be_written_because_of_a_record_is_buried_at_once_and_stops_nobody() -> None:
    handler, publisher = Handler(*[RecordRefused("too large")] * 5), FakePublisher()
    one = attempts(handler, publisher)
    for place in range(5):  # a tenant's own, who would like the consumer of all to stand still
        await one.finish(record(place), asyncio.Event())
    assert handler.runs == 5
    reasons = [dict(headers)["dlt_reason"] for *_, headers in publisher.published]
    assert reasons == [b"refused"] * 5
    await one.finish(record(6), asyncio.Event())  # and it goes on


async def test_a_record_that_fits_its_topic_compressed_only_is_buried_without_its_value() -> None:
    class Narrow(FakePublisher):
        async def publish(self, topic: str, *, key: Any, value: Any, headers: Any, timeout: float) -> None:
            if len(value or b"") > 10:
                raise RecordRefused("too large")
            await super().publish(topic, key=key, value=value, headers=headers, timeout=timeout)

    publisher = Narrow()
    large = record(value=b"a" * 100, headers=(("ce_id", b"1"),))
    await attempts(Handler(Poison(Reason.UNREADABLE)), publisher).finish(large, asyncio.Event())
    [(topic, key, value, headers)] = publisher.published
    story = dict(headers)
    assert (value, story["dlt_value_left_out"], story["dlt_reason"]) == (b"", b"100", b"unreadable")
    letter = DeadLetter.read(Record(topic, 0, 0, key, value, tuple(headers), 0))
    assert not letter.returnable

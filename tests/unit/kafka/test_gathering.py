"""When records are gathered before they are handed out, and when not."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException, KafkaError  # type: ignore[import-untyped]
from faststream.kafka import KafkaBroker

from libs.kafka.subscription import FetchSettings, subscribe

LULL = 0.02  # seconds; long enough to be told from nothing on a busy machine
TOPIC = "messages.inbound.v1"


class Broker:
    """Answers each fetch after a wait."""

    def __init__(self, *answers: tuple[float, Sequence[str] | KafkaError]) -> None:
        self._answers = list(answers)

    async def getmany(self, *, timeout_ms: int, max_records: int | None) -> dict[str, Sequence[str]]:
        """Return the next answer."""
        wait, records = self._answers.pop(0) if self._answers else (0.0, ())
        await asyncio.sleep(wait)
        if isinstance(records, KafkaError):
            raise records
        return {"partition": records} if records else {}


async def fetched(lull_ms: int, *answers: tuple[float, Sequence[str] | KafkaError]) -> tuple[Any, ...]:
    async def take(_: Any) -> None:
        return None

    settings = FetchSettings(batch_timeout_ms=1, lull_ms=lull_ms)
    subscriber = subscribe(KafkaBroker("127.0.0.1:1"), [TOPIC], "g", settings, None, take)
    return await subscriber.get_msg(Broker(*answers))


async def test_the_first_record_after_a_lull_does_not_wait_for_others() -> None:
    assert await fetched(int(LULL * 1000), (2 * LULL, ["a"]), (0, ["b"])) == ("a",)


async def test_records_that_follow_one_another_are_gathered() -> None:
    assert await fetched(10_000, (0, ["a"]), (0, ["b"]), (0, ["c"])) == ("a", "b", "c")


async def test_where_latency_does_not_count_a_lull_makes_no_difference() -> None:
    assert await fetched(0, (2 * LULL, ["a"]), (0, ["b"])) == ("a", "b")


async def test_an_error_of_one_partition_takes_nothing_from_the_others_that_was_fetched_before_it() -> None:
    answers = ((0, ["a", "b"]), (0, CorruptRecordException("crc")), (0, ["c"]))
    assert await fetched(10_000, *answers) == ("a", "b")
    with pytest.raises(CorruptRecordException):  # it comes by itself where nothing was fetched
        await fetched(10_000, (0, CorruptRecordException("crc")))

"""When the broker is asked to gather records, and when to answer with the first."""

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException, KafkaError  # type: ignore[import-untyped]
from faststream.kafka import KafkaBroker

from libs.kafka import subscription
from libs.kafka.subscription import GATHERED_BYTES, LULL_MS, POLL_MS, FetchSettings, subscribe

TOPIC = "messages.inbound.v1"
AT_ONCE, LULL, IDLE = 0.0, LULL_MS / 1000 * 3, POLL_MS / 1000  # seconds
GATHER, WAIT = 7, 77
AS_IT_COMES, GATHERED = (1, WAIT), (GATHERED_BYTES, GATHER)

Fetched = tuple[tuple[Any, ...] | KafkaError, tuple[int, int]]
Fetches = Callable[..., Awaitable[list[Fetched]]]


class Consumer:
    """Answers each poll after a wait on its own clock, unless that is longer than the poll."""

    def __init__(self, *answers: tuple[float, Sequence[str] | KafkaError]) -> None:
        self._answers = list(answers)
        self.now = 0.0
        self._fetcher = SimpleNamespace(_fetch_min_bytes=1, _fetch_max_wait_ms=WAIT)

    async def getmany(self, *, timeout_ms: int, max_records: int | None) -> dict[str, Sequence[str]]:
        """Return the next answer."""
        wait, records = self._answers.pop(0)
        self.now += min(wait, timeout_ms / 1000)
        if isinstance(records, KafkaError):
            raise records
        return {"partition": records} if wait < timeout_ms / 1000 else {}

    @property
    def next_fetch(self) -> tuple[int, int]:
        """How the next fetch is asked for: so many bytes, or so many milliseconds."""
        return self._fetcher._fetch_min_bytes, self._fetcher._fetch_max_wait_ms


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> Fetches:
    async def take(_: Any) -> None:
        return None

    async def fetch(
        *answers: tuple[float, Sequence[str] | KafkaError], always: bool = False, gather: int = GATHER
    ) -> list[Fetched]:
        """Poll for each answer; -> what was handed out, and how the next fetch was asked for."""
        settings = FetchSettings(gather_ms=gather, wait_ms=WAIT, gathers_always=always)
        subscriber = subscribe(KafkaBroker("127.0.0.1:1"), [TOPIC], "g", settings, None, take)
        consumer = Consumer(*answers)
        monkeypatch.setattr(subscription, "monotonic", lambda: consumer.now)
        found: list[Fetched] = []
        for _ in answers:
            try:
                given: tuple[Any, ...] | KafkaError = await subscriber.get_msg(consumer)
            except KafkaError as error:
                given = error
            found.append((given, consumer.next_fetch))
        return found

    return fetch


async def test_the_first_record_after_a_lull_does_not_wait_for_others(fetches: Fetches) -> None:
    assert await fetches((LULL, ["a"]), (LULL, ["b"])) == [(("a",), AS_IT_COMES), (("b",), AS_IT_COMES)]


async def test_records_that_follow_one_another_are_gathered_until_they_no_longer_do(fetches: Fetches) -> None:
    assert await fetches((LULL, ["a"]), (AT_ONCE, ["b", "c"]), (AT_ONCE, ["d"]), (LULL, ["late"]), (LULL, ["e"])) == [
        (("a",), AS_IT_COMES),
        (("b", "c"), GATHERED),
        (("d",), GATHERED),
        ((), AS_IT_COMES),
        (("e",), AS_IT_COMES),
    ]


async def test_a_record_soon_after_a_poll_that_brought_nothing_follows_none(fetches: Fetches) -> None:
    assert await fetches((LULL, ["a"]), (IDLE, ["never"]), (AT_ONCE, ["b"])) == [
        (("a",), AS_IT_COMES),
        ((), AS_IT_COMES),
        (("b",), AS_IT_COMES),
    ]


async def test_a_poll_that_fails_ends_the_gathering(fetches: Fetches) -> None:
    failure = CorruptRecordException("crc")
    found = await fetches((LULL, ["a"]), (AT_ONCE, ["b"]), (AT_ONCE, failure), (LULL, ["c"]))
    assert found == [(("a",), AS_IT_COMES), (("b",), GATHERED), (failure, AS_IT_COMES), (("c",), AS_IT_COMES)]


@pytest.mark.parametrize("wait", [AT_ONCE, LULL])
async def test_where_nobody_waits_it_is_always_gathered(fetches: Fetches, wait: float) -> None:
    assert await fetches((wait, ["a"]), (wait, ["b"]), always=True) == [(("a",), GATHERED), (("b",), GATHERED)]


async def test_with_no_time_to_gather_nothing_is_gathered(fetches: Fetches) -> None:
    assert await fetches((LULL, ["a"]), (AT_ONCE, ["b"]), gather=0) == [(("a",), AS_IT_COMES), (("b",), AS_IT_COMES)]

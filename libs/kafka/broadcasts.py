"""The broadcast consumer: every process reads all of a topic from its end, to keep its caches honest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from libs.kafka.bus import Bus
from libs.kafka.group import JOIN_RETRY, LEAVE_WITHIN
from libs.kafka.record import Record, raw_record
from libs.kafka.subscription import UNHURRIED_WAIT_MS, Fetched, FetchSettings, ended, subscribe

# Who switches a bot on and writes to it finds it switched on, and few changes follow one another.
AT_ONCE = FetchSettings(gather_ms=0, wait_ms=UNHURRIED_WAIT_MS)

log = structlog.get_logger()


class BroadcastConsumer:
    """A part: calls `handle` for each record, one after the other, in every process that has one.

    Guarantee: none over a restart; a record whose handler raised is logged and passed over. It belongs where missing
    a record costs a few seconds of a stale cache.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        topics: Sequence[str],
        handle: Callable[[Record], Awaitable[object]],
    ) -> None:
        self._bus = bus
        self._topics = topics
        self._handle = handle
        self._subscriber = subscribe(bus.broker, topics, None, AT_ONCE, None, self._take)
        self._joining: asyncio.Task[None] | None = None
        self._joined = asyncio.Event()

    async def start(self) -> None:
        """Begin to read; returns at once, for Kafka may be away."""
        self._joining = asyncio.create_task(self._join())

    async def stop(self) -> None:
        """Stop reading."""
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.wait({self._joining})
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._subscriber.stop()
        except TimeoutError:
            log.warning("broadcast_not_closed", topics=list(self._topics))

    async def joined(self) -> None:
        """Return once every later record will be seen."""
        await self._joined.wait()

    async def healthy(self) -> bool:
        """Tell whether it reads (for readiness)."""
        return self._joined.is_set()

    async def _join(self) -> None:
        while True:
            try:
                counts = await self._bus.partition_counts(self._topics)
                if all(counts.values()):
                    await self._subscriber.start()
                    await self._find_ends()
                    self._joined.set()
                    await self._while_it_lasts()
                else:
                    log.error("topics_missing", topics=[topic for topic, count in counts.items() if not count])
            except Exception as error:
                log.warning("broadcast_not_joined", error_type=type(error).__name__)
                await self._subscriber.stop()
            await asyncio.sleep(JOIN_RETRY)

    async def _while_it_lasts(self) -> None:
        while True:
            await asyncio.sleep(JOIN_RETRY)
            if ended(self._subscriber):
                break
        self._joined.clear()
        log.error("broadcast_ended", topics=list(self._topics))
        await self._subscriber.stop()

    async def _find_ends(self) -> None:
        consumer = self._subscriber.consumer
        if consumer is not None:
            for partition in consumer.assignment():
                await consumer.position(partition)

    async def _take(self, fetched: Fetched) -> None:
        for raw in fetched:
            record = raw_record(raw)
            try:
                await self._handle(record)
            except Exception:
                log.exception("broadcast_handler_raised", topic=record.topic, offset=record.offset)

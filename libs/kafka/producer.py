"""The one idempotent producer of a process: connected in the background, replaced when it can write no more."""

import asyncio
import contextlib

import structlog
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.kafka.connection import KafkaConnection

# 4 MB webhooks with their headers, and the headers that a dead letter adds; the topics that carry them take 5 MiB.
MAX_REQUEST_BYTES = 4 * 1024 * 1024 + 64 * 1024
MAX_BATCH_BYTES = 64 * 1024  # with linger 0 this is what keeps the rate up: records that wait share a request
CONNECT_RETRY = 0.5  # seconds between two tries to reach the broker
CONNECT_WITHIN = 20.0  # seconds for one try: a broker that takes the connection and says nothing is given up
CLOSE_WITHIN = 5.0  # seconds to flush at the end; what is not acknowledged by then was promised to nobody

log = structlog.get_logger()


class ReplaceableProducer:
    """Holds an idempotent aiokafka producer and makes a new one when the old one is beyond use.

    After one record that the broker refuses, all later ones of its partition fail with OutOfOrderSequenceNumber: only
    a new producer id helps.
    """

    def __init__(self, connection: KafkaConnection, client_id: str, *, linger_ms: int, request_timeout_ms: int) -> None:
        self._connection = connection
        self._client_id = client_id
        self._linger_ms = linger_ms
        self._request_timeout_ms = request_timeout_ms
        self._current: asyncio.Future[AIOKafkaProducer] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to connect; returns at once, for a service may have to run while Kafka is away."""
        self._connect_anew()

    async def stop(self) -> None:
        """Flush what is unacknowledged, bounded, and close every connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if (producer := self.connected()) is not None:
            self._close_later(producer)
        self._current = None
        if self._closing:
            await asyncio.wait(self._closing)

    def connected(self) -> AIOKafkaProducer | None:
        """Return the producer if there is one now."""
        return self._current.result() if self._current is not None and self._current.done() else None

    async def ready(self) -> AIOKafkaProducer:
        """Return the producer, waiting for the connection as long as it takes."""
        if self._current is None:
            raise RuntimeError("the bus was not started, or is stopped")
        return self._current.result() if self._current.done() else await asyncio.shield(self._current)

    def replace(self, producer: AIOKafkaProducer) -> None:
        """Let go of this producer, if it is still the current one, and connect a new one."""
        if self.connected() is producer:
            log.warning("producer_replaced")
            self._close_later(producer)
            self._connect_anew()

    def mend(self) -> None:
        """Replace the producer if its sender has ended: it would keep every record and send none."""
        producer = self.connected()
        if producer is not None and producer._sender.sender_task.done():
            self.replace(producer)

    def _connect_anew(self) -> None:
        self._current = asyncio.get_running_loop().create_future()
        self._connecting = asyncio.create_task(self._connect(self._current))

    async def _connect(self, target: "asyncio.Future[AIOKafkaProducer]") -> None:
        while True:
            producer = self._new()
            try:
                async with asyncio.timeout(CONNECT_WITHIN):
                    await producer.start()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("producer_not_connected", error_type=type(error).__name__)
                await _close(producer)
                await asyncio.sleep(CONNECT_RETRY)
            except asyncio.CancelledError:
                await _close(producer)
                raise
            else:
                target.set_result(producer)
                return

    def _new(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._connection.options(),
            client_id=self._client_id,
            enable_idempotence=True,
            max_request_size=MAX_REQUEST_BYTES,
            max_batch_size=MAX_BATCH_BYTES,
            linger_ms=self._linger_ms,
            request_timeout_ms=self._request_timeout_ms,
        )

    def _close_later(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_close(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await producer.stop()
    except (TimeoutError, KafkaError):
        # The flush waits for a broker that is away: end the sender by hand, or its tasks outlive us.
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await producer._sender.close()
                await producer.client.close()

"""A real broker behind a TCP proxy that can cut, freeze and refuse connections, and a broker that can be restarted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.local import kafka
from deploy.local.kafka import Kafka
from deploy.local.ports import free_port
from deploy.local.processes import Running
from deploy.local.settings import LocalSettings, outside_environment
from tests.support.waiting import eventually


class Proxy:
    """Passes bytes between clients and the broker as long as it is told to."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.connections = 0

    async def open(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def close(self) -> None:
        """Refuse connections and cut those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Cut every open connection, in the middle of whatever it carries."""
        for writer in list(self._writers):
            writer.transport.abort()

    def freeze(self) -> None:
        """Keep connections open and pass nothing."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass again."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, beyond_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, beyond_writer, both))
                group.create_task(self._pass(beyond_reader, writer, both))
        finally:
            self._writers -= both

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: set[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        for one in both:
            one.transport.abort()


class RestartableKafka:
    """A broker that tells its clients the proxy's port, so that all they do goes through the proxy."""

    def __init__(self, folder: Path, proxy_port: int) -> None:
        self.port = free_port({proxy_port})
        controller_port = free_port({self.port, proxy_port})
        prepared = Kafka.prepared(folder / "kafka", self.port, controller_port, LocalSettings().cache, lambda _: None)
        self._broker = replace(prepared, advertised=proxy_port)
        self._log = folder / "kafka.log"
        self._running: Running | None = None

    async def start(self) -> None:
        """Start it on the data that it has, and wait until it listens."""
        # Started from this thread, not from a pool's: the process ends with the thread that started it.
        self._running = self._broker.start(outside_environment(), self._log)
        await eventually(lambda: asyncio.to_thread(self._broker.listening), "the broker listens", kafka.READY_WITHIN)

    async def stop(self) -> None:
        """Stop it in order."""
        if self._running is not None:
            await asyncio.to_thread(self._running.stop, kafka.STOP_WITHIN)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self._running is not None
        self._running.child.kill()
        self._running.child.wait()


@asynccontextmanager
async def proxied_kafka(folder: Path) -> AsyncIterator[tuple[str, Proxy, RestartableKafka]]:
    """Run a broker behind a proxy; yields the proxy's `host:port`, the proxy and the broker."""
    proxy_port = free_port()
    broker = RestartableKafka(folder, proxy_port)
    proxy = Proxy(proxy_port, broker.port)
    await proxy.open()
    try:
        await broker.start()
        yield f"127.0.0.1:{proxy_port}", proxy, broker
    finally:
        await proxy.close()
        await broker.stop()

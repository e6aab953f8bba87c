"""What stands before several edges in a deployment: connections go in turn to those that say that they are ready."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence

import httpx

LOOK_EVERY = 0.2  # seconds between two looks at who is ready


class Balancer:
    """Passes connections on, byte for byte: a backend that is not ready, or refuses, gets none. Runs in a thread."""

    def __init__(self) -> None:
        self.backends: Sequence[str] = ()  # base addresses; set once they are known
        self.port = 0
        self._ready: list[str] = []
        self._turn = 0

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, started: threading.Event, stopped: asyncio.Event) -> None:
        """Listen until it is stopped."""
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        looking = asyncio.create_task(self._look())
        await stopped.wait()
        looking.cancel()
        server.close()

    async def _look(self) -> None:
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
            while True:
                found = []
                for backend in self.backends:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(f"{backend}/readyz")).status_code == 200:
                            found.append(backend)
                self._ready = found
                await asyncio.sleep(LOOK_EVERY)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2 * len(self.backends) or 1):
            self._turn += 1
            ready = self._ready or list(self.backends)
            host, _, port = ready[self._turn % len(ready)].removeprefix("http://").partition(":")
            try:
                theirs, back = await asyncio.open_connection(host, int(port))
            except OSError:
                continue
            await asyncio.gather(_copied(reader, back), _copied(theirs, writer))
            return
        writer.close()


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.close()


@contextlib.contextmanager
def balancing() -> Iterator[Balancer]:
    """Run a balancer; its backends are set later."""
    balancer, started = Balancer(), threading.Event()
    loop, stopped = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(balancer.serve(started, stopped),))
    thread.start()
    started.wait()
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        _end(loop)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    loop.close()

"""Run one service: start its parts in order, serve HTTP, stop in reverse within the bound."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette

from libs.observability.certificates import CertificateWatch
from libs.observability.http import operational_routes
from libs.observability.log import configure_logging
from libs.observability.loop import LoopWatch
from libs.observability.tracing import Tracing
from libs.runtime.application import Application, Part
from libs.runtime.errors import Outage, StartRefused
from libs.runtime.http_connections import capped_http_protocol
from libs.runtime.settings import ServiceSettings

YOUNG = 10_000  # objects made between two looks at the youngest: some 50 requests' worth, gone by then

S = TypeVar("S", bound=ServiceSettings)
log = structlog.get_logger()


def run(create_app: Callable[[S], Application], settings_type: type[S]) -> None:
    """Run the service until SIGTERM or SIGINT; a second signal ends the process at once.

    Exits with 1 and one sentence on standard error when the service cannot start.
    """
    try:
        settings = settings_type.load()
        configure_logging(settings.log_level, settings.log_hash_key.get_secret_value())
        app = create_app(settings)
        uvloop.run(_serve(app, settings))
    except (StartRefused, Outage) as refused:
        sys.stderr.write(f"cannot start: {refused}\n")
        sys.exit(1)


async def _serve(app: Application, settings: ServiceSettings) -> None:
    structlog.contextvars.bind_contextvars(service=app.name)
    log.info("starting", settings=settings.printable())
    stop = _stop_signal()
    started: list[Part] = []
    try:
        ours: list[Part] = [
            CertificateWatch(settings.certificates()),
            Tracing(app.name, settings.traces_url, settings.traces_share),
        ]
        for part in [*ours, *app.parts]:
            await part.start()
            started.append(part)
        for server in _servers(app, settings):
            started.append(server)
            await server.start()
        _spare_the_collector()
        log.info("ready", port=settings.http_port)
        started.append(await _watched_loop())
        waiting = asyncio.ensure_future(stop.wait())
        await asyncio.wait({waiting, server.task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        app.stopping = True
        await _stop(started, settings)


def _servers(app: Application, settings: ServiceSettings) -> list["_HttpServer"]:
    """Return what listens, the public side last: it is the first to stop, and what watches sees it stop."""
    host, cap = settings.http_host, settings.http_connections_per_address
    public = _HttpServer(app.http, host, settings.http_port, cap)
    if settings.metrics_port is None:
        return [public]
    private = Starlette(routes=operational_routes(app.readiness))
    return [_HttpServer(private, host, settings.metrics_port, cap), public]


def _spare_the_collector() -> None:
    """Take what is there from the start out of the garbage collector's sight, and have it look less often.

    It would walk through modules and classes all day; measured on an accept, a tenth of the work was its own.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal)
    return stop


async def _watched_loop() -> LoopWatch:
    watch = LoopWatch()
    await watch.start()
    return watch


async def _stop(started: list[Part], settings: ServiceSettings) -> None:
    log.info("stopping")
    try:
        async with asyncio.timeout(settings.stop_timeout.total_seconds()):
            for part in reversed(started):
                try:
                    await part.stop()
                except Exception:
                    log.exception("part_did_not_stop", part=type(part).__name__)
    except TimeoutError:
        log.error("stop_timeout", seconds=settings.stop_timeout.total_seconds())
        os._exit(1)
    log.info("stopped")


class _HttpServer:
    """uvicorn as a part: it starts last and stops first, and leaves the signals to us."""

    def __init__(self, http: Any, host: str, port: int, connections_per_address: int) -> None:
        config = uvicorn.Config(
            http,
            host=host,
            port=port,
            http=capped_http_protocol(connections_per_address),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
        )
        self._server = uvicorn.Server(config)
        self.task: asyncio.Task[None] = asyncio.Future()  # type: ignore[assignment]  # replaced by start

    async def start(self) -> None:
        """Listen; raises StartRefused when the address is taken."""
        self.task = asyncio.create_task(self._run())
        while not self._server.started:
            if self.task.done():
                host, port = self._server.config.host, self._server.config.port
                raise StartRefused(f"cannot listen on {host}:{port}: the port is taken or the address is not ours")
            await asyncio.sleep(0.01)

    async def _run(self) -> None:
        try:
            await self._server._serve()  # serve() would take the signals for itself
        except SystemExit:
            log.error("http_did_not_start")

    async def stop(self) -> None:
        """Stop listening, finish the requests under way (at most 10 s)."""
        self._server.should_exit = True
        await asyncio.wait({self.task})

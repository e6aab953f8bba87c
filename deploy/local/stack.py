"""The whole stack of one state directory: composed here, run until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deploy.local.control import serving
from deploy.local.disk import check_disk
from deploy.local.errors import StackRefused
from deploy.local.first_keys import own_keys
from deploy.local.logs import rotate
from deploy.local.plan import ProcessPlan, service_plan
from deploy.local.processes import Identity, stop_strangers
from deploy.local.server_set import ServerOptions, ServerSet
from deploy.local.services import (
    ROOT,
    SERVICES,
    Service,
    Tier,
    check_given,
    present_services,
    shared_environment,
)
from deploy.local.settings import LocalSettings, given_variables, outside_environment
from deploy.local.state import StateDirectory
from deploy.local.supervisor import Report, Supervisor
from deploy.local.topics import ensure_topics, read_topics
from libs.runtime.access import PREFIX
from libs.runtime.settings import read_settings

LEFTOVERS_STOP_WITHIN = 15.0  # seconds for processes that a crashed run left behind
MONGO = PREFIX + "MONGO_"  # of the variables that the job needs
THREADS = 32  # at once: one wait for the end of a process each
SERVICES_TIERS = {Tier.META, Tier.WORKERS, Tier.DOOR}


@dataclass(frozen=True, slots=True)
class Options:
    """What `wabus up` was asked for; `scale` is a number of processes by service, one where it is not named."""

    state: Path
    edge_port: int | None = None
    without: frozenset[str] = frozenset()
    scale: dict[str, int] = field(default_factory=dict)
    servers: ServerOptions = field(default_factory=ServerOptions)


async def run_stack(options: Options, report: Report, on_ready: Callable[[dict[str, Any]], None]) -> None:
    """Run the stack until SIGINT, SIGTERM or an order to go down; raises StackRefused when it does not come up."""
    state = StateDirectory(options.state)
    state.make()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    with state.alone():
        check_disk(state.root)
        left = await asyncio.to_thread(stop_strangers, state.identities(), LEFTOVERS_STOP_WITHIN)
        if left:
            report(f"stopped {left} processes that an earlier run had left behind")
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            await _Stack(options, state, report, client).run(on_ready)


class _Stack:
    """One run: what its processes are, and what is known once they are ready."""

    def __init__(self, options: Options, state: StateDirectory, report: Report, client: httpx.AsyncClient) -> None:
        self._options = options
        self._state = state
        self._report = report
        self._client = client
        self._servers = ServerSet(options.servers, state, read_settings(LocalSettings))
        self._services = _processes(present_services(), options.scale)
        check_given(given_variables(), {service.name for service, _ in self._services})
        _check_names(options, {name for _, name in self._services} | self._servers.names)
        self._ports = state.ports(
            [*self._servers.listeners, *(name for _, name in self._services)],
            {"edge": options.edge_port} if options.edge_port else {},
        )
        self._keys: dict[str, str] = {}
        self._stop = asyncio.Event()

    async def run(self, on_ready: Callable[[dict[str, Any]], None]) -> None:
        self._secrets = self._state.secrets()
        self._servers.take(self._ports, self._secrets)
        servers = await asyncio.to_thread(self._servers.plans, self._report)
        self._shared = self._environment()
        self._supervisor = Supervisor([*servers, *self._service_plans()], self._report, self._remember)
        self._take_signals()
        try:
            async with serving(self._state.control, self._handle):
                if await self._unless_stopped(self._start()):
                    on_ready(self._described())
                    await self._tend()
        finally:
            await self._supervisor.stop()
            self._state.forget_stack()

    async def _start(self) -> None:
        without = set(self._options.without)
        await self._supervisor.start({Tier.SERVERS}, without)
        self._report("checking the topics")
        await ensure_topics(self._servers.kafka, read_topics(), self._servers.copies)
        if not without & self._servers.names:
            await self._migrate()
        await self._supervisor.start(SERVICES_TIERS, without)
        if "edge" not in without:
            self._keys = await own_keys(self._client, self._urls()["edge"], self._secrets)
            self._state.add_secrets(self._keys)
        self._remember()

    async def _migrate(self) -> None:
        """Run the numbered steps as a deployment's job does: in a process of its own, which knows every store."""
        self._report("migrating what is stored")
        job = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.console", "migrate", "--state", str(self._state.root), cwd=ROOT,
            env=outside_environment() | {name: it for name, it in self._shared.items() if name.startswith(MONGO)},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await job.communicate()
        if job.returncode:
            raise StackRefused(f"what is stored could not be migrated: {said.decode(errors='replace').strip()[-500:]}")

    async def _tend(self) -> None:
        watching = asyncio.create_task(self._supervisor.watch())
        rotating = asyncio.create_task(rotate(self._state.logs))
        await self._stop.wait()
        for task in (watching, rotating):
            task.cancel()
        await asyncio.gather(watching, rotating, return_exceptions=True)

    async def _unless_stopped(self, work: Any) -> bool:
        """Do the work, or leave it half done when the stack is told to stop; tell whether it was done."""
        doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            return False
        doing.result()
        return True

    def _take_signals(self) -> None:
        def on_signal() -> None:
            if self._stop.is_set():
                self._supervisor.kill()
            self._stop.set()

        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, on_signal)

    # -- orders

    async def _handle(self, order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "status":
                return {"processes": self._supervisor.status()}
            case "settle":
                await self._supervisor.settle()
            case "restart":
                await self._supervisor.restart(order["name"])
            case "halt":
                await self._supervisor.halt(order["name"])
            case "down":
                self._stop.set()
                return {"supervisor": Identity.of(os.getpid()).as_json()}
            case unknown:
                raise StackRefused(f"the supervisor does not know {unknown!r}")
        return {}

    # -- what it consists of

    def _urls(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{self._ports[name]}" for _, name in self._services}

    def _environment(self) -> dict[str, str]:
        sandbox = str(self._state.root / "sandbox")
        shared = shared_environment(self._secrets, self._servers.environment(), self._urls(), sandbox)
        return shared | given_variables()

    def _service_plans(self) -> list[ProcessPlan]:
        plan = partial(service_plan, state=self._state, shared=self._shared, outside=outside_environment())
        return [plan(service, name, self._ports[name], answers=self._answers) for service, name in self._services]

    async def _answers(self, url: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (await self._client.get(url)).status_code == 200
        return False

    # -- what others may know

    def _remember(self) -> None:
        self._state.write_identities(self._supervisor.identities())
        if self._keys or "edge" in self._options.without:
            self._state.write_stack(self._described())

    def _described(self) -> dict[str, Any]:
        urls = self._urls()
        return {
            "edge": urls["edge"],
            "sandbox": urls["sandbox"],
            **self._servers.described(),
            "mongo_database": self._shared["WABUS_MONGO_DATABASE"],
            "metrics": {name: f"{url}/metrics" for name, url in urls.items() if name not in self._options.without},
            **{name: self._shared[PREFIX + name.upper()] for name in ("app_secret", "verify_token")},
            **self._keys,
            "pids": self._supervisor.pids() | {"supervisor": os.getpid()},
        }


def _processes(services: Sequence[Service], scale: dict[str, int]) -> list[tuple[Service, str]]:
    """Return each service's processes by name: `sender`, and `sender-2` where two were asked for."""
    return [
        (service, service.name if number == 1 else f"{service.name}-{number}")
        for service in services
        for number in range(1, scale.get(service.name, 1) + 1)
    ]


def _check_names(options: Options, known: set[str]) -> None:
    for name in [*options.without, *options.scale]:
        if name not in known:
            raise StackRefused(f"there is no service {name}: there are {', '.join(sorted(known))}")
    if servers := sorted(set(options.scale) - {service.name for service in SERVICES}):
        raise StackRefused(f"--scale {servers[0]}: no service; --brokers and --members say how many servers there are")

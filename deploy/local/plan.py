"""What the stack consists of: every process with how it is prepared, started, and asked whether it is ready."""

import math
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from deploy.local import kafka, mongod
from deploy.local.kafka import Kafka
from deploy.local.mongod import Mongod
from deploy.local.processes import Running, spawn
from deploy.local.services import ROOT, Service, Tier, environment_of
from deploy.local.state import StateDirectory

SERVICE_READY_WITHIN = 120.0  # seconds: 3 to 6, and 30 more where Kafka waits for a killed member of its group

Ready = Callable[[], Awaitable[bool]]


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process: `prepare` may take long and runs in a thread, `start` is quick, `ready` is asked again and again.

    When the stack stops, those of a tier with a lower `stop_turn` are gone before the next ones are asked.
    """

    name: str
    tier: Tier
    start: Callable[[], Running]
    ready: Ready
    ready_within: float  # seconds
    prepare: Callable[[], None] = field(default=_nothing)
    url: str | None = None
    stop_turn: int = 0
    stop_within: float = math.inf  # seconds: it is killed after them, whatever time is left


def kafka_plan(broker: Kafka, state: StateDirectory, outside: Mapping[str, str], in_thread: "InThread") -> ProcessPlan:
    """Return the plan of an embedded broker."""
    log = state.log(broker.name)
    return ProcessPlan(
        name=broker.name,
        tier=Tier.SERVERS,
        prepare=partial(broker.format, outside, log),
        start=partial(broker.spawn, outside, log),
        ready=partial(in_thread, broker.listening),
        ready_within=kafka.READY_WITHIN,
        # One after the other, so that those left can elect a controller, without which none stops in order.
        stop_turn=broker.node - 1,
        stop_within=kafka.LAST_STOP_WITHIN if broker.stops_alone else math.inf,
    )


def mongod_plan(
    server: Mongod, state: StateDirectory, outside: Mapping[str, str], in_thread: "InThread"
) -> ProcessPlan:
    """Return the plan of an embedded mongod."""
    return ProcessPlan(
        name=server.name,
        tier=Tier.SERVERS,
        start=partial(server.start, outside, state.log(server.name)),
        ready=partial(in_thread, server.serving),
        ready_within=mongod.READY_WITHIN,
    )


def service_plan(
    service: Service,
    name: str,
    port: int,
    state: StateDirectory,
    shared: Mapping[str, str],
    outside: Mapping[str, str],
    answers: Callable[[str], Awaitable[bool]],
) -> ProcessPlan:
    """Return the plan of one process of a service; a second process of it has another name (`sender-2`)."""
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", f"services.{service.name}"]
    environment = environment_of(service.name, port, shared, outside)
    return ProcessPlan(
        name=name,
        tier=service.tier,
        start=partial(spawn, name, command, environment, ROOT, state.log(name)),
        ready=partial(answers, url + "/readyz"),
        ready_within=SERVICE_READY_WITHIN,
        url=url,
    )


InThread = Callable[[Callable[[], bool]], Awaitable[bool]]

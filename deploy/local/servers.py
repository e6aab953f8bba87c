"""The two servers alone, a Kafka and a mongod with the contract's topics: for tests, and to work on one service.

In the foreground: `python -m deploy.local.servers --state DIR [--kafka-port N] [--mongo-port N]`, until Ctrl-C.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import kafka, mongod
from deploy.local.errors import StackRefused
from deploy.local.jars import Progress
from deploy.local.kafka import Kafka
from deploy.local.mongod import Mongod
from deploy.local.ports import free_port
from deploy.local.processes import Running
from deploy.local.settings import LocalSettings, outside_environment
from deploy.local.topics import ensure_topics, read_topics
from libs.kafka.connection import KafkaConnection
from libs.runtime.errors import StartRefused
from libs.runtime.settings import read_settings


@dataclass(frozen=True, slots=True)
class Servers:
    """Two running servers."""

    kafka: Kafka
    mongod: Mongod


@contextmanager
def kafka_server(state: Path, port: int = 0, progress: Progress = lambda _: None) -> Iterator[tuple[Kafka, Running]]:
    """Run a broker with the contract's topics in `state/kafka`; stops it at the end."""
    port = port or free_port()
    broker = Kafka.prepared(state / "kafka", port, free_port({port}), read_settings(LocalSettings).cache, progress)
    running = broker.start(outside_environment(), state / "logs" / "kafka.log")
    try:
        running.wait_until(broker.listening, kafka.READY_WITHIN)
        _in_a_loop_of_its_own(KafkaConnection(broker.bootstrap))
        yield broker, running
    finally:
        running.stop(kafka.STOP_WITHIN)


@contextmanager
def mongod_server(state: Path, port: int = 0) -> Iterator[tuple[Mongod, Running]]:
    """Run a replica set of one in `state/mongod`; stops it at the end."""
    server = Mongod(state / "mongod", port or free_port())
    running = server.start(outside_environment(), state / "logs" / "mongod.log")
    try:
        running.wait_until(server.serving, mongod.READY_WITHIN)
        yield server, running
    finally:
        running.stop(mongod.STOP_WITHIN)


@contextmanager
def servers(
    state: Path, kafka_port: int = 0, mongo_port: int = 0, progress: Progress = lambda _: None
) -> Iterator[Servers]:
    """Run both; stops both at the end, Kafka first."""
    with ExitStack() as stack:
        mongo, _ = stack.enter_context(mongod_server(state, mongo_port))
        broker, _ = stack.enter_context(kafka_server(state, kafka_port, progress))
        yield Servers(broker, mongo)


def _in_a_loop_of_its_own(kafka: KafkaConnection) -> None:
    # The caller may be inside an event loop (a test's fixture), where asyncio.run is not allowed.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, ensure_topics(kafka, read_topics())).result()


def main() -> None:
    """Run both servers in the foreground until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Kafka and mongod alone, in the foreground.")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "wabus-servers")
    parser.add_argument("--kafka-port", type=int, default=0)
    parser.add_argument("--mongo-port", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with servers(arguments.state.absolute(), arguments.kafka_port, arguments.mongo_port, _say) as running:
            _say(f"export WABUS_KAFKA_BOOTSTRAP={running.kafka.bootstrap}")
            _say(f"export WABUS_MONGO_URL='{running.mongod.url}'")
            signal.pause()
    except KeyboardInterrupt:
        _say("stopped")
    except (StackRefused, StartRefused) as refused:
        sys.exit(str(refused))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Fixtures with the real servers: one Kafka and one mongod for the whole session, in a temporary folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.servers import kafka_server, mongod_server


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder for the data and logs of the session's servers."""
    folder = Path(tempfile.mkdtemp(prefix="wabus-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_bootstrap(servers_folder: Path) -> Iterator[str]:
    """`host:port` of a real broker that has the contract's topics."""
    with kafka_server(servers_folder) as (broker, _):
        yield broker.bootstrap


@pytest.fixture(scope="session")
def mongo_url(servers_folder: Path) -> Iterator[str]:
    """Connection string of a real mongod, a replica set of one: use a database of your own in it."""
    with mongod_server(servers_folder) as (server, _):
        yield server.url

"""The delivery engine alone under long faults: a broker of each test's own, no stack."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.proxied_kafka import Proxy, RestartableKafka, proxied_kafka

Faulty = tuple[str, Proxy, RestartableKafka]


@pytest.fixture(autouse=True)
def _no_faults_left() -> None:
    """Take the place of the fixture that starts a stack for every fault test."""


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[Faulty]:
    """A broker of the test's own behind a proxy."""
    async with proxied_kafka(tmp_path) as running:
        yield running

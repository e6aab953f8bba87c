"""One stack for a module of fault tests: its leases and waits are short, everything else as in production."""

from collections.abc import Iterator

import pytest

from tests.faults.scenarios import QUICK, ready
from tests.support.running import Number, Stack, running_stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A running stack."""
    with running_stack(**QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def numbers(stack: Stack) -> list[Number]:
    """Two connected numbers that may write freely to all people of the workload."""
    return ready(stack)


@pytest.fixture(autouse=True)
def _no_faults_left(stack: Stack) -> Iterator[None]:
    """Each test begins and ends with a sandbox that plays no fault."""
    yield
    stack.box("DELETE", "/faults")

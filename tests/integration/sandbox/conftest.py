"""A sandbox with one account, and the receiver of its webhooks, fresh for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.sandbox import Box, Receiver, receiver, sandbox


@pytest.fixture
async def heard() -> AsyncIterator[Receiver]:
    async with receiver() as listening:
        yield listening


@pytest.fixture
async def box(tmp_path: Path, heard: Receiver) -> AsyncIterator[Box]:
    async with sandbox(tmp_path / "state", heard.url) as running:
        await running.connect()
        yield running

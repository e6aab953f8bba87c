"""Waiting with a deadline: the only way a test waits."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

DEADLINE = 15.0  # seconds that anything a test awaits may take unless it says otherwise


async def eventually(condition: Callable[[], Any], what: str, seconds: float = DEADLINE, pause: float = 0.01) -> Any:
    """Return the condition's first true value; raises AssertionError at the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(pause)


async def stays(condition: Callable[[], Any], what: str, seconds: float) -> None:
    """Return after `seconds` through which the condition held; raises AssertionError when it did not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"{what}: no longer"
        await asyncio.sleep(0.01)

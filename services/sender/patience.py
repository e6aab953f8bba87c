"""Waiting out an outage: MongoDB or Kafka being away is no reason to lose what we know."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.runtime.errors import Outage

T = TypeVar("T")

FIRST = 0.05  # seconds before the second try, doubling
LONGEST = 2.0  # seconds: how late we may notice that a server is back

log = structlog.get_logger()


async def patiently(call: Callable[[], Awaitable[T]], what: str) -> T:
    """Call until it does not raise Outage; other exceptions pass."""
    pause = FIRST
    while True:
        try:
            return await call()
        except Outage:
            if pause == FIRST:
                log.warning("waiting_out_an_outage", step=what)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

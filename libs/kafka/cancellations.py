"""Telling our own cancellation from that of something we await.

aiokafka cancels tasks of its own that have not begun to run, and the CancelledError comes out of whatever awaits them:
a stop, a commit, its group coordination, which then has ended without a word.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class ForeignCancellation(Exception):
    """Something that was awaited was cancelled, not this task."""


@contextmanager
def foreign_cancellations() -> Iterator[None]:
    """Turn a CancelledError into ForeignCancellation unless it is this task that is being cancelled."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ForeignCancellation from error

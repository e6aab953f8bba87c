import asyncio

import pytest

from libs.kafka.cancellations import ForeignCancellation, foreign_cancellations


async def test_the_cancellation_of_something_awaited_is_an_error_like_others() -> None:
    inner = asyncio.create_task(asyncio.Event().wait())
    inner.cancel()
    with pytest.raises(ForeignCancellation), foreign_cancellations():
        await inner


async def test_our_own_cancellation_stays_one_under_a_timeout_too() -> None:
    async def wait() -> None:
        async with asyncio.timeout(30):
            with foreign_cancellations():
                await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_it_stays_a_timeout() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0.01):
            with foreign_cancellations():
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait()

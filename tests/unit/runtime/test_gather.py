import asyncio
from collections.abc import Sequence

import pytest

from libs.runtime.gather import FEW, Gather


async def test_items_that_come_together_share_one_flush() -> None:
    groups: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        groups.append(list(items))
        return [item * 2 for item in items]

    gather: Gather[int, int] = Gather(flush, linger=0.001)
    assert await asyncio.gather(*(gather(i) for i in range(20))) == [i * 2 for i in range(20)]
    assert groups == [list(range(20))]


async def test_a_full_group_does_not_wait_for_its_linger() -> None:
    async def flush(items: Sequence[int]) -> Sequence[int]:
        return items

    gather: Gather[int, int] = Gather(flush, linger=3600, most=4)
    assert await asyncio.gather(*(gather(i) for i in range(4))) == [0, 1, 2, 3]


async def test_while_all_flushes_are_busy_the_next_group_grows() -> None:
    go, busy, sizes = asyncio.Event(), asyncio.Event(), []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        busy.set()
        await go.wait()
        return items

    gather: Gather[int, int] = Gather(flush, linger=0.0, parallel=1)
    first = asyncio.create_task(gather(0))
    await busy.wait()
    rest = [asyncio.create_task(gather(i)) for i in range(10)]
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *rest)
    assert sizes == [1, 10]


async def test_an_exception_in_place_of_a_result_is_raised_at_its_own_caller_only() -> None:
    async def flush(items: Sequence[int]) -> Sequence[int | Exception]:
        return [ValueError("odd") if item % 2 else item for item in items]

    gather: Gather[int, int] = Gather(flush, linger=0.001)
    results = await asyncio.gather(*(gather(i) for i in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [int, ValueError, int, ValueError]


async def test_an_exception_of_the_flush_is_raised_at_every_caller_and_the_next_group_works() -> None:
    broken = True

    async def flush(items: Sequence[int]) -> Sequence[int]:
        if broken:
            raise RuntimeError("away")
        return items

    gather: Gather[int, int] = Gather(flush, linger=0.001)
    results = await asyncio.gather(*(gather(i) for i in range(3)), return_exceptions=True)
    assert all(isinstance(result, RuntimeError) for result in results)
    broken = False
    assert await gather(7) == 7


async def test_a_caller_that_went_away_does_not_harm_the_others() -> None:
    async def flush(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        return items

    gather: Gather[int, int] = Gather(flush, linger=0.001)
    gone, stays = asyncio.create_task(gather(1)), asyncio.create_task(gather(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_drain_returns_once_everything_is_flushed() -> None:
    done: list[int] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        done.extend(items)
        return items

    gather: Gather[int, int] = Gather(flush, linger=3600, most=3, parallel=1)
    for i in range(7):
        gather.put(i)
    await gather.drain()
    assert sorted(done) == list(range(7))


async def test_who_comes_after_a_lull_waits_for_no_company() -> None:
    groups: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        groups.append(list(items))
        return items

    gather: Gather[int, int] = Gather(flush, linger=3600)
    await asyncio.wait_for(gather(0), 60)  # the first: nobody came in the linger before it
    soon = asyncio.create_task(gather(1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert groups == [[0]]
    await gather.drain()
    assert await soon == 1


async def test_after_a_large_group_the_first_waits_for_the_others_however_late_it_comes() -> None:
    sizes: list[int] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        return items

    gather: Gather[int, int] = Gather(flush, linger=3600)
    for i in range(FEW + 1):
        gather.put(i)
    await gather.drain()
    gather._latest = float("-inf")
    first = asyncio.create_task(gather(0))
    for _ in range(20):
        await asyncio.sleep(0)
    assert sizes == [FEW + 1]
    gather.put(1)
    await gather.drain()
    assert sizes == [FEW + 1, 2]
    assert await first == 0

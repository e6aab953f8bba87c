"""Group what arrives within a few milliseconds, so that many callers share one round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

FEW = 4  # items: who answers its callers all at once, and has them come back together, is to have them together again

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gather(Generic[Item, Result]):
    """Collects items for `linger` seconds or up to `most`, hands them to `flush`, and gives each caller its result.

    An item that comes more than `linger` after the one before goes at once, where the latest group was of a few: it has
    no company to expect.
    `flush` returns one result per item, in order; an exception in place of a result is raised at that item's caller,
    an exception raised by `flush` itself at every caller of the group. Up to `parallel` groups are under way at once;
    while all are busy the next group grows beyond its linger.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        linger: float,
        most: int = 500,
        parallel: int = 2,
    ) -> None:
        self._flush = flush
        self._linger = linger
        self._most = most
        self._free = parallel
        self._waiting: list[tuple[Item, asyncio.Future[Result] | None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ripe = False
        self._latest = float("-inf")  # when the latest item came
        self._few = True  # whether the latest group was of a few
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, item: Item) -> Result:
        """Add an item and wait for its result."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._add(item, future)
        return await future

    def put(self, item: Item) -> None:
        """Add an item whose result nobody waits for; what `flush` raises for it is dropped."""
        self._add(item, None)

    def _add(self, item: Item, future: "asyncio.Future[Result] | None") -> None:
        loop = asyncio.get_running_loop()
        lull, self._latest = self._few and loop.time() - self._latest > self._linger, loop.time()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._most:
            self._ripe = True
            self._launch()
        elif self._timer is None:
            self._timer = loop.call_later(0 if lull else self._linger, self._ripen)

    async def drain(self) -> None:
        """Flush what waits and return when every group is done."""
        while self._waiting or self._tasks:
            self._ripen()
            await asyncio.wait(self._tasks)

    def _ripen(self) -> None:
        self._ripe = True
        self._launch()

    def _launch(self) -> None:
        while self._ripe and self._waiting and self._free:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._free -= 1
            self._few = len(group) <= FEW
            self._ripe = len(self._waiting) >= self._most
            task = asyncio.get_running_loop().create_task(self._run(group))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._ripe:
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._ripen)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free += 1
        if self._ripe:
            self._launch()

    async def _run(self, group: list[tuple[Item, asyncio.Future[Result] | None]]) -> None:
        try:
            results: Sequence[Result | Exception] = await self._flush([item for item, _ in group])
        except Exception as error:
            results = [error] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future is None or future.done():  # nobody waits, or its caller went away
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

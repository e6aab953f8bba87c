"""The part that thinks: takes turns that are due, many side by side, one at a time of each conversation."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from services.autoreply.metrics import THINKING
from services.autoreply.places import Places
from services.autoreply.turn_store import TurnStore
from services.autoreply.turn_taking import TurnTaking

LOOK_EVERY = 1.0  # seconds, for turns that another process left; our own wake at once
LEASE = timedelta(seconds=15)  # of a process that died
RENEW_EVERY = 5.0  # seconds
AGAIN = timedelta(seconds=5)  # after a mistake of ours
STOPS_WITHIN = 5.0  # seconds for what is under way; the rest is taken up by somebody else, or after the start

Document = dict[str, Any]
log = structlog.get_logger()


class Thinking:
    """A part: takes as many turns at once as there are places."""

    def __init__(self, store: TurnStore, taking: TurnTaking, clock: Clock, places: Places) -> None:
        self._store = store
        self._taking = taking
        self._clock = clock
        self._places = places
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._out = False

    async def start(self) -> None:
        """Begin to take turns."""
        self._loops = [asyncio.create_task(self._run()), asyncio.create_task(self._hold())]

    async def stop(self) -> None:
        """Take no more turns, and let those under way end if they do so soon."""
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=STOPS_WITHIN)
        for task in self._under_way.values():
            task.cancel()

    def due_in(self, wait: timedelta) -> None:
        """Look when a turn will be due."""
        asyncio.get_running_loop().call_later(wait.total_seconds(), self._wake.set)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._look()
                self._out = False
            except Outage:
                if not self._out:
                    log.info("thinking_waits_for_an_outage_to_end")
                self._out = True
            except Exception:
                log.exception("thinking_failed")
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        """Take all turns that are due and for which there is a place."""
        while not self._places.full():
            turn = await self._store.claim(self._clock.now(), self._places.busy_bots(), self._places.busy_tenants())
            if turn is None:
                return
            self._places.take(turn["tenant"], turn["bot_id"])
            self._under_way[turn["_id"]] = asyncio.create_task(self._take(turn))
            THINKING.set(len(self._under_way))

    async def _take(self, turn: Document) -> None:
        try:
            said = await self._taking.take(turn)
            await self._store.end(turn, said, self._clock.now())
        except Outage:
            await asyncio.sleep(LOOK_EVERY)  # its lease runs out; then somebody takes it again
        except Exception:
            log.exception("turn_failed", conversation_id=turn["_id"])
            await self._put_off(turn)
        finally:
            self._under_way.pop(turn["_id"], None)
            self._places.leave(turn["tenant"], turn["bot_id"])
            THINKING.set(len(self._under_way))
            self._wake.set()

    async def _put_off(self, turn: Document) -> None:
        try:
            await self._store.put_off(turn, self._clock.now() + AGAIN)
        except Outage:
            return  # its lease runs out

    async def _hold(self) -> None:
        """Renew the leases of what is under way."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                if self._under_way:
                    await self._store.renew(list(self._under_way), self._clock.now())
            except Outage:
                continue
            except Exception:
                log.exception("leases_not_renewed")

"""Receivers that refuse connections: their webhooks wait parked, and one of them asks now and then."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

P = TypeVar("P")
PROBE = 0.5  # seconds between two tries of a receiver that is not there
SPREAD = 0.5  # seconds over which parked webhooks go once it is back: they come out of order, as retries do
NOT_THERE = frozenset({"ConnectionRefusedError", "ClientConnectorError", "gaierror"})


class Parking(Generic[P]):
    """By address. Without it, thousands of pending webhooks would spend a core on connecting to nobody."""

    def __init__(self, probe: Callable[[P], None], release: Callable[[P, float], None], dice: random.Random) -> None:
        self._probe, self._release, self._dice = probe, release, dice
        self._parked: dict[str, deque[P]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def closed(self, url: str) -> bool:
        """Tell whether a receiver is known not to be there."""
        return url in self._parked

    def park(self, url: str, parcel: P, first: bool = False) -> None:
        """Keep a parcel until the receiver is back; `first` for the one that found out, or asked again in vain."""
        parked = self._parked.setdefault(url, deque())
        if first:
            parked.appendleft(parcel)
        else:
            parked.append(parcel)
        if url not in self._timers:
            self._timers[url] = asyncio.get_running_loop().call_later(PROBE, self._ask, url)

    def _ask(self, url: str) -> None:
        del self._timers[url]
        parked = self._parked[url]
        if not parked:  # the one that asked has gone another way: let the next one find out
            del self._parked[url]
            return
        self._timers[url] = asyncio.get_running_loop().call_later(PROBE, self._ask, url)
        self._probe(parked.popleft())

    def opened(self, url: str) -> None:
        """The receiver has answered, whatever it said: let its parcels go."""
        timer = self._timers.pop(url, None)
        if timer is not None:
            timer.cancel()
        for parcel in self._parked.pop(url, ()):
            self._release(parcel, SPREAD * self._dice.random())

    def close(self) -> None:
        """Ask no more."""
        for timer in self._timers.values():
            timer.cancel()

    def __len__(self) -> int:
        """Return how many parcels wait."""
        return sum(len(parked) for parked in self._parked.values())

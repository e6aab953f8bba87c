"""How many messages of a campaign may be queued now: of its number's rate, its own, its budget, and its portfolio's."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.ledger.budget import Budget
from libs.runtime.clock import Clock
from services.campaigns.protection import messages_of
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.targets import Sending

MESSAGING_LIMIT = "messaging_limit"  # why a campaign waits: its portfolio reached as many people as it may in a day
KNOWN_FOR = 2.0  # seconds that a count of a portfolio's people is used

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Room:
    """How many messages more may be queued; where none may, why and until when, if that is worth telling."""

    messages: int
    reason: str | None = None
    until: datetime | None = None


@dataclass
class Neighbours:
    """What the campaigns at work have in common: queued messages and running campaigns per number and portfolio."""

    queued: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, campaigns: Sequence[Document], counts: Mapping[str, Mapping[str, int]],
        sendings: Mapping[str, Sending | None],
    ) -> "Neighbours":  # fmt: skip
        """Count them."""
        found = cls()
        for campaign in campaigns:
            its, sending = counts[campaign["_id"]], sendings[campaign["_id"]]
            places = [campaign["phone_number_id"], *([sending.account.portfolio_id] if sending is not None else [])]
            at_work = campaign["status"] == CampaignStatus.RUNNING and its[RecipientState.PENDING] > 0
            for place in places:
                found.queued[place] += its[RecipientState.QUEUED]
                found.running[place] += at_work
        return found

    def note(self, campaign: Mapping[str, Any], sending: Sending, messages: int) -> None:
        """Count what is being queued now, for those whose turn comes after."""
        self.queued[campaign["phone_number_id"]] += messages
        self.queued[sending.account.portfolio_id] += messages


class Pace:
    """Reckons room. A campaign's share of a number, and of a portfolio, is the same as that of its neighbours."""

    def __init__(self, budget: Budget, clock: Clock, ahead: float) -> None:
        self._budget = budget
        self._clock = clock
        self._ahead = ahead  # seconds of a number's rate that may wait in the ledger
        self._allowance: dict[str, tuple[float, float]] = {}  # campaign -> tokens of its own rate, and since when
        self._used: dict[str, tuple[int, float]] = {}  # portfolio -> people reached in 24 h, and when that was read

    async def room(
        self, campaign: Document, counts: Mapping[str, int], sending: Sending, neighbours: Neighbours, most: int
    ) -> Room:
        """Return how many messages of a running campaign may be queued now, at most `most`."""
        sharing = max(neighbours.running[campaign["phone_number_id"]], 1)
        room = max(int(sending.number.throughput * self._ahead / sharing), 1) - counts[RecipientState.QUEUED]
        room = min(room, most)
        if (budget := campaign.get("budget")) is not None:
            room = min(room, budget - messages_of(campaign, counts))
        if room > 0 and (limit := sending.account.messaging_limit) is not None:
            free = await self._free(sending, limit, neighbours)
            if free <= 0:
                now = self._clock.now()
                return Room(0, MESSAGING_LIMIT, await self._budget.next_free(sending.account.portfolio_id, now))
            room = min(room, free)
        return Room(self._own(campaign, room))

    def forget(self, campaign_id: str) -> None:
        """Drop what is kept of a campaign that is over."""
        self._allowance.pop(campaign_id, None)

    async def _free(self, sending: Sending, limit: int, neighbours: Neighbours) -> int:
        """Return a campaign's share of the people that the portfolio may still reach; who is queued counts as reached.

        Source: Meta's messaging limits, per business portfolio and rolling 24 hours.
        """
        portfolio, now = sending.account.portfolio_id, self._clock.monotonic()
        queued = neighbours.queued[
            portfolio
        ]  # read before the people: who is on the way counts twice, never not at all
        used, read_at = self._used.get(portfolio, (0, -math.inf))
        near = sending.number.throughput * 2 * KNOWN_FOR  # what a count may be out of date by
        free = limit - used - queued
        if now - read_at >= KNOWN_FOR or 0 < free < near:
            used = await self._budget.used(portfolio, self._clock.now(), limit)
            self._used[portfolio] = (used, now)
            free = limit - used - queued
        sharing = max(neighbours.running[portfolio], 1)
        return free // sharing if free >= sharing else free

    def _own(self, campaign: Document, room: int) -> int:
        """Return the room that the campaign's own rate leaves, and take it."""
        if (rate := campaign.get("rate_per_second")) is None:
            return room
        now = self._clock.monotonic()
        tokens, since = self._allowance.get(campaign["_id"], (1.0, now))
        tokens = min(tokens + (now - since) * rate, max(rate, 1.0))
        room = min(room, int(tokens))
        self._allowance[campaign["_id"]] = (tokens - max(room, 0), now)
        return room

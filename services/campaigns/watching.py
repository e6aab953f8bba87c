"""Progress as server-sent events: what `GET .../progress` says, whenever it changed, for as long as somebody looks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from libs.runtime.clock import Clock
from libs.web.answers import to_json
from libs.web.errors import TooManyRequests
from services.campaigns.errors import wrong_state
from services.campaigns.metrics import STREAMS
from services.campaigns.money import printed
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.states import CampaignStatus
from services.campaigns.store import CampaignStore
from services.campaigns.views import progress_view

LOOK_EVERY = 1.0  # seconds between looks
ERRORS_EVERY = 5.0  # seconds between counts by error code, which go over many rows
HEARTBEAT = 10.0  # seconds without an event until a comment says that the stream lives
MOST_STREAMS = 20  # of a tenant in a process
MOST_CODES = 50  # error codes in one answer
RETRY = b"retry: 2000\n\n"  # milliseconds after which a client may come again when the stream broke
ENDED = (CampaignStatus.COMPLETED, CampaignStatus.CANCELED)

Document = dict[str, Any]


class Watching:
    """Watches campaigns for their tenants; all streams end when `stopping` says that the process does."""

    def __init__(self, campaigns: CampaignStore, recipients: RecipientStore, clock: Clock) -> None:
        self.stopping: Callable[[], bool] = lambda: False
        self._campaigns = campaigns
        self._recipients = recipients
        self._clock = clock
        self._streams: Counter[str] = Counter()

    async def progress(self, campaign: Document) -> Document:
        """Return how far a campaign is now."""
        return await self._view(campaign, await self._errors(campaign))

    def stream(self, campaign: Document) -> AsyncIterator[bytes]:
        """Return the events of a campaign that was launched; it ends when the campaign does.

        Raises WrongState for a draft, and TooManyRequests where the tenant watches too much already.
        """
        if (status := CampaignStatus(campaign["status"])) is CampaignStatus.DRAFT:
            raise wrong_state("watch", status)
        if self._streams[campaign["tenant"]] >= MOST_STREAMS:
            words = f"There may be at most {MOST_STREAMS} streams of progress at once."
            raise TooManyRequests(words, code="too_many_streams", retry_after=5)
        return self._events(campaign)

    async def _events(self, campaign: Document) -> AsyncIterator[bytes]:
        tenant = campaign["tenant"]
        self._streams[tenant] += 1
        STREAMS.inc()
        try:
            yield RETRY
            async for event in self._changes(campaign):
                yield event
        finally:
            STREAMS.dec()
            self._streams[tenant] -= 1

    async def _changes(self, campaign: Document) -> AsyncIterator[bytes]:
        said, number = b"", 0
        errors, counted_at, said_at = await self._errors(campaign), self._clock.monotonic(), self._clock.monotonic()
        while not self.stopping():
            now = self._clock.monotonic()
            if now - counted_at > ERRORS_EVERY:
                errors, counted_at = await self._errors(campaign), now
            found = await self._campaigns.get(campaign["tenant"], campaign["_id"])
            if found is None:
                return
            if (data := to_json(await self._view(found, errors))) != said:
                said, said_at, number = data, now, number + 1
                yield b"event: progress\nid: %d\ndata: %s\n\n" % (number, data)
            elif now - said_at > HEARTBEAT:
                said_at = now
                yield b": still here\n\n"
            if found["status"] in ENDED and "taking_back" not in found:
                yield b"event: end\nid: %d\ndata: %s\n\n" % (number + 1, data)
                return
            await asyncio.sleep(LOOK_EVERY)

    async def _view(self, campaign: Document, errors: list[Document]) -> Document:
        counts = (await self._recipients.split_counts([campaign["_id"]]))[campaign["_id"]]
        spent = await self._recipients.spent(campaign["_id"]) if campaign.get("max_cost") else None
        return progress_view(campaign, counts, errors) | {"spent": printed(spent) if spent is not None else None}

    async def _errors(self, campaign: Document) -> list[Document]:
        return await self._recipients.errors(campaign["tenant"], campaign["_id"], MOST_CODES)

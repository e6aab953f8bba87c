"""How many of a campaign's recipients opted out after it began: counted now and then, for its protection."""

from typing import Any

from libs.ledger.contacts import ContactReader
from libs.runtime.clock import Clock
from services.campaigns.recipient_store import RecipientStore, row_id
from services.campaigns.states import RecipientState, state_of

KNOWN_FOR = 5.0  # seconds that a count is used
MOST = 2_000  # people who opted out, the latest first: more than any share needs to be passed

_NOT_WRITTEN_TO = (RecipientState.PENDING, RecipientState.SKIPPED, RecipientState.HELD_OUT, RecipientState.QUEUED)

Document = dict[str, Any]


class OptOuts:
    """Counts opt-outs of running campaigns."""

    def __init__(self, contacts: ContactReader, recipients: RecipientStore, clock: Clock) -> None:
        self._contacts = contacts
        self._recipients = recipients
        self._clock = clock
        self._known: dict[str, tuple[int, float]] = {}

    async def of(self, campaign: Document) -> int:
        """Return how many were written to and opted out since the campaign began, as of a few seconds ago at most."""
        began, now = campaign.get("launched_at"), self._clock.monotonic()
        if began is None:
            return 0
        number, counted_at = self._known.get(campaign["_id"], (0, -KNOWN_FOR))
        if now - counted_at >= KNOWN_FOR:
            number = await self._count(campaign)
            self._known[campaign["_id"]] = (number, now)
        return number

    def forget(self, campaign_id: str) -> None:
        """Drop what is kept of a campaign that is over."""
        self._known.pop(campaign_id, None)

    async def _count(self, campaign: Document) -> int:
        began = campaign["launched_at"].replace(microsecond=0)  # Meta tells whole seconds
        people = await self._contacts.opted_out_since(campaign["tenant"], began, MOST)
        ids = {row_id(campaign["_id"], name): place for place, names in enumerate(people) for name in names}
        rows = await self._recipients.rows(list(ids)) if ids else []
        written = [row["_id"] for row in rows if state_of(row, campaign) not in _NOT_WRITTEN_TO]
        return len({ids[each] for each in written})

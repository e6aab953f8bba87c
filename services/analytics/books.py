"""The books: what rows of messages change in sums, cost lines and billing conversations, within one unit of work.

Whoever adds rows (`ingest.py`, `replies.py`) or prices anew (`repricing.py`) goes through here, so that there is one
way in which a message comes to cost something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libs.mongo.client import Session
from libs.pricing.rate_card import card_at
from libs.runtime.clock import Clock
from services.analytics.charges import Cards, Charge, charge_of, conversation_of
from services.analytics.counting import Sums, cost, difference, received, stages_reached
from services.analytics.layer_store import Layers
from services.analytics.line_store import LineStore
from services.analytics.lines import conversation_after, conversation_id, is_priced_otherwise, line_of, says_another
from services.analytics.stages import Row
from services.analytics.sums_store import SumsStore

NEVER = datetime.max.replace(tzinfo=UTC)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """The rows of one message that were counted, and those that are now. `again` looks at the price once more."""

    before: Sequence[Row]
    after: Sequence[Row]
    again: bool = False

    @property
    def message_id(self) -> str:
        """The message."""
        found: str = self.after[0]["message_id"]
        return found

    @property
    def conversation(self) -> str | None:
        """Our id of the billing conversation that Meta named, None where it named none."""
        named = conversation_of(self.after)
        return None if named is None else conversation_id(self.after[0]["tenant"], named)


@dataclass(frozen=True, slots=True)
class Priced:
    """A change with what its message was charged, and is."""

    change: Change
    was: Charge | None
    charge: Charge | None

    @property
    def is_said(self) -> bool:
        """Whether Meta's word on the price is there."""
        return self.charge is not None and self.charge.billable is not None

    @property
    def decides(self) -> bool:
        """Whether Meta says another thing than before, or it is looked at again."""
        same = self.was is not None and self.charge is not None and self.was.word == self.charge.word
        return self.is_said and (self.change.again or not same)

    @property
    def settled(self) -> bool:
        """Whether all that is to be booked was."""
        return self.was is not None and self.was.billable is not None and not self.decides


@dataclass(slots=True)
class Booking:
    """What a unit of work adds."""

    layers: Layers
    sums: Sums = field(default_factory=Sums)
    ahead: Sums = field(default_factory=Sums)  # what the next layer of sums has to have of it
    lines: list[Document] = field(default_factory=list)

    def add(self, sums: Sums, passed: bool) -> None:
        """Add to the sums; to those of the next layer too where that has passed the message."""
        self.sums.update(sums)
        if passed:
            self.ahead.update(sums)


class Books:
    """Enters changes. What is read and written belongs to the caller's unit of work. `cards` returns that of a time."""

    def __init__(self, sums: SumsStore, lines: LineStore, clock: Clock, cards: Cards = card_at) -> None:
        self._sums = sums
        self._lines = lines
        self._clock = clock
        self._cards = cards

    async def enter(
        self, session: Session, layers: Layers, changes: Sequence[Change], inbound: Iterable[Row] = ()
    ) -> Booking:  # fmt: skip
        """Write what changes add, and what inbound messages do; -> what that was."""
        booking = Booking(layers)
        found = [Priced(it, charge_of(it.before, self._cards), charge_of(it.after, self._cards)) for it in changes]
        booked = [it.change.message_id for it in found if it.was is not None and not it.settled]
        standing = await self._lines.standing(session, booked)
        conversations = await self._conversations(session, found)
        for priced in found:
            change, line = priced.change, standing.get(priced.change.message_id)
            made = self._line(priced, line, conversations)
            step = difference(stages_reached(change.before), stages_reached(change.after))
            if not priced.settled:
                step.update(difference(cost(change.before, line), cost(change.after, made or line)))
            booking.add(step, layers.holds(change.message_id))
            booking.lines += [made] if made is not None else []
        for row in inbound:
            booking.add(received(row), layers.holds_inbound(row["_id"]))
        await self._sums.add(session, layers.current, booking.sums)
        if layers.next is not None:
            await self._sums.add(session, layers.next, booking.ahead)
        await self._lines.book(session, booking.lines)
        return booking

    async def _conversations(self, session: Session, changes: Sequence[Priced]) -> Mapping[str, Document]:
        """Bring the billing conversations of messages up to date; -> all of them, by our ids."""
        named = [(place, it) for it in changes if (place := it.change.conversation) is not None]
        known = await self._lines.conversations(session, list({place for place, _ in named}))
        found: dict[str, Document] = dict(known)
        for place, priced in sorted(named, key=lambda it: _delivery(it[1])):
            price = priced.charge if priced.decides else None
            found[place] = conversation_after(found.get(place), priced.change.after, price)
        await self._lines.keep(session, [row for place, row in found.items() if row != known.get(place)])
        return found

    def _line(self, priced: Priced, line: Document | None, conversations: Mapping[str, Document]) -> Document | None:
        """Return the line that is to be booked, None where the one that stands says it already."""
        change, charge = priced.change, priced.charge
        if charge is None or not priced.decides:
            return None
        opens = None
        if charge.opens and change.conversation is not None:
            opens = conversations[change.conversation]["opened_by"] == change.message_id
        made = line_of(change.after, charge, opens, line["_id"] if line is not None else None, self._clock.now())
        if line is None or says_another(line, charge, opens):
            return made
        return made if change.again and is_priced_otherwise(line, made) else None


def _delivery(priced: Priced) -> tuple[datetime, str]:
    return priced.charge.at if priced.charge is not None else NEVER, priced.change.message_id

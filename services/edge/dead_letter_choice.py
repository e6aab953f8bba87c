"""Which dead letters are meant, and the bodies of calls that name many of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.kafka.dead_letter_reader import DeadLetter, Place, Span
from services.edge.key_bodies import Moment

OPEN, REPLAYED, DISCARDED = "open", "replayed", "discarded"
STATES = (OPEN, REPLAYED, DISCARDED)
MOST = 1_000  # of one call

Why = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True, pattern=r"^[^\x00]*$")]


class ChoiceBody(BaseModel):
    """Which of the open dead letters: all that match everything that is said."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    topic: Annotated[str | None, Field(max_length=249, description="The dead-letter topic that they lie in.")] = None
    reason: Annotated[str | None, Field(max_length=64, description="What they died of.")] = None
    error: Annotated[str | None, Field(min_length=1, max_length=200, description="Words in their error.")] = None
    since: Annotated[Moment | None, Field(alias="from", description="Buried at or after this time.")] = None
    until: Annotated[Moment | None, Field(alias="to", description="Buried before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=MOST, description="At most so many, the oldest first.")] = MOST
    starting_after: Annotated[
        str | None, Field(max_length=1_000, description="Go on where the call before ended: its `reached`.")
    ] = None


class DiscardBody(BaseModel):
    """Why nothing is to become of a dead letter."""

    model_config = ConfigDict(extra="forbid")

    why: Annotated[Why | None, Field(description="It is kept with the dead letter.")] = None


class ReplayManyBody(ChoiceBody):
    """`POST /dead_letters/replay`."""

    dry_run: Annotated[bool, Field(description="Only count them.")] = False


class DiscardManyBody(ChoiceBody):
    """`POST /dead_letters/discard`: here the reason has to be said."""

    why: Annotated[Why, Field(description="Why nothing is to become of them; it is kept with each.")]
    dry_run: Annotated[bool, Field(description="Only count them.")] = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for; `tenant` None means everybody's, which only our own tools may ask for."""

    tenant: str | None
    topic: str | None = None
    reason: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: str = OPEN

    @property
    def span(self) -> Span:
        """When the letters that are meant were buried."""
        return Span(self.since, self.until)

    def before(self, moment: datetime) -> Self:
        """Return the same choice among what was buried before a time."""
        return replace(self, until=moment if self.until is None else min(self.until, moment))

    def takes(self, letter: DeadLetter, settled: Mapping[str, str]) -> bool:
        """Tell whether a letter is meant; `settled` has the state of each that is not open."""
        at = datetime.fromtimestamp(letter.record.timestamp / 1000, UTC)
        return (
            (self.tenant is None or letter.tenant == self.tenant)
            and (self.reason is None or letter.reason == self.reason)
            and (self.error is None or self.error in letter.error)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and settled.get(letter.mark, OPEN) == self.state
        )


def place_of(text: str, topics: Sequence[str]) -> Place | None:
    """Read the id of a dead letter, `topic:partition:offset`; None where it is none in one of these topics."""
    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition(":")
    if topic not in topics or not _is_number(partition, 6) or not _is_number(offset, 18):
        return None
    return Place(topic, int(partition), int(offset))


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits

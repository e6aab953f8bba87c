from datetime import UTC, datetime, timedelta

import pytest

from libs.mongo.client import MongoUnavailable
from services.edge.interruptions import Interruptions

BEGAN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


class Watch:
    def __init__(self) -> None:
        self.time = BEGAN

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


class Notes:
    def __init__(self) -> None:
        self.away = False
        self.notes: list[tuple[str, datetime]] = []

    async def interrupted(self, at: datetime) -> None:
        self._note("interrupted", at)

    async def open(self, at: datetime) -> None:
        self._note("open", at)

    def _note(self, what: str, at: datetime) -> None:
        if self.away:
            raise MongoUnavailable(nothing_written=True)
        self.notes.append((what, at))


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def interruptions(notes: Notes, watch: Watch) -> Interruptions:
    """Started, and its rounds made by hand."""
    made = Interruptions(notes, watch)
    await made.start()
    await made.stop()
    return made


async def test_a_start_is_the_end_of_an_interruption_and_is_noted_before_the_word_that_we_live(
    interruptions: Interruptions, notes: Notes, watch: Watch
) -> None:
    await interruptions._round()
    watch.time += timedelta(seconds=1)
    await interruptions._round()
    assert notes.notes == [("interrupted", BEGAN), ("open", BEGAN), ("open", watch.time)]


async def test_a_webhook_that_was_turned_away_is_noted_once(
    interruptions: Interruptions, notes: Notes, watch: Watch
) -> None:
    await interruptions._round()
    watch.time += timedelta(seconds=1)
    interruptions.happened()
    await interruptions._round()
    await interruptions._round()
    assert notes.notes[2:] == [("interrupted", watch.time), ("open", watch.time), ("open", watch.time)]


async def test_whoever_was_stopped_for_a_while_notes_that_nothing_could_be_taken(
    interruptions: Interruptions, notes: Notes, watch: Watch
) -> None:
    await interruptions._round()
    watch.time += timedelta(seconds=20)
    await interruptions._round()
    assert notes.notes[2:] == [("interrupted", watch.time), ("open", watch.time)]


async def test_what_could_not_be_noted_is_noted_later(interruptions: Interruptions, notes: Notes, watch: Watch) -> None:
    notes.away = True
    with pytest.raises(MongoUnavailable):
        await interruptions._round()
    notes.away = False
    watch.time += timedelta(seconds=1)
    await interruptions._round()
    assert notes.notes == [("interrupted", BEGAN), ("open", watch.time)]

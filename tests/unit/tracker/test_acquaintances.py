from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from libs.ledger.consent import OPTED_OUT, By, Consent, Word
from libs.ledger.people import Encounter, People
from libs.mongo.client import MongoUnavailable
from services.tracker.acquaintances import MET, REMEMBERED, Acquaintances
from tests.unit.kafka.fakes import FakeClock

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WROTE = Encounter("acme", "100", ("15551230000", "US.77"), NOW)
STATUS = replace(WROTE, names=("+15551230000", "15551230000", "US.77"))


class Register:
    """Stands for People."""

    def __init__(self) -> None:
        self.written: list[Encounter] = []
        self.away = False

    async def meet(self, encounters: Sequence[Encounter]) -> dict[str, str]:
        if self.away:
            raise MongoUnavailable(nothing_written=True)
        self.written += encounters
        return {}


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def acquaintances(register: Register, clock: FakeClock) -> Acquaintances:
    return Acquaintances(cast(People, register), clock)


async def test_names_that_were_met_are_no_news_however_the_number_is_written(acquaintances: Acquaintances) -> None:
    assert acquaintances.are_news(STATUS)
    await acquaintances.meet([WROTE])
    assert not acquaintances.are_news(STATUS)


async def test_another_name_of_somebody_is_news(acquaintances: Acquaintances) -> None:
    await acquaintances.meet([replace(WROTE, names=("15551230000",))])
    assert acquaintances.are_news(STATUS)


async def test_another_form_of_a_number_is_news(acquaintances: Acquaintances) -> None:
    await acquaintances.meet([replace(WROTE, names=("553188887777",))])
    assert acquaintances.are_news(replace(WROTE, names=("+5531988887777", "553188887777")))


async def test_the_same_names_are_news_to_another_tenant(acquaintances: Acquaintances) -> None:
    await acquaintances.meet([WROTE])
    assert acquaintances.are_news(replace(STATUS, tenant="umbrella"))


async def test_words_and_free_windows_are_always_news(acquaintances: Acquaintances) -> None:
    word = Word(Consent.MARKETING, OPTED_OUT, NOW, By.META, "status", "wamid.1", NOW)
    await acquaintances.meet([WROTE])
    assert acquaintances.are_news(replace(STATUS, words=[word]))
    assert acquaintances.are_news(replace(STATUS, free_entry_until=NOW))


async def test_who_could_not_be_written_stays_news(acquaintances: Acquaintances, register: Register) -> None:
    register.away = True
    with pytest.raises(MongoUnavailable):
        await acquaintances.meet([WROTE])
    assert acquaintances.are_news(STATUS)


async def test_who_was_met_long_ago_is_news_again(acquaintances: Acquaintances, clock: FakeClock) -> None:
    await acquaintances.meet([WROTE])
    clock.seconds += REMEMBERED + 1
    assert acquaintances.are_news(STATUS)


async def test_no_more_than_so_many_are_remembered(acquaintances: Acquaintances) -> None:
    await acquaintances.meet([WROTE])
    await acquaintances.meet([replace(WROTE, names=(f"1555{number:07d}",)) for number in range(MET)])
    assert acquaintances.are_news(STATUS)

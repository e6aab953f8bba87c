"""Whom this process has met: what every status says again of the same person is written once in a while."""

from collections.abc import Sequence

from libs.ledger.consent import OPTED_OUT
from libs.ledger.people import Encounter, People
from libs.runtime.clock import Clock
from services.tracker.metrics import OPT_OUTS

MET = 50_000  # groups of names remembered
REMEMBERED = 3600.0  # seconds: whose contact was erased meanwhile is met anew after that


class Acquaintances:
    """Meets people, and remembers by which names."""

    def __init__(self, people: People, clock: Clock) -> None:
        self._people = people
        self._clock = clock
        self._met: dict[frozenset[str], float] = {}  # names -> when, by the monotonic clock

    def are_news(self, encounter: Encounter) -> bool:
        """Tell whether an encounter has to be written: names that were met before are not, words always."""
        if encounter.words or encounter.free_entry_until is not None:
            return True
        met = self._met.get(_names(encounter))
        return met is None or self._clock.monotonic() - met > REMEMBERED

    async def meet(self, encounters: Sequence[Encounter]) -> dict[str, str]:
        """Write encounters; -> alias -> contact id. Raises MongoUnavailable; repeating it changes nothing."""
        if not encounters:
            return {}
        known = await self._people.meet(encounters)
        for encounter in encounters:
            names = _names(encounter)
            self._met.pop(names, None)  # the dictionary is in the order in which they were met last
            self._met[names] = self._clock.monotonic()
            for word in encounter.words:
                if word.state == OPTED_OUT:
                    OPT_OUTS.labels(word.how).inc()
        while len(self._met) > MET:
            del self._met[next(iter(self._met))]
        return known


def _names(encounter: Encounter) -> frozenset[str]:
    """Return the names that a person is known by: a number as it was typed and its digits are one.

    Finer than aliases: another form of the same number (Brazil, Mexico, Argentina) is news, for a contact shows both.
    """
    return frozenset((encounter.tenant, *(name.removeprefix("+") for name in encounter.names)))

"""Whom this process has met: what every status says again of the same person is written once."""

from collections.abc import Sequence

from libs.ledger.consent import OPTED_OUT
from libs.ledger.people import Encounter, People
from services.tracker.metrics import OPT_OUTS

MET = 50_000  # groups of names remembered


class Acquaintances:
    """Meets people, and remembers by which names."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._met: dict[frozenset[str], None] = {}

    def are_news(self, encounter: Encounter) -> bool:
        """Tell whether an encounter has to be written: names that were met before are not, words always."""
        if encounter.words or encounter.free_entry_until is not None:
            return True
        return _names(encounter) not in self._met

    async def meet(self, encounters: Sequence[Encounter]) -> dict[str, str]:
        """Write encounters; -> alias -> contact id. Raises MongoUnavailable; repeating it changes nothing."""
        if not encounters:
            return {}
        known = await self._people.meet(encounters)
        for encounter in encounters:
            self._met[_names(encounter)] = None
            for word in encounter.words:
                if word.state == OPTED_OUT:
                    OPT_OUTS.labels(word.how).inc()
        while len(self._met) > MET:
            del self._met[next(iter(self._met))]
        return known


def _names(encounter: Encounter) -> frozenset[str]:
    """Return the names as a person is known by: a number as it was typed and its digits are one."""
    return frozenset((encounter.tenant, *(name.removeprefix("+") for name in encounter.names)))

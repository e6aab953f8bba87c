"""Opt-outs by the API: set for anybody, lifted only where no word of the person's own stands."""

from typing import Any

from libs.ledger.consent import OPTED_IN, OPTED_OUT, By, Consent, ConsentLog, Spoken, Word
from libs.ledger.contact_book import ContactBook
from libs.ledger.people import Encounter, People
from libs.runtime.clock import Clock, rfc3339
from services.edge.auth import Caller
from services.edge.errors import NoSuchOptOut, PersonOptedOut

Document = dict[str, Any]


class OptOuts:
    """What a tenant's programs say about consent. All raise MongoUnavailable."""

    def __init__(self, people: People, log: ConsentLog, book: ContactBook, clock: Clock) -> None:
        self._people = people
        self._log = log
        self._book = book
        self._clock = clock

    async def add(
        self, caller: Caller, request_id: str, recipient: str, covers: Consent, reason: str | None
    ) -> Document:
        """Opt somebody out; -> their contact after it. Who was never met becomes a contact."""
        now = self._clock.now()
        word = Word(covers, OPTED_OUT, now, By.API, "api", request_id, now, caller.key_id, reason)
        encounter = Encounter(caller.tenant, "", (recipient,), now, words=[word])
        known = await self._people.meet([encounter])
        contact = await self._book.get(caller.tenant, known[encounter.aliases[0]])
        if contact is None:
            raise RuntimeError("a contact that was just written is not there")
        return contact

    async def lift(self, caller: Caller, request_id: str, contact_id: str, covers: Consent | None) -> None:
        """Lift an opt-out, of all that it covers unless one is named.

        Raises NoSuchOptOut where there is none, and PersonOptedOut where the person said it: then nothing is lifted.
        """
        contact = await self._book.get(caller.tenant, contact_id)
        withdrawn = [each for each in Consent if contact is not None and each.value in contact.get("opted_out", ())]
        wanted = [each for each in withdrawn if covers in (None, each)]
        if contact is None or not wanted:
            raise NoSuchOptOut("There is no such opt-out.", param="contact_id")
        for each in wanted:
            _check_not_theirs(contact.get("consent", {}).get(each.value), each)
        now = self._clock.now()
        words = [Word(each, OPTED_IN, now, By.API, "api", request_id, now, caller.key_id) for each in wanted]
        await self._log.record([Spoken(caller.tenant, contact["_id"], word) for word in words])


def _check_not_theirs(word: Document | None, covers: Consent) -> None:
    if word is None or word["state"] != OPTED_OUT:
        return
    at = rfc3339(word["at"])
    raise PersonOptedOut(
        f"The person opted out themselves (of {covers.value}, by {word['how']}, at {at}): only their own later word"
        " lifts that.",
        param="contact_id",
        more={"opt_out": {"covers": covers.value, "by": word["by"], "how": word["how"], "at": at}},
    )

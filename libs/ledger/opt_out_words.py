"""The words by which people opt out and in again, when a message is nothing but them: ours, or a tenant's own.

STOP and its like are the words that carriers and regulators know (CTIA), with their counterparts in the languages
that most WhatsApp users write.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from libs.directory.cache import EntryCache
from libs.ledger.consent import Consent
from libs.mongo.client import Mongo, outages
from libs.runtime.clock import Clock

OPT_OUT_WORDS = "opt_out_words"  # one document per tenant that has words of its own
LISTS = ("stop", "stop_all", "start")
LONGEST = 50  # characters of a word: a longer text is no word, and is not looked at

# English, Spanish, Portuguese, French, German, Italian, Dutch, Turkish, Indonesian, Hindi, Arabic, Russian.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "stop": (
        "stop", "unsubscribe", "end", "quit", "cancel", "opt out", "optout", "opt-out", "stop promotions",
        "baja", "alto", "detener", "cancelar suscripción", "no más", "darme de baja",
        "parar", "pare", "sair", "cancelar", "descadastrar",
        "arrêt", "arrêter", "arrêtez", "désabonner", "désinscription", "me désabonner",
        "stopp", "abmelden", "abbestellen", "keine werbung",
        "ferma", "fermati", "basta", "disiscrivi", "disiscrivimi", "annulla iscrizione", "cancellami",
        "afmelden", "uitschrijven", "stoppen", "stop ermee",
        "dur", "durdur", "iptal", "iptal et", "abonelikten çık",
        "berhenti", "berhenti berlangganan", "hentikan",
        "रोकें", "रोको", "बंद करें", "बंद करो", "बंद", "सदस्यता समाप्त करें", "band karo",
        "إيقاف", "ايقاف", "أوقف", "اوقف", "توقف", "إلغاء", "الغاء", "إلغاء الاشتراك", "الغاء الاشتراك",
        "стоп", "отписаться",
    ),
    "stop_all": (
        "stop all", "stopall", "stop everything",
        "baja total", "parar todo", "alto a todo", "detener todo",
        "parar tudo", "sair de tudo", "cancelar tudo",
        "tout arrêter", "arrêtez tout", "stop tout",
        "alles stoppen", "alles abbestellen", "alles abmelden", "stopp alles",
        "ferma tutto", "basta tutto", "stop tutto",
        "stop alles", "alles afmelden", "stop met alles",
        "hepsini durdur", "tümünü durdur", "tümünü iptal et",
        "berhenti semua", "hentikan semua", "stop semua",
        "सब बंद करें", "सब बंद करो", "सब रोकें",
        "إيقاف الكل", "ايقاف الكل", "أوقف الكل", "إلغاء الكل",
        "остановить всё",
    ),
    "start": (
        "start", "unstop", "subscribe", "opt in", "optin", "opt-in", "resume",
        "alta", "iniciar", "suscribir", "reanudar",
        "voltar", "retomar",
        "démarrer", "reprendre", "abonner", "m'abonner",
        "anmelden", "fortsetzen",
        "iscrivi", "iscrivimi", "riprendi",
        "aanmelden", "inschrijven", "hervatten",
        "başla", "başlat", "abone ol",
        "mulai", "berlangganan",
        "शुरू", "शुरू करें", "शुरू करो", "shuru karo",
        "ابدأ", "ابدا", "بدء", "اشترك", "اشتراك",
        "старт", "подписаться",
    ),
}  # fmt: skip

_ACCENTS = re.compile("[\u0300-\u036f]")
_DOTLESS = str.maketrans({"ı": "i", "’": "'"})


def plain(text: str) -> str:
    """Return a text as words are compared: no case, no accents of Latin letters, no punctuation around it."""
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_DOTLESS)
    folded = unicodedata.normalize("NFC", _ACCENTS.sub("", folded))
    start, end = 0, len(folded)
    while start < end and _around(folded[start]):
        start += 1
    while end > start and _around(folded[end - 1]):
        end -= 1
    return " ".join(folded[start:end].split())


def _around(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "PC"  # punctuation; marks nobody sees


@dataclass(frozen=True, slots=True)
class OptOutWords:
    """The words of one tenant: each list its own as it was given, or None for the one that everybody has."""

    stop: tuple[str, ...] | None = None
    stop_all: tuple[str, ...] | None = None
    start: tuple[str, ...] | None = None

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of a list as they are in force."""
        own: tuple[str, ...] | None = getattr(self, name)
        return DEFAULTS[name] if own is None else own


class Hearing:
    """Tells what a text means by a tenant's words."""

    def __init__(self, words: OptOutWords) -> None:
        self.words = words
        self._stop, self._stop_all, self._start = (frozenset(map(plain, words.words(name))) for name in LISTS)

    def heard(self, text: str) -> tuple[Consent, bool] | None:
        """Return what a text withdraws (True) or gives back (False); None where it does neither.

        An opt-out stops marketing, or everything where it says so. An opt-in gives back everything.
        """
        if len(text) > 2 * LONGEST:
            return None
        word = plain(text)
        if word in self._stop_all:
            return Consent.ALL, True
        if word in self._stop:
            return Consent.MARKETING, True
        return (Consent.ALL, False) if word in self._start else None


EVERYBODYS = Hearing(OptOutWords())


class OptOutWordsBook:
    """Reads and writes the words of tenants. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo, clock: Clock) -> None:
        self._mongo = mongo
        self._hearings: EntryCache[Hearing] = EntryCache(self._hearing, clock)

    async def get(self, tenant: str) -> OptOutWords:
        """Return a tenant's words as they are stored now."""
        with outages():
            row = await self._mongo.collection(OPT_OUT_WORDS).find_one({"_id": tenant})
        return _words(row or {})

    async def put(self, tenant: str, words: OptOutWords) -> None:
        """Replace a tenant's words; everybody hears by them within five seconds."""
        lists = {name: list(own) for name in LISTS if (own := getattr(words, name)) is not None}
        with outages():
            await self._mongo.collection(OPT_OUT_WORDS).replace_one({"_id": tenant}, lists, upsert=True)
        self._hearings.forget(tenant)

    async def hearing(self, tenant: str) -> Hearing:
        """Return a tenant's words for hearing, at most five seconds old."""
        return self._hearings.peek(tenant) or await self._hearings.get(tenant)

    async def _hearing(self, tenant: str) -> Hearing:
        words = await self.get(tenant)
        return EVERYBODYS if words == EVERYBODYS.words else Hearing(words)


def clash(words: OptOutWords) -> tuple[str, int, str] | None:
    """Return the first word that stands in two lists: its list, its place there, and the other list; None for none."""
    seen: dict[str, str] = {}
    for name in sorted(LISTS, key=lambda each: getattr(words, each) is not None):  # a tenant's own are to blame
        for place, word in enumerate(words.words(name)):
            other = seen.setdefault(plain(word), name)
            if other != name:
                return name, place, other
    return None


def _words(row: dict[str, Any]) -> OptOutWords:
    def own(name: str) -> tuple[str, ...] | None:
        given: Sequence[str] | Iterable[str] | None = row.get(name)
        return None if given is None else tuple(given)

    return OptOutWords(own("stop"), own("stop_all"), own("start"))

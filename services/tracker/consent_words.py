"""The words by which people opt out and in again, when a message is nothing but them.

STOP and its like are the words that carriers and regulators know (CTIA), with their counterparts in the languages
that most WhatsApp users write.
"""

from libs.ledger.people import Consent

_STOP = frozenset({
    "stop", "unsubscribe", "end", "quit", "cancel", "opt out", "optout", "opt-out", "stop promotions",
    "baja", "alto", "parar", "pare", "sair", "cancelar", "arret", "arrêt", "stopp", "abmelden", "berhenti", "dur",
    "iptal", "إيقاف", "توقف", "रोकें", "стоп",
})  # fmt: skip
_STOP_ALL = frozenset({"stop all", "stopall", "stop everything", "parar tudo", "baja total", "alles stoppen"})
_START = frozenset({
    "start", "unstop", "subscribe", "opt in", "optin", "opt-in", "resume", "alta", "iniciar", "voltar", "anmelden",
    "mulai", "basla", "başla", "ابدأ", "старт",
})  # fmt: skip


def heard(text: str) -> tuple[Consent, bool] | None:
    """Return what a text withdraws (True) or gives back (False); None where it does neither.

    An opt-out stops marketing, or everything where it says so. An opt-in gives back everything.
    """
    word = " ".join(text.strip().strip(".!\"'").casefold().split())
    if word in _STOP_ALL:
        return Consent.ALL, True
    if word in _STOP:
        return Consent.MARKETING, True
    return (Consent.ALL, False) if word in _START else None

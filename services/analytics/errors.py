"""Refusals of analytics' own."""

from libs.web.errors import FieldProblem, Invalid, NotFound, Unavailable


class NoSuchCampaign(NotFound):
    """No message of such a campaign was counted for this tenant."""

    code = "no_such_campaign"


class NothingCountedYet(Unavailable):
    """Nobody can say yet up to when events are counted."""

    code = "nothing_counted_yet"


def wrong(name: str, words: str) -> Invalid:
    """Return the refusal of a parameter."""
    return Invalid(f"{name}: {words}", code="invalid_field", param=name, errors=[FieldProblem(name, words)])

"""Refusals of analytics' own."""

from libs.web.errors import NotFound, Unavailable


class NoSuchCampaign(NotFound):
    """No message of such a campaign was counted for this tenant."""

    code = "no_such_campaign"


class NothingCountedYet(Unavailable):
    """Nobody can say yet up to when events are counted."""

    code = "nothing_counted_yet"

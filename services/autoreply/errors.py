"""Refusals of autoreply's own."""

from libs.web.errors import Conflict, NotFound


class NoSuchBot(NotFound):
    """There is none, or it is another tenant's."""

    code = "bot_not_found"


class TooManyBots(Conflict):
    """The tenant has as many bots as it may have."""

    code = "too_many_bots"


class NoSuchConversation(NotFound):
    """There is none, or it is another tenant's."""

    code = "conversation_not_found"

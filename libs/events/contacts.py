"""The language of people: that one of them is to be forgotten."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from libs.events.model import Event
from libs.events.topics import CONTACTS_FORGOTTEN


class ContactForgotten(Event):
    """Event: a person's data was deleted on request. Whoever keeps something of them deletes who it is about.

    `names` are the digits of their number and their business-scoped user ids; `contact_ids` all ids that they had.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (CONTACTS_FORGOTTEN,)

    contact_ids: Sequence[str]
    names: Sequence[str]
    at: datetime

"""What can go wrong on the bus, and what follows from it.

Outage              (libs.runtime.errors) wait and try again, for ever
└── BusUnavailable  the broker did not acknowledge in time
RecordRefused       the broker will never take this record
Poison              a handler says: this record can never succeed, bury it now
LetGo               a handler says: I have not begun this record and its partition is leaving us
"""

from enum import StrEnum

from libs.runtime.errors import Outage


class Reason(StrEnum):
    """Why a record was buried: the closed list that dead letters are counted and searched by."""

    UNREADABLE = "unreadable"  # the envelope or the value is not what its type promises
    UNKNOWN_TYPE = "unknown_type"  # a type or a version that this reader does not know: parked until it does
    REFUSED = "refused"  # understood, and never possible
    HANDLER_FAILED = "handler_failed"  # our own bug: the handler raised on every try


class BusUnavailable(Outage):
    """The broker did not acknowledge before the deadline; the record may still be written later."""


class RecordRefused(Exception):
    """The record is too large, or the broker refused it: trying again cannot help."""


class Poison(Exception):
    """This record can never be handled: it goes to the dead-letter topic at once, its siblings go on.

    `error` is one sentence for the operator that names fields, never values.
    """

    def __init__(self, reason: Reason | str, error: str = "") -> None:
        super().__init__(error or str(reason))
        self.reason = Reason(reason)
        self.error = error


class LetGo(Exception):
    """The handler has done nothing yet and the partition is being taken away: its next owner handles the record.

    Raised at any other time it means "not now", and the record is tried again after a short wait.
    """

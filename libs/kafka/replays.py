"""Replays: a raw webhook that is read once more carries a mark, and so does all that is published because of it.

Who keeps a state reads what is marked like anything else: it knows it, or had lost it. Who acts on the world outside
(answers people, tells customers) passes it by, unless the replay asked for it by name.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from libs.kafka.record import Outgoing, Record

REPLAY: Final = "ce_replay"  # its value: who is to act as if it were new, comma separated
NOBODY: Final = "nobody"


def mark_for(services: Iterable[str]) -> str:
    """Return the mark of a replay that these services are to act on."""
    return ",".join(sorted(services)) or NOBODY


def mark_of(record: Record) -> str | None:
    """Return the mark of a record, None where it is no replay."""
    return record.header(REPLAY)


def marked(records: Sequence[Outgoing], mark: str | None) -> list[Outgoing]:
    """Return records with this mark; with None as they are."""
    if mark is None:
        return list(records)
    return [record._replace(headers=[*record.headers, (REPLAY, mark.encode())]) for record in records]


def is_for(record: Record, service: str) -> bool:
    """Tell whether a service that acts on the world outside is to act on a record."""
    mark = mark_of(record)
    return mark is None or service in mark.split(",")

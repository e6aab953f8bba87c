"""What goes over the bus, raw: a record as it was read, and one that is to be written."""

from collections.abc import Sequence
from typing import Any, NamedTuple

Headers = tuple[tuple[str, bytes | None], ...]
Partition = tuple[str, int]  # a topic's name and the number of one of its partitions


class Record(NamedTuple):
    """One record as it stands in its partition; `timestamp` is in milliseconds since 1970.

    `trace` is no part of it: the `traceparent` of the span in which this process handles it, where one is recorded.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    trace: str | None = None

    def header(self, name: str) -> str | None:
        """Return the last header of that name as text, None when it is absent, null or not UTF-8."""
        for key, value in reversed(self.headers):
            if key == name:
                return _text(value)
        return None


class Outgoing(NamedTuple):
    """One record to be written; its key decides the partition, None means any."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def raw_record(fetched: Any) -> Record:
    """Return the Record for a record that aiokafka fetched; nothing in it is decoded."""
    return Record(
        fetched.topic,
        fetched.partition,
        fetched.offset,
        fetched.key,
        fetched.value,
        tuple(fetched.headers),
        fetched.timestamp,
    )


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None

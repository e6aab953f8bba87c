"""The envelope of every event: CloudEvents attributes in Kafka headers, the data as the record's value.

This is the CloudEvents Kafka binding's binary mode, so that a raw webhook body is an event too.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from libs.runtime.clock import rfc3339

Headers = Sequence[tuple[str, bytes | None]]

PREFIX = "ce_"
SPEC_VERSION = ("ce_specversion", b"1.0")
CONTENT_TYPE = ("content-type", b"application/json")
TRACEPARENT = "ce_traceparent"
REQUIRED = ("id", "type", "source", "time")


_encoded = lru_cache(maxsize=4096)(str.encode)  # types, sources and tenants are few


class UnreadableEnvelope(Exception):
    """The headers do not form an envelope: an attribute is missing, not UTF-8, or a time that is none."""


class Envelope(NamedTuple):
    """The metadata around an event. A tuple: one is made for every record, and a frozen dataclass is far dearer.

    `type` names the event and its version (`MessageStatusChanged.v1`); `subject` is what it is about, usually a
    message id; `correlationid` is one business request across services; `causationid` is the event before this one;
    `traceparent` is the step of a trace that this goes on from (CloudEvents' distributed tracing extension).
    """

    id: str
    type: str
    source: str
    time: datetime
    tenant: str = ""
    subject: str = ""
    correlationid: str = ""
    causationid: str = ""
    traceparent: str = ""

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers; empty optional attributes are left out."""
        made = [
            SPEC_VERSION,
            ("ce_id", self.id.encode()),
            ("ce_type", _encoded(self.type)),
            ("ce_source", _encoded(self.source)),
            ("ce_time", rfc3339(self.time).encode()),
            CONTENT_TYPE,
        ]
        if self.tenant:
            made.append(("ce_tenant", _encoded(self.tenant)))
        if self.subject:
            made.append(("ce_subject", self.subject.encode()))
        if self.correlationid:
            made.append(("ce_correlationid", self.correlationid.encode()))
        if self.causationid:
            made.append(("ce_causationid", self.causationid.encode()))
        if self.traceparent:
            made.append((TRACEPARENT, self.traceparent.encode()))
        return made


def read_envelope(headers: Iterable[tuple[str, bytes | None]]) -> Envelope:
    """Read the envelope from a record's headers; headers that are not ours are ignored.

    Raises UnreadableEnvelope, naming the attribute.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(PREFIX) and value is not None:
            try:
                found[name[len(PREFIX) :]] = value.decode()
            except UnicodeDecodeError:
                raise UnreadableEnvelope(f"attribute {name} is not UTF-8") from None
    for name in REQUIRED:
        if not found.get(name):
            raise UnreadableEnvelope(f"attribute ce_{name} is missing")
    return Envelope(
        id=found["id"],
        type=found["type"],
        source=found["source"],
        time=_time(found["time"]),
        tenant=found.get("tenant", ""),
        subject=found.get("subject", ""),
        correlationid=found.get("correlationid", ""),
        causationid=found.get("causationid", ""),
        traceparent=found.get("traceparent", ""),
    )


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableEnvelope("attribute ce_time is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise UnreadableEnvelope("attribute ce_time has no offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first or last hours that a date can have, with an offset beyond them
        raise UnreadableEnvelope("attribute ce_time is not of this world") from None

"""When a message that names a time is sent: rules of `send_at`, without any I/O."""

from datetime import datetime, timedelta

from libs.web.errors import FieldProblem, Invalid

FARTHEST = timedelta(days=30)  # ahead; also as long as Meta keeps a message
LATE = timedelta(minutes=1)  # that a time may have passed: clocks differ, and requests take their time


def put_off_until(send_at: datetime, now: datetime) -> datetime | None:
    """Return when to send, None for at once; raises Invalid where the time is past or too far ahead."""
    if send_at < now - LATE:
        raise _invalid("Must not be in the past.")
    if send_at > now + FARTHEST:
        raise _invalid("Must be at most 30 days ahead.")
    return send_at if send_at > now else None


def _invalid(words: str) -> Invalid:
    return Invalid(f"send_at: {words}", code="invalid_field", param="send_at", errors=[FieldProblem("send_at", words)])

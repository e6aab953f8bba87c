from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.events.envelope import Envelope, UnreadableEnvelope, read_envelope
from libs.events.messages import MessageStatusChanged, SendMessage
from libs.events.model import UnknownType, UnreadableEvent, check_type

NOW = datetime(2026, 11, 23, 9, 30, 0, 125_000, tzinfo=UTC)
printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(printable, printable, printable)
def test_an_envelope_is_read_back_from_its_headers(tenant: str, subject: str, correlation: str) -> None:
    made = Envelope("id-1", "X.v1", "edge", NOW, tenant, subject, correlation, "cause")
    assert read_envelope(made.headers()) == made


def test_headers_that_are_not_ours_do_no_harm() -> None:
    foreign: list[tuple[str, bytes | None]] = [("trace", None), ("other", b"\xff\xfe"), ("ce_x", None)]
    made = Envelope("id-1", "X.v1", "edge", NOW)
    assert read_envelope([*foreign, *made.headers()]) == made


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("ce_id", b"1"), ("ce_type", b"X.v1"), ("ce_source", b"a")],
        [("ce_id", b"1"), ("ce_type", b"X.v1"), ("ce_source", b"a"), ("ce_time", b"yesterday")],
        [("ce_id", b"1"), ("ce_type", b"X.v1"), ("ce_source", b"a"), ("ce_time", b"2026-11-23T09:30:00")],
        [("ce_id", b"\xff"), ("ce_type", b"X.v1"), ("ce_source", b"a"), ("ce_time", b"2026-11-23T09:30:00Z")],
    ],
)
def test_an_envelope_that_is_none_is_refused_by_name(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(UnreadableEnvelope, match="attribute ce_"):
        read_envelope(headers)


def test_a_type_or_version_that_is_not_known_is_parked_not_guessed_at() -> None:
    with pytest.raises(UnknownType):
        check_type(Envelope("1", "SendMessage.v2", "a", NOW), SendMessage)


def test_consumers_ignore_fields_that_they_do_not_know_at_any_depth() -> None:
    raw = b'{"message_id":"m","status":"failed","at":"2026-11-23T09:30:00Z","phone_number_id":"1","waba_id":"2",\
"conversation_id":"c","contact_id":"k","lane":"bulk","type":"text","created_at":"2026-11-23T09:30:00Z","new":1,\
"error":{"type":"t","code":"c","message":"m","newer":{"a":1}}}'
    event = MessageStatusChanged.read(raw)
    assert event.error is not None
    assert event.error.code == "c"


@pytest.mark.parametrize("raw", [None, b"", b"[]", b"{}", b"\xff"])
def test_a_value_that_is_not_what_its_type_promises_is_refused(raw: bytes | None) -> None:
    with pytest.raises(UnreadableEvent):
        MessageStatusChanged.read(raw)

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.graph.signature import is_signed, sign
from libs.graph.webhooks import (
    Change,
    MessageItem,
    Misfit,
    StatusItem,
    UnreadableWebhook,
    moment,
    read_webhook,
    routing_key,
)

NAMES = ["id", "changes", "value", "field", "metadata", "phone_number_id", "messages", "statuses", "contacts", "x"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def _body(*changes: Any) -> bytes:
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "77", "changes": list(changes)}]}
    ).encode()


def _messages(**value: Any) -> dict[str, Any]:
    return {"field": "messages", "value": {"metadata": {"phone_number_id": "55"}} | value}


def test_every_item_of_a_body_is_read_apart() -> None:
    raw = _body(
        _messages(messages=[{"id": "m1"}, {"id": "m2"}], statuses=[{"id": "s1"}]),
        {"field": "account_update", "value": {"event": "X"}},
    )
    items = read_webhook(raw)
    assert [type(item) for item in items] == [MessageItem, MessageItem, StatusItem, Change]
    assert {item.waba_id for item in items if not isinstance(item, Misfit)} == {"77"}


def test_an_item_that_does_not_fit_is_set_apart_and_its_siblings_are_read() -> None:
    raw = _body(_messages(messages=["nonsense", {"id": "m2"}, {}], statuses=[{"id": 5}, {"id": "s2"}]), "nonsense")
    kinds = [type(item) for item in read_webhook(raw)]
    assert kinds.count(Misfit) == 4
    assert kinds.count(MessageItem) == kinds.count(StatusItem) == 1


def test_each_message_gets_the_contact_that_sent_it() -> None:
    contacts = [{"wa_id": "1", "profile": {"name": "A"}}, {"wa_id": "2", "profile": {"name": "B"}}]
    items = read_webhook(_body(_messages(contacts=contacts, messages=[{"id": "m", "from": "2"}])))
    assert isinstance(items[0], MessageItem)
    assert items[0].contact["profile"]["name"] == "B"


@given(json_values)
def test_no_body_crashes_the_reading(body: Any) -> None:
    with contextlib.suppress(UnreadableWebhook):
        read_webhook(json.dumps({"entry": body} if isinstance(body, list) else body).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"entry": {}}', b"[" * 100_000])
def test_a_body_that_is_none_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(UnreadableWebhook):
        read_webhook(raw)


def test_the_routing_key_is_the_first_number_else_the_account() -> None:
    assert routing_key(_body(_messages())) == b"55"
    assert routing_key(_body({"field": "x", "value": {}})) == b"77"
    assert routing_key(b"{}") == b""


@pytest.mark.parametrize("value", [None, "", "x", -5, 0, 10**30, {}, True])
def test_a_time_that_is_none_is_none(value: Any) -> None:
    assert moment(value) is None or value is True


def test_seconds_and_milliseconds_as_text_or_number_are_the_same_time() -> None:
    assert moment("1750030073") == moment(1750030073) == moment(1750030073999)


@given(st.binary(max_size=64), st.binary(max_size=80))
def test_only_the_signature_of_these_very_bytes_is_one(raw: bytes, guess: bytes) -> None:
    assert is_signed(raw, sign("secret", raw).encode(), ["other", "secret"])
    assert not is_signed(raw, sign("other", raw).encode(), ["secret"])
    assert not is_signed(raw + b" ", sign("secret", raw).encode(), ["secret"])
    assert not is_signed(raw, guess, ["secret"])
    assert not is_signed(raw, sign("", raw).encode(), ["secret", ""])  # anybody could

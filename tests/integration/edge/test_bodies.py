import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.running import Number, Stack
from tests.support.shared_stack import greet, newest, refused

NOT_NUMBERS = [
    "15550001234", "+1555", "+123456", "+1234567890123456", "+05550001234", "++15550001234", "+1555000123a", "",
    "+", "+1 555 000 1234 ext 5", "+１５５５０００１２３４", "tel:+15550001234", "+1555000\n1234", "00491701234567",
    "US.", "us.13491208655302741918", "US.1349-120", "USA.1349", " ",
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_stored(stack: Stack) -> Iterator[None]:
    """Whatever a test of this module was refused, nothing of it may be there afterwards."""
    before = newest(stack, direction="outbound")
    yield
    assert newest(stack, direction="outbound") == before, "something was stored"


@pytest.fixture(scope="module")
def friend(number: Number, person: Callable[[], str]) -> str:
    """Somebody whose window is open: nothing but the body is wrong."""
    who = person()
    greet(number, who)
    return f"+{who}"


@pytest.fixture
def good(number: Number, friend: str) -> dict[str, Any]:
    """A body that would be accepted."""
    return {"phone_number_id": number.id, "to": friend, "text": "hello"}


@pytest.mark.parametrize("to", NOT_NUMBERS)
def test_a_recipient_that_is_neither_number_nor_user_id_is_refused(stack: Stack, good: dict[str, Any], to: str) -> None:
    refused(stack.call("POST", "/messages", good | {"to": to}), 422, "invalid_field", "to")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", 5), ("text", None), ("text", ["a"]), ("text", {"body": "a"}), ("text", True), ("to", 15550001234),
        ("to", None), ("phone_number_id", 12), ("phone_number_id", "abc"), ("phone_number_id", "1" * 33),
        ("phone_number_id", "$ne"), ("phone_number_id", {"$ne": ""}), ("ttl", "60"), ("ttl", 0), ("ttl", -1),
        ("ttl", 1.5), ("ttl", True), ("ttl", 30 * 24 * 3600 + 1), ("ttl", 10**30), ("client_ref", 7),
        ("client_ref", "r" * 257), ("client_ref", "a\x00b"), ("preview_url", "yes"), ("preview_url", 1),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_refused_by_name(
    stack: Stack, good: dict[str, Any], field: str, value: Any
) -> None:
    error = refused(stack.call("POST", "/messages", good | {field: value}), 422, "invalid_field", field)
    assert [problem["path"] for problem in error["errors"]] == [field]


@pytest.mark.parametrize("text", ["", "x" * 4097, "a\x00b", "😀" * 4097])
def test_a_text_that_meta_would_not_take_is_refused(stack: Stack, good: dict[str, Any], text: str) -> None:
    refused(stack.call("POST", "/messages", good | {"text": text}), 422, "invalid_field", "text")


@pytest.mark.parametrize("path", ["/messages", "/messages/template", "/onboarding/manual", "/templates/sync"])
def test_unknown_fields_are_refused_by_name(stack: Stack, path: str) -> None:
    error = refused(stack.call("POST", path, {"recipient_typo": 1, "status": "read"}), 422)
    unknown = {problem["path"] for problem in error["errors"] if "not known" in problem["message"]}
    assert unknown == {"recipient_typo", "status"}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/messages", {"phone_number_id", "to", "text"}),
        ("/messages/template", {"phone_number_id", "to", "template", "language"}),
        ("/onboarding/manual", {"phone_number_id", "waba_id", "access_token"}),
    ],
)
def test_missing_fields_are_named_all_at_once(stack: Stack, path: str, fields: set[str]) -> None:
    error = refused(stack.call("POST", path, {}), 422, "missing_field")
    assert {problem["path"] for problem in error["errors"]} == fields


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_json"), (b"{", "not_json"), (b"hello", "not_json"), (b"{'a': 1}", "not_json"),
        (b'{"text": NaN,}', "not_json"), (b"\xff\xfe{}", "not_utf8"), (b'{"text": "\xc3\x28"}', "not_utf8"),
        (b"[" * 10_000 + b"]" * 10_000, "too_deep"), (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
        (b"[" * 10_000, "too_deep"), (b'{"text":"\\ud83d"}', "not_unicode"), (b'{"text":"\\udc00x"}', "not_unicode"),
    ],
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else value,
)  # fmt: skip
@pytest.mark.parametrize("path", ["/messages", "/messages/template", "/templates/sync"])
def test_a_body_that_cannot_be_read_is_refused(stack: Stack, path: str, raw: bytes, code: str) -> None:
    if not raw and path == "/templates/sync":
        return  # this one may be asked for without a body
    refused(stack.call("POST", path, raw=raw), 400, code)


@pytest.mark.parametrize("raw", [b"null", b"[]", b"1", b'"text"', b"true"])
def test_json_that_is_no_object_is_refused(stack: Stack, raw: bytes) -> None:
    refused(stack.call("POST", "/messages", raw=raw), 422)


def test_a_lone_surrogate_in_an_otherwise_good_body_is_refused(stack: Stack, good: dict[str, Any]) -> None:
    raw = json.dumps(good | {"text": "broken \ud800 emoji"}).encode()
    refused(stack.call("POST", "/messages", raw=raw), 400, "not_unicode")


def test_a_message_from_a_number_of_another_tenant_is_refused_as_an_unknown_one(
    stack: Stack, good: dict[str, Any], stranger: Any
) -> None:
    foreign = refused(stack.call("POST", "/messages", good, key=stranger.key), 404, "number_not_found")
    unknown = refused(stack.call("POST", "/messages", good | {"phone_number_id": "999"}, key=stranger.key), 404)
    assert foreign | {"request_id": ""} == unknown | {"request_id": ""}

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from libs.events.topics import MESSAGES_INBOUND, MESSAGES_STATUS
from tests.support import meta_bodies as meta
from tests.support.arrivals import arrivals, lands
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, refused
from tests.support.topics import told_at


def shake(stack: Stack, **query: str) -> Any:
    named = {f"hub.{name}": value for name, value in query.items()}
    return stack.http.get(stack.info["edge"] + "/webhooks/whatsapp", params=named)


def test_the_handshake_is_answered_with_the_challenge(stack: Stack) -> None:
    answer = shake(stack, mode="subscribe", verify_token=stack.info["verify_token"], challenge="1158201444")
    assert (answer.status_code, answer.text) == (200, "1158201444")


@pytest.mark.parametrize(
    "query",
    [
        {"mode": "subscribe", "verify_token": "wrong", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "", "challenge": "1"},
        {"mode": "subscribe", "challenge": "1"},
        {"mode": "subscribe", "verify_token": "gültig", "challenge": "1"},
        {},
    ],
)
def test_a_handshake_without_our_token_is_refused(stack: Stack, query: dict[str, str]) -> None:
    answer = shake(stack, **query)
    refused(answer, 403)


def test_a_handshake_of_another_mode_is_refused(stack: Stack) -> None:
    refused(shake(stack, mode="other", verify_token=stack.info["verify_token"], challenge="1"), 403)


def digest(secret: str, raw: bytes, algorithm: Callable[..., Any] = hashlib.sha256) -> str:
    return hmac.new(secret.encode(), raw, algorithm).hexdigest()


@pytest.mark.parametrize(
    "signature",
    [
        lambda secret, raw: "",
        lambda secret, raw: "sha256=" + digest("another secret", raw),
        lambda secret, raw: "sha1=" + digest(secret, raw, hashlib.sha1),
        lambda secret, raw: "sha256=" + digest(secret, raw)[:63],
        lambda secret, raw: "sha256=" + digest(secret, raw) + "0",
        lambda secret, raw: digest(secret, raw),
        lambda secret, raw: "sha512=" + digest(secret, raw, hashlib.sha512),
        lambda secret, raw: "sha256=" + "0" * 64,
        lambda secret, raw: "sha256=" + digest(secret, json.dumps(json.loads(raw), separators=(",", ":")).encode()),
        lambda secret, raw: "sha256=" + digest(secret, raw + b"\n"),
        lambda secret, raw: "sha256=" + digest("", raw),
    ],
    ids=[
        "empty", "other secret", "sha1", "short", "long", "bare", "sha512", "zeros", "re-serialised", "one byte more",
        "empty secret",
    ],
)  # fmt: skip
def test_a_webhook_that_is_not_signed_over_its_very_bytes_changes_nothing(
    stack: Stack, number: Number, person: Callable[[], str], signature: Callable[[str, bytes], str]
) -> None:
    liar, honest = person(), person()
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound(liar)]))
    refused(stack.webhook(raw, signature(stack.info["app_secret"], raw)), 401, "invalid_signature")
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, [meta.inbound(honest)]))).status_code == 200
    lands(stack, number, honest)
    assert arrivals(stack, recipient=liar) == []


def test_a_webhook_without_a_signature_is_refused(stack: Stack, number: Number) -> None:
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound("15551110000")]))
    refused(stack.http.post(stack.info["edge"] + "/webhooks/whatsapp", content=raw), 401, "invalid_signature")


def test_the_hex_of_a_signature_may_be_in_capitals(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who = person()
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound(who)]))
    assert stack.webhook(raw, "sha256=" + digest(stack.info["app_secret"], raw).upper()).status_code == 200
    lands(stack, number, who)


def test_a_thousand_changes_of_one_webhook_are_all_handled(stack: Stack) -> None:
    fresh = stack.connect(numbers=2)
    second = fresh.made["phone_numbers"][1]["phone_number_id"]
    credentials = {"waba_id": fresh.waba_id, "access_token": fresh.made["access_token"]}
    assert stack.call("POST", "/onboarding/manual", credentials | {"phone_number_id": second}).status_code == 201
    numbers = (fresh.id, second)
    changes = [meta.change(numbers[i % 2], [meta.inbound(f"1558{i:07d}", f"change {i}")]) for i in range(1000)]
    assert stack.webhook(meta.body(fresh.waba_id, *changes)).status_code == 200
    for place, each in enumerate(numbers):
        rows = until(
            lambda each=each: found if len(found := arrivals(stack, phone_number_id=each)) >= 500 else None,  # type: ignore[misc]
            "all changes are handled", 20, 0.5,
        )  # fmt: skip
        assert {row["from"] for row in rows} == {f"1558{i:07d}" for i in range(place, 1000, 2)}
        assert len(rows) == 500


def test_a_webhook_of_three_megabytes_is_taken_whole(stack: Stack) -> None:
    fresh = stack.connect()
    senders = [f"1559{i:07d}" for i in range(700)]
    raw = meta.body(fresh.waba_id, meta.change(fresh.id, [meta.inbound(who, "x" * 4096) for who in senders]))
    raw += b" " * (3 * 1024 * 1024 - len(raw))
    assert len(raw) == 3 * 1024 * 1024
    assert stack.webhook(raw).status_code == 200
    until(lambda: len(arrivals(stack, phone_number_id=fresh.id)) == 700, "all of it is stored", 20, 0.5)
    assert {row["from"] for row in arrivals(stack, phone_number_id=fresh.id)} == set(senders)


def test_what_is_about_an_unknown_number_is_counted_and_dropped(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    before = stack.metric("tracker", "wabus_tracker_dropped_total")
    stray, known = person(), person()
    raw = meta.body(
        number.waba_id, meta.change("999000111", [meta.inbound(stray)]), meta.change(number.id, [meta.inbound(known)])
    )
    assert stack.webhook(raw).status_code == 200
    lands(stack, number, known)
    assert stack.metric("tracker", "wabus_tracker_dropped_total") == before + 1
    assert arrivals(stack, recipient=stray) == []


def test_the_same_message_of_a_user_told_twice_is_one(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who, after = person(), person()
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound(who)]))
    for _ in range(3):
        assert stack.webhook(raw).status_code == 200
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, [meta.inbound(after)]))).status_code == 200
    lands(stack, number, after)
    assert len(arrivals(stack, recipient=who)) == 1


def test_statuses_in_any_order_and_any_number_of_times_never_move_a_message_back(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    sent = number.reaches(number.send(who).json()["id"], "delivered")
    told = {name: meta.status(sent["id"], name, who, sent["wamid"]) for name in ("sent", "delivered", "read", "failed")}
    told["failed"]["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
    for name in ("read", "sent", "failed", "read", "delivered", "sent"):
        assert (
            stack.webhook(meta.body(number.waba_id, meta.change(number.id, statuses=[told[name]]))).status_code == 200
        )
        if name == "read":
            number.reaches(sent["id"], "read")
    after = person()
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, [meta.inbound(after)]))).status_code == 200
    lands(stack, number, after)
    row = stack.message(sent["id"])
    assert row["status"] == "read"
    assert row["error"] is None
    assert row["wamids"] == sent["wamids"]


def test_what_a_person_wrote_is_told_before_the_statuses_that_came_with_it(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    sent = number.reaches(number.send(who).json()["id"], "delivered")
    wrote, read = meta.inbound(who, "wait for me"), meta.status(sent["id"], "read", who, sent["wamid"])
    both = [meta.change(number.id, statuses=[read]), meta.change(number.id, [wrote])]
    assert stack.webhook(meta.body(number.waba_id, *both)).status_code == 200
    [(wrote_at, _, _)] = asyncio.run(told_at(stack, MESSAGES_INBOUND, lambda _, data: data["wamid"] == wrote["id"], 1))
    [(read_at, _, _)] = asyncio.run(
        told_at(stack, MESSAGES_STATUS, lambda _, data: (data["message_id"], data["status"]) == (sent["id"], "read"), 1)
    )
    assert wrote_at < read_at


def _both_came(stack: Stack, message_id: str) -> bool:
    return {"sent", "delivered"} <= {move["status"] for move in stack.message(message_id)["history"]}


@pytest.mark.parametrize("kind", ["webhooks_shuffled", "webhooks_doubled", "webhooks_early", "webhooks_batched"])
def test_messages_end_delivered_whatever_becomes_of_their_webhooks(
    stack: Stack, number: Number, person: Callable[[], str], kind: str
) -> None:
    people = [person() for _ in range(6)]
    for who in people:
        greet(number, who)
    fault = stack.box("POST", "/faults", {"kind": kind, "phone_number_id": number.id, "share": 1, "seconds": 0.3})
    try:
        ids = [number.send(who).json()["id"] for who in people]
        for message_id in ids:  # shuffled, `delivered` may come before `sent`: look once both have come
            until(partial(_both_came, stack, message_id), "both have come")
        rows = [stack.message(message_id) for message_id in ids]
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    for row in rows:
        assert row["status"] == "delivered"
        assert [move["status"] for move in row["history"]] == ["queued", "sending", "accepted", "sent", "delivered"]
        assert len(row["wamids"]) == 1


def test_a_status_of_somebody_elses_message_changes_nothing(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    other, who = stack.connect(), person()
    greet(number, who)
    sent = number.reaches(number.send(who).json()["id"], "delivered")
    raw = meta.body(other.waba_id, meta.change(other.id, statuses=[meta.status(sent["id"], "read", who, "wamid.x")]))
    assert stack.webhook(raw).status_code == 200
    after = person()
    assert stack.webhook(meta.body(other.waba_id, meta.change(other.id, [meta.inbound(after)]))).status_code == 200
    lands(stack, other, after)
    assert stack.message(sent["id"])["status"] == "delivered"

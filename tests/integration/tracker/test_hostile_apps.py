"""What a tenant with a Meta app of its own can sign: anything. It may harm nobody else, and stop nothing."""

import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.support import meta_bodies as meta
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, install, new_tenant

NONSENSE = (b"", b"nonsense", b"[]", b'{"entry": 7}', b"\xff\xfe", b'{"entry":[' + b"[" * 5000)
MORE_THAN_A_CEILING = 36  # dead letters of a quiet minute stop a consumer at eleven


class ForeignApp:
    """A tenant's account of its own Meta app."""

    def __init__(self, stack: Stack, tenant: Tenant) -> None:
        made = stack.box("POST", "/accounts", {"foreign_app": True})
        self.stack, self.tenant = stack, tenant
        self.number = str(made["phone_numbers"][0]["phone_number_id"])
        self.waba_id, self._secret = str(made["waba_id"]), str(made["app_secret"])
        body = {"waba_id": self.waba_id, "phone_number_id": self.number, "access_token": made["access_token"]}
        answer = stack.call("POST", "/onboarding/manual", body | {"app_secret": self._secret}, key=tenant.key)
        assert answer.status_code == 201, answer.text
        self._path = f"/webhooks/whatsapp/{answer.json()['id']}"

    def posts(self, raw: bytes) -> None:
        """Post a body to its own path, signed with its own secret; it must be taken."""
        signature = "sha256=" + hmac.new(self._secret.encode(), raw, hashlib.sha256).hexdigest()
        answer: httpx.Response = self.stack.webhook(raw, signature, self._path)
        assert answer.status_code == 200, answer.text

    def changes(self, field: str, value: Any) -> None:
        """Post one change of its account."""
        self.posts(meta.body(self.waba_id, {"field": field, "value": value}))

    def inbound(self) -> list[dict[str, Any]]:
        """Read what was stored for its number, newest first; ValueError where that is no strict JSON."""
        path = f"/messages?direction=inbound&phone_number_id={self.number}&limit=100"
        answer = self.stack.call("GET", path, key=self.tenant.key)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = json.loads(answer.text, parse_constant=_refuse)["data"]
        return rows


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


@pytest.fixture(scope="module")
def app(stack: Stack) -> ForeignApp:
    """An app of the second tenant's own."""
    return ForeignApp(stack, new_tenant(stack, "Hostile"))


def typed(kind: str, content: str) -> bytes:
    """Return a message of an unknown type, its content given as text: what `json` itself would not write."""
    item = json.dumps(meta.inbound("15550001234", type=kind))
    return (item[:-1] + f', "{kind}": {content}}}').encode()


def body_with(app: ForeignApp, item: bytes) -> bytes:
    """Return a body with one message as it is."""
    change = json.dumps(meta.change(app.number, messages=["HERE"])).encode().replace(b'"HERE"', item)
    return b'{"entry":[{"id":"' + app.waba_id.encode() + b'","changes":[' + change + b"]}]}"


def test_bodies_that_are_none_signed_by_a_tenants_own_app_stop_nobody(
    stack: Stack, app: ForeignApp, number: Number
) -> None:
    before = stack.metric("tracker", "wabus_tracker_misfits_total")
    for turn in range(MORE_THAN_A_CEILING):
        app.posts(NONSENSE[turn % len(NONSENSE)])
    misfits = before + MORE_THAN_A_CEILING
    until(lambda: stack.metric("tracker", "wabus_tracker_misfits_total") >= misfits, "they are kept aside", 15)
    greet(number, "15553330001")


def test_content_that_could_not_be_read_again_does_not_spoil_the_list(app: ForeignApp) -> None:
    contents = ["[" * depth + '"\\ud800"' + "]" * depth for depth in (60, 500, 940, 970, 980, 985)]
    contents += ['{"a": NaN, "b": -Infinity, "c": 1e999}', '{"$where": 1, "a.b": 2, "n\\u0000": ' + "9" * 400 + "}"]
    for content in contents:
        app.posts(body_with(app, typed("odd", content)))
    app.posts(body_with(app, typed("last", "{}")))
    until(lambda: any(row["type"] == "last" for row in app.inbound()), "the last one lands", 20)
    until(lambda: any(row["content"] == {"a": None, "b": None, "c": None} for row in app.inbound()), "NaN is nothing")


def test_a_code_of_any_size_does_not_keep_the_statuses_beside_it_out(stack: Stack, number: Number) -> None:
    greet(number, "15553330002")
    first, second = (number.send("15553330002").json()["id"] for _ in range(2))
    until(lambda: all(number.reaches(each, "delivered") for each in (first, second)), "both are delivered")
    wrong = meta.status(first, "failed", "15553330002", meta.wamid(), errors=[{"code": 10**30, "title": "\ud800"}])
    read = meta.status(second, "read", "15553330002", meta.wamid())
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, statuses=[wrong, read]))).status_code == 200
    number.reaches(second, "read", seconds=10)
    assert number.stack.message(first)["status"] == "delivered"


def test_a_word_from_the_future_does_not_outlast_all_later_ones(stack: Stack, number: Number) -> None:
    who, later = "15553330003", str(int(time.time()) + 400 * 24 * 3600)
    stop = meta.inbound(who, "STOP", timestamp=later)
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, messages=[stop]))).status_code == 200

    def marketing() -> Any:
        rows = stack.call("GET", f"/contacts?recipient={who}").json()["data"]
        return rows[0]["consent"]["marketing"]["state"] if rows else None

    until(lambda: marketing() == "opted_out", "the word was heard", 10)
    heard = time.time()
    until(lambda: time.time() > heard + 1, "Meta's clock, which has whole seconds, has gone on", 3)
    number.hears(who, "START")
    until(lambda: marketing() != "opted_out", "the later word counts", 10)


def test_a_tenants_own_app_is_no_evidence_that_webhooks_of_others_flow(
    stack: Stack, app: ForeignApp, number: Number
) -> None:
    ids = (number.id, "999000111222", app.number)  # the last one is its own
    for each in ids:
        app.posts(meta.body(app.waba_id, meta.change(each, statuses=[meta.status("x", "sent", "1555", meta.wamid())])))
    client: MongoClient[dict[str, Any]] = MongoClient(stack.info["mongo"])
    with client:
        notes = client["wabus"]["webhook_flow"]
        until(lambda: notes.find_one({"_id": f"foreign:{app.number}"}), "its own number is heard of", 10)
        found = {row["_id"] for row in notes.find({"_id": {"$regex": "^(number|foreign):"}})}
    assert not found & {f"foreign:{each}" for each in ids[:2]}
    assert not found & {f"number:{each}" for each in ids[1:]}


def test_odd_words_about_a_template_hold_up_nobody_elses_changes(stack: Stack, app: ForeignApp, number: Number) -> None:
    mine = {"name": "mine", "language": "en_US", "category": "UTILITY", "components": [{"type": "BODY", "text": "Hi"}]}
    stack.box("POST", "/templates", {"waba_id": app.waba_id, "templates": [mine]})
    asked = stack.call("POST", "/templates/sync", {"waba_id": app.waba_id}, key=app.tenant.key)
    assert asked.status_code == 202, asked.text

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = stack.call("GET", "/templates?name=mine", key=app.tenant.key).json()["data"]
        return found

    until(rows, "it is synced", 10)
    about: dict[str, Any] = {"message_template_name": "mine", "message_template_language": "en_US"}
    about["message_template_id"] = int(rows()[0]["meta_id"])
    for event in ("REJECTED", "A" * 1_500_000, {"a": 1}, None):
        value = about | {"event": event, "reason": {"a": ["b"]}, "message_template_category": 7}
        app.changes("message_template_status_update", value)
    app.changes("message_template_quality_update", about | {"new_quality_score": ["RED"]})
    until(lambda: rows()[0]["status"] == "REJECTED", "it is rejected", 10)
    install(stack, number, mine | {"name": "theirs"})
    found = stack.call("GET", f"/templates?waba_id={number.waba_id}&name=theirs").json()["data"]
    assert found[0]["status"] == "APPROVED"
    until(lambda: rows()[0]["rejected_reason"] is None, "what is no word is no reason", 5)


def test_many_webhooks_about_unknown_templates_bring_few_syncs(stack: Stack, app: ForeignApp) -> None:
    before = stack.metric("templates", "wabus_templates_syncs_total")
    value = {"event": "APPROVED", "message_template_name": "nobody_knows_it", "message_template_language": "en_US"}
    many = [
        {"field": "message_template_status_update", "value": value | {"message_template_id": n}} for n in range(900)
    ]
    updates = stack.metric("templates", "wabus_templates_updates_total")
    app.posts(meta.body(app.waba_id, *many))
    until(lambda: stack.metric("templates", "wabus_templates_updates_total") >= updates + 900, "all are handled", 25)
    assert stack.metric("templates", "wabus_templates_syncs_total") - before < 600


def test_odd_words_about_an_account_are_no_poison(stack: Stack, app: ForeignApp) -> None:
    before = stack.metric("edge", "wabus_dead_letters_total")
    for value in (
        {"event": "ACCOUNT_VIOLATION", "violation_info": ["x"]},
        {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": {"a\0b": 1}}},
        {"event": "ACCOUNT_RESTRICTION", "restriction_info": {"a\0b": 10**30}},
        {"event": {"a\0b": 1}},
    ):
        app.changes("account_update", value)
    app.changes("business_capability_update", {"max_daily_conversations_per_business": 10**30})
    app.changes("account_review_update", {"decision": {"a\0b": 10**30}})
    app.changes("account_review_update", {"decision": "REJECTED"})

    def account() -> dict[str, Any]:
        rows = stack.call("GET", "/accounts", key=app.tenant.key).json()["data"]
        return next(row for row in rows if row["waba_id"] == app.waba_id)

    until(lambda: account()["review_status"] == "REJECTED", "the last one is applied", 10)
    assert stack.metric("edge", "wabus_dead_letters_total") == before

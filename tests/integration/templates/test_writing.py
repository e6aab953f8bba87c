import asyncio
import concurrent.futures
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]

from libs.events.topics import TEMPLATES_CHANGED
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import Tenant, refused, sync

BODY = {"type": "BODY", "text": "Hello {{1}}, thank you", "example": {"body_text": [["Ada"]]}}
REPLIES = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}]}
URL = {"type": "URL", "text": "Track", "url": "https://example.com/{{1}}", "example": ["https://example.com/1"]}
CALL = {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550001234"}
OFFER = {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Now", "has_expiration": True}}
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 3000
RUN, numbers = secrets.token_hex(3), itertools.count(1)


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    return stack.connect(throughput=1000, messaging_limit="UNLIMITED")


@pytest.fixture
def faults(stack: Stack) -> Iterator[Callable[..., None]]:
    def play(kind: str, path: str, **options: Any) -> None:
        stack.box("POST", "/faults", {"kind": kind, "path": path, **options})

    yield play
    stack.box("DELETE", "/faults")


def fresh(**more: Any) -> dict[str, Any]:
    """A template that Meta takes, of a name and text that no other has."""
    number = next(numbers)
    text = {"type": "BODY", "text": f"Hello {{{{1}}}}, this is number {number}", "example": {"body_text": [["Ada"]]}}
    return {"name": f"written_{RUN}_{number}", "category": "UTILITY", "language": "en_US", "components": [text]} | more


def create(shop: Number, body: dict[str, Any], **options: Any) -> httpx.Response:
    return shop.stack.call("POST", "/templates", body | {"waba_id": shop.waba_id}, **options)


def created(shop: Number, **more: Any) -> dict[str, Any]:
    answer = create(shop, fresh(**more))
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


def rows(stack: Stack, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.call("GET", f"/templates?name={name}").json()["data"]
    return found


def review(stack: Stack, row: dict[str, Any], action: str, **wish: Any) -> None:
    stack.box("POST", f"/templates/{row['meta_id']}/review", {"action": action, **wish})


def becomes(stack: Stack, row: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        now: dict[str, Any] = stack.call("GET", f"/templates/{row['id']}").json()
        return now if wanted.items() <= now.items() else None

    found: dict[str, Any] = until(there, f"the template has {wanted}", 10, 0.02)
    return found


def send(shop: Number, to: str, name: str) -> httpx.Response:
    component = {"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}
    body = {"phone_number_id": shop.id, "to": f"+{to}", "template": name, "language": "en_US"}
    return shop.stack.call("POST", "/messages/template", body | {"components": [component]})


def test_a_template_is_created_reviewed_sent_and_deleted(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    row = created(shop)
    assert (row["object"], row["status"], row["category"], row["quality"]) == (
        "template",
        "PENDING",
        "UTILITY",
        "UNKNOWN",
    )
    refused(send(shop, person(), row["name"]), 422, "template_not_approved")
    review(stack, row, "approve")
    becomes(stack, row, status="APPROVED")
    assert until(lambda: send(shop, person(), row["name"]).status_code == 202, "it may be sent", 5)
    assert stack.call("DELETE", f"/templates/{row['id']}").status_code == 204
    refused(stack.call("GET", f"/templates/{row['id']}"), 404, "template_not_found")
    gone = until(lambda: said if (said := send(shop, person(), row["name"])).status_code == 422 else None, "", 1, 0.02)
    refused(gone, 422, "template_not_found")
    refused(stack.call("DELETE", f"/templates/{row['id']}"), 404, "template_not_found")
    # Meta blocks the name of an approved template for thirty days.
    error = refused(create(shop, fresh(name=row["name"])), 409, "template_name_blocked")
    assert error["meta"]["code"] == 100


def test_what_meta_decides_is_shown_at_once(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    row = created(shop, category="MARKETING")
    review(stack, row, "approve", category="UTILITY")
    becomes(stack, row, status="APPROVED", category="UTILITY")
    review(stack, row, "quality", quality="YELLOW")
    becomes(stack, row, quality="YELLOW")
    review(stack, row, "pause")
    becomes(stack, row, status="PAUSED")
    assert until(lambda: send(shop, person(), row["name"]).status_code == 422, "a paused one is refused", 1, 0.02)
    review(stack, row, "disable")
    becomes(stack, row, status="DISABLED")
    refused(send(shop, person(), row["name"]), 422, "template_not_approved")
    refused(stack.call("DELETE", f"/templates/{row['id']}"), 409, "template_state")
    assert sync(stack, shop)["changed"] == 0


@pytest.mark.parametrize(
    ("components", "category"),
    [
        ([{"type": "header", "format": "text", "text": "News"}, BODY, {"type": "FOOTER", "text": "Bye"}, REPLIES],
         "MARKETING"),
        ([{"type": "BODY", "add_security_recommendation": True}, {"type": "FOOTER", "code_expiration_minutes": 5},
          {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}], "AUTHENTICATION"),
        ([BODY | {"text": "See {{1}} here"}, {"type": "BUTTONS", "buttons": [URL, CALL]}], "UTILITY"),
        ([BODY | {"text": "Ends {{1}} soon"}, OFFER,
          {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "example": "SALE25"}, URL]}], "MARKETING"),
    ],
)  # fmt: skip
def test_templates_of_many_kinds(shop: Number, components: list[Any], category: str) -> None:
    row = created(shop, components=components, category=category, message_send_ttl_seconds=None)
    assert (row["category"], len(row["components"])) == (category, len(components))
    assert sync(shop.stack, shop)["changed"] == 0  # the row is what Meta has


def test_a_media_header_takes_the_handle_of_an_uploaded_sample(stack: Stack, shop: Number) -> None:
    answer = sample(stack, shop)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["mime_type"], told["size"]) == ("image/png", len(PNG))
    header = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [told["handle"]]}}
    assert created(shop, components=[header, BODY | {"text": "Look, {{1}}, a picture"}])["status"] == "PENDING"


def sample(
    stack: Stack, shop: Number, content: bytes = PNG, declared: str = "image/png", **headers: str
) -> httpx.Response:
    named = {"Authorization": f"Bearer {stack.key}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    files, data = {"file": ("a.png", content, declared)}, {"waba_id": shop.waba_id}
    return stack.http.post(stack.info["edge"] + API + "/templates/media", files=files, data=data, headers=named)


@pytest.mark.parametrize(
    ("content", "declared", "status", "code"),
    [
        (b"plain words", "text/plain", 415, "unsupported_media"), (PNG, "application/pdf", 415, "unsupported_media"),
        (b"", "image/png", 422, "invalid_field"), (PNG + b"p" * 6_000_000, "image/png", 413, "media_too_large"),
    ],
    ids=["text", "liar", "empty", "large"],
)  # fmt: skip
def test_samples_that_headers_do_not_take(
    stack: Stack, shop: Number, content: bytes, declared: str, status: int, code: str
) -> None:
    refused(sample(stack, shop, content, declared), status, code, "file")


def test_a_sample_is_uploaded_once_for_a_key(stack: Stack, shop: Number) -> None:
    key = f"sample-{secrets.token_hex(8)}"
    first = sample(stack, shop, Idempotency_Key=key)
    again = sample(stack, shop, Idempotency_Key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(sample(stack, shop, PNG + b"longer", Idempotency_Key=key), 422, "idempotency_key_reused")


def test_meta_failing_on_a_sample_is_told(stack: Stack, shop: Number, faults: Callable[..., None]) -> None:
    faults("http_5xx", "/uploads", count=1)
    refused(sample(stack, shop), 502, "meta_failed")
    faults("accept_then_reset", "POST /upload:", count=1)
    refused(sample(stack, shop), 502, "meta_failed")
    assert sample(stack, shop).status_code == 201


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"name": "Not Lower"}, "invalid_field", "name"), ({"category": "NEWS"}, "invalid_field", "category"),
        ({"language": "english"}, "invalid_field", "language"), ({"components": []}, "invalid_field", "components"),
        ({"colour": "red"}, "unknown_field", "colour"),
        ({"components": [REPLIES]}, "invalid_template", "components"),
        ({"components": [BODY | {"text": "Hi {{1}} and {{3}}, ok"}]}, "invalid_template", "components.0.text"),
        ({"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x" * 26}]}]},
         "invalid_template", "components.1.buttons.0.text"),
        ({"message_send_ttl_seconds": 5}, "invalid_template", "message_send_ttl_seconds"),
        ({"components": [{"type": "BODY", "text": "Hi", "a.b": 1}]}, "invalid_template", "components.0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_before_meta_is_asked(
    stack: Stack, shop: Number, faults: Callable[..., None], change: dict[str, Any], code: str, param: str
) -> None:
    faults("error", "message_templates", code=131000)  # whoever asked Meta would get another answer
    refused(create(shop, fresh() | change), 422, code, param)


def test_what_meta_refuses_is_passed_on(stack: Stack, shop: Number) -> None:
    row = created(shop)
    error = refused(create(shop, fresh(name=row["name"])), 409, "template_exists")
    assert error["meta"]["details"]
    other = refused(create(shop, fresh(name=row["name"], language="de", category="MARKETING")), 422, "template_refused")
    assert "doesn't match" in other["meta"]["title"]
    refused(create(shop, fresh(language="xx_YY")), 422, "template_refused")
    assert len(rows(stack, row["name"])) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "error", "code": 190}, 409, "token_invalid"),
        ({"kind": "error", "code": 80007}, 429, "app_throttled"),
        ({"kind": "error", "code": 2}, 502, "meta_failed"), ({"kind": "http_5xx"}, 502, "meta_failed"),
    ],
)  # fmt: skip
def test_a_flaky_meta_leaves_nothing_half_stored(
    stack: Stack, shop: Number, faults: Callable[..., None], fault: dict[str, Any], status: int, code: str
) -> None:
    faults(path=f"POST /{shop.waba_id}/message_templates", count=1, **fault)
    body = fresh()
    error = refused(create(shop, body), status, code)
    assert error["retryable"] == (status != 409)
    assert rows(stack, body["name"]) == []
    assert create(shop, body).status_code == 201


def test_a_creation_whose_answer_was_lost_is_found_at_meta(
    stack: Stack, shop: Number, faults: Callable[..., None]
) -> None:
    body = fresh()
    faults("accept_then_reset", f"POST /{shop.waba_id}/message_templates", count=1)
    answer = create(shop, body)
    assert answer.status_code == 201, answer.text
    assert [row["meta_id"] for row in rows(stack, body["name"])] == [answer.json()["meta_id"]]
    faults("accept_then_reset", f"POST /{shop.waba_id}/message_templates", count=1)
    refused(create(shop, body), 409, "template_exists")


def test_what_nobody_can_know_now_is_found_out_later(stack: Stack, shop: Number, faults: Callable[..., None]) -> None:
    body = fresh()
    faults("accept_then_reset", f"POST /{shop.waba_id}/message_templates", count=1)
    faults("http_5xx", f"GET /{shop.waba_id}/message_templates", count=1)
    refused(create(shop, body), 504, "outcome_unknown")
    assert rows(stack, body["name"]) == []
    assert until(lambda: rows(stack, body["name"]), "a sync has found it", 25, 0.1)


def test_the_same_key_creates_one_template(stack: Stack, shop: Number) -> None:
    body, key = fresh(), {"Idempotency-Key": f"template-{secrets.token_hex(8)}"}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: create(shop, body, headers=key), range(4)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = create(shop, body, headers=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert [row["id"] for row in rows(stack, body["name"])] == [again.json()["id"]]


def test_a_template_is_edited_within_metas_limits(stack: Stack, shop: Number) -> None:
    row = created(shop)
    refused(edit(stack, row, components=[BODY]), 409, "template_state")  # it is under review
    review(stack, row, "approve")
    becomes(stack, row, status="APPROVED")
    refused(edit(stack, row), 422, "missing_field")
    refused(edit(stack, row, category=None), 422, "missing_field")
    refused(edit(stack, row, name="other"), 422, "unknown_field", "name")
    refused(edit(stack, row, components=[REPLIES]), 422, "invalid_template", "components")
    refused(edit(stack, row, category="MARKETING"), 409, "template_state")
    better = [BODY | {"text": f"Better for {{{{1}}}}, number {next(numbers)}"}]
    answer = edit(stack, row, components=better)
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING"), answer.text
    assert answer.json()["components"][0]["text"] == better[0]["text"]
    review(stack, row, "approve")
    becomes(stack, row, status="APPROVED")
    refused(edit(stack, row, components=[BODY]), 409, "template_state")  # once a day
    assert sync(stack, shop)["changed"] == 0


def edit(stack: Stack, row: dict[str, Any], **change: Any) -> httpx.Response:
    return stack.call("PATCH", f"/templates/{row['id']}", change)


def test_a_rejected_template_may_change_its_category(stack: Stack, shop: Number) -> None:
    row = created(shop)
    review(stack, row, "reject", reason="INCORRECT_CATEGORY")
    assert becomes(stack, row, status="REJECTED")["rejected_reason"] == "INCORRECT_CATEGORY"
    answer = edit(stack, row, category="marketing")
    assert (answer.json()["category"], answer.json()["status"]) == ("MARKETING", "PENDING")


def test_a_change_whose_answer_was_lost_is_looked_up(stack: Stack, shop: Number, faults: Callable[..., None]) -> None:
    row = created(shop)
    review(stack, row, "reject")
    becomes(stack, row, status="REJECTED")
    faults("http_5xx", f"POST /{row['meta_id']}", count=1)
    refused(edit(stack, row, category="MARKETING"), 502, "meta_failed")
    faults("accept_then_reset", f"POST /{row['meta_id']}", count=1)
    assert edit(stack, row, category="MARKETING").json()["category"] == "MARKETING"


def test_a_template_that_is_gone_at_meta_is_gone_here_soon(stack: Stack, shop: Number) -> None:
    row = created(shop)
    stack.box("POST", "/faults", {"kind": "webhooks_dropped", "count": 1})
    review(stack, row, "delete")
    try:
        refused(edit(stack, row, components=[BODY]), 409, "template_out_of_reach")
        until(lambda: not rows(stack, row["name"]), "a sync has found it gone", 25, 0.1)
    finally:
        stack.box("DELETE", "/faults")


def test_a_name_that_comes_back_at_meta_comes_back_here(stack: Stack, shop: Number) -> None:
    row = created(shop)
    review(stack, row, "delete")
    until(lambda: not rows(stack, row["name"]), "it is gone", 10, 0.02)
    wish = {"waba_id": shop.waba_id, "name": row["name"], "language": "en_US", "category": "UTILITY"}
    other = stack.box("POST", "/templates", wish | {"components": row["components"]})["id"]
    assert other != row["meta_id"]
    review(stack, {"meta_id": other}, "approve")
    back = until(lambda: rows(stack, row["name"]), "it is back", 10, 0.02)
    assert [(each["meta_id"], each["status"]) for each in back] == [(other, "APPROVED")]


def test_a_name_is_deleted_in_all_languages_and_an_id_in_one(stack: Stack, shop: Number) -> None:
    name = created(shop)["name"]
    for language in ("de", "fr"):
        assert create(shop, fresh(name=name, language=language)).status_code == 201
    german = next(row for row in rows(stack, name) if row["language"] == "de")
    assert stack.call("DELETE", f"/templates/{german['id']}").status_code == 204
    assert sorted(row["language"] for row in rows(stack, name)) == ["en_US", "fr"]
    assert stack.call("DELETE", f"/templates?name={name}").status_code == 204
    assert rows(stack, name) == []
    assert sync(stack, shop)["added"] == 0
    refused(stack.call("DELETE", f"/templates?name={name}&waba_id={shop.waba_id}"), 404, "template_not_found", "name")
    refused(stack.call("DELETE", "/templates"), 422, "missing_field", "name")
    refused(stack.call("DELETE", f"/templates?name={name}&colour=red"), 422, "invalid_field", "colour")


def test_a_deletion_whose_answer_was_lost_is_looked_up(stack: Stack, shop: Number, faults: Callable[..., None]) -> None:
    row = created(shop)
    faults("http_5xx", f"DELETE /{shop.waba_id}/message_templates", count=1)
    refused(stack.call("DELETE", f"/templates/{row['id']}"), 502, "meta_failed")
    assert rows(stack, row["name"])
    faults("accept_then_reset", f"DELETE /{shop.waba_id}/message_templates", count=1)
    assert stack.call("DELETE", f"/templates/{row['id']}").status_code == 204
    assert rows(stack, row["name"]) == []


def test_with_several_accounts_the_choice_is_the_callers(stack: Stack, shop: Number) -> None:
    second = stack.connect()
    error = refused(stack.call("POST", "/templates", fresh()), 422, "missing_field", "waba_id")
    assert shop.waba_id in error["message"]
    assert second.waba_id in error["message"]
    body = fresh()
    for number in (shop, second):
        assert create(number, body).status_code == 201
    refused(stack.call("DELETE", f"/templates?name={body['name']}"), 422, "missing_field", "waba_id")
    assert stack.call("DELETE", f"/templates?name={body['name']}&waba_id={second.waba_id}").status_code == 204
    assert [row["waba_id"] for row in rows(stack, body["name"])] == [shop.waba_id]


def test_another_tenants_templates_are_out_of_reach(stack: Stack, shop: Number, stranger: Tenant) -> None:
    row, key = created(shop), stranger.key
    for method in ("GET", "PATCH", "DELETE"):
        body = {"category": "UTILITY"} if method == "PATCH" else None
        refused(stack.call(method, f"/templates/{row['id']}", body, key=key), 404, "template_not_found")
    refused(stack.call("DELETE", f"/templates?name={row['name']}", key=key), 404)
    refused(create(shop, fresh(), key=key), 404, "account_not_found", "waba_id")
    assert len(rows(stack, row["name"])) == 1


def test_why_meta_rejects_is_explained(stack: Stack) -> None:
    page = stack.call("GET", "/templates/rejection_reasons").json()
    assert page["has_more"] is False
    codes = {each["code"] for each in page["data"]}
    assert {"INVALID_FORMAT", "PROMOTIONAL", "TAG_CONTENT_MISMATCH", "SCAM"} <= codes
    assert all(each["meaning"] and each["what_to_do"] for each in page["data"])


def test_a_template_created_while_a_sync_reads_is_not_taken_for_removed(
    stack: Stack, shop: Number, faults: Callable[..., None]
) -> None:
    faults("slow", f"GET /{shop.waba_id}/message_templates", count=1, seconds=1.0)
    asked = stack.call("POST", "/templates/sync", {"waba_id": shop.waba_id}).json()["id"]
    until(lambda: stack.call("GET", f"/templates/sync/{asked}").json()["status"] == "running", "it reads", 10, 0.01)
    until(lambda: any(fault["fired"] for fault in stack.box("GET", "/faults")["data"]), "it has read", 10, 0.01)
    row = created(shop)
    job = until(
        lambda: found if (found := stack.call("GET", f"/templates/sync/{asked}").json())["finished_at"] else None
    )
    assert job["removed"] == 0
    assert becomes(stack, row, status="PENDING")


def test_every_change_is_told(stack: Stack, shop: Number) -> None:
    """Each is waited for: changes that follow one another before the first is told are told as one."""
    row = created(shop)
    expected = [("added", "PENDING")]
    is_told(stack, row, expected, "its making")
    review(stack, row, "approve")
    expected += [("changed", "APPROVED")]
    is_told(stack, row, expected, "its approval")
    assert stack.call("DELETE", f"/templates/{row['id']}").status_code == 204
    expected += [("removed", "DELETED")]
    is_told(stack, row, expected, "its end")


def test_what_a_sync_found_before_its_webhook_came_is_told_once(stack: Stack, shop: Number) -> None:
    row = created(shop)
    expected = [("added", "PENDING")]
    is_told(stack, row, expected, "its making")
    stack.box("POST", "/faults", {"kind": "webhooks_dropped", "count": 1})
    review(stack, row, "approve")
    assert sync(stack, shop)["changed"] == 1
    expected += [("changed", "APPROVED")]
    is_told(stack, row, expected, "its approval")
    value = {
        "event": "APPROVED", "message_template_id": int(row["meta_id"]), "message_template_name": row["name"],
        "message_template_language": row["language"], "reason": "NONE",
    }  # fmt: skip
    change = {"field": "message_template_status_update", "value": value}
    entry = {"id": shop.waba_id, "time": int(time.time()), "changes": [change]}
    late = json.dumps({"object": "whatsapp_business_account", "entry": [entry]})
    assert stack.webhook(late.encode()).status_code == 200
    review(stack, row, "pause")  # of the same account, so told after it
    expected += [("changed", "PAUSED")]
    is_told(stack, row, expected, "its pause")


def is_told(stack: Stack, row: dict[str, Any], expected: list[tuple[str, str]], what: str) -> None:
    """Wait until the events of a template are these and no others."""
    until(lambda: told(stack, row["id"]) == expected, f"{what} is told", seen=lambda: told(stack, row["id"]))


def told(stack: Stack, template_id: str) -> list[tuple[str, str]]:
    """Return what `templates.changed.v1` says of a template as (change, status), each event's first delivery."""

    async def read() -> list[tuple[str, str]]:
        consumer = AIOKafkaConsumer(
            TEMPLATES_CHANGED, bootstrap_servers=stack.info["kafka"], auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: dict[bytes, dict[str, Any]] = {}
            while any([await consumer.position(part) < end for part, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        found.setdefault(dict(record.headers)["ce_id"], json.loads(record.value))
            return [(each["change"], each["status"]) for each in found.values() if each["template_id"] == template_id]
        finally:
            await consumer.stop()

    return asyncio.run(read())

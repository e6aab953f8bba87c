from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import new_tenant, newest, refused, sync

HEADER = {"type": "HEADER", "format": "IMAGE"}
BODY = {"type": "BODY", "text": "Hello {{1}}, your order {{2}} is on its way"}
URL = {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Track", "url": "https://example.com/{{1}}"}]}
OTP = [
    {"type": "BODY", "text": "{{1}} is your code", "add_security_recommendation": False},
    {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Copy", "url": "https://www.whatsapp.com/otp/{{1}}"}]},
]
NAMED = {"type": "BODY", "text": "Hello {{first_name}}"}


def text(*values: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": value} for value in values]


def body_of(*values: str) -> dict[str, Any]:
    return {"type": "body", "parameters": text(*values)}


BUTTON = {"type": "button", "sub_type": "url", "index": "0", "parameters": text("a7")}
CODE = [body_of("123456"), {"type": "button", "sub_type": "url", "index": "0", "parameters": text("123456")}]


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A number whose account has templates of several kinds."""
    number = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    made: list[dict[str, Any]] = [
        {"name": "plain", "components": [{"type": "BODY", "text": "Hello"}]},
        {"name": "shipped", "components": [BODY, URL]},
        {"name": "picture", "components": [HEADER, {"type": "BODY", "text": "Look"}]},
        {"name": "named", "components": [NAMED], "parameter_format": "NAMED"},
        {"name": "code", "components": OTP, "category": "AUTHENTICATION"},
        {"name": "watched", "components": [{"type": "BODY", "text": "Hello"}]},
        {"name": "moving", "components": [{"type": "BODY", "text": "Hello"}]},
    ]
    templates = [{"language": "en_US", "category": "UTILITY"} | each for each in made]
    stack.box("POST", "/templates", {"waba_id": number.waba_id, "templates": templates})
    sync(stack, number)
    return number


def send(shop: Number, to: str, name: str, *components: Any, **more: Any) -> Any:
    body: dict[str, Any] = {"phone_number_id": shop.id, "to": to, "template": name, "language": "en_US"}
    if components:
        body["components"] = list(components)
    return shop.stack.call("POST", "/messages/template", body | more)


def row_of(stack: Stack, number: Number, name: str) -> dict[str, Any]:
    rows = stack.call("GET", f"/templates?waba_id={number.waba_id}&name={name}").json()["data"]
    assert len(rows) == 1
    found: dict[str, Any] = rows[0]
    return found


@pytest.mark.parametrize(
    ("name", "components"),
    [
        ("plain", []), ("shipped", [body_of("Ada", "7"), BUTTON]), ("code", CODE),
        ("picture", [{"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/a.jpg"}}]}]),
        ("named", [{"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ada"}]}]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_template_goes_to_somebody_who_never_wrote(
    shop: Number, person: Callable[[], str], name: str, components: list[Any]
) -> None:
    who = person()
    answer = send(shop, f"+{who}", name, *components, client_ref="t")
    assert answer.status_code == 202, answer.text
    row = shop.reaches(answer.json()["id"], "delivered")
    assert (row["type"], row["template"]["name"], row["client_ref"]) == ("template", name, "t")
    assert [move["status"] for move in row["history"]] == ["queued", "sending", "accepted", "sent", "delivered"]


@pytest.mark.parametrize(
    ("name", "components", "path"),
    [
        ("shipped", [], "components"),
        ("shipped", [body_of("Ada"), BUTTON], "components.0.parameters"),
        ("shipped", [body_of("Ada", "7", "8"), BUTTON], "components.0.parameters"),
        ("shipped", [body_of("Ada", "7")], "components"),
        ("shipped", [body_of("Ada", ""), BUTTON], "components.0.parameters.1"),
        ("shipped", [body_of("Ada", "a\nb"), BUTTON], "components.0.parameters.1"),
        ("shipped", [{"type": "body", "parameters": "Ada"}, BUTTON], "components.0.parameters"),
        ("shipped", [body_of("Ada", "7"), BUTTON, BUTTON], "components.2"),
        ("shipped", [body_of("Ada", "7"), {**BUTTON, "index": "5"}], "components.1"),
        ("plain", [body_of("surplus")], "components.0"),
        ("plain", [{"type": "tail", "parameters": []}], "components.0"),
        ("picture", [], "components"),
        ("picture", [{"type": "header", "parameters": text("no picture")}], "components.0.parameters"),
        ("named", [body_of("Ada")], "components.0.parameters"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_name(
    stack: Stack, shop: Number, person: Callable[[], str], name: str, components: list[Any], path: str
) -> None:
    before = newest(stack, direction="outbound")
    error = refused(send(shop, f"+{person()}", name, *components), 422, "template_parameters")
    assert str(error["param"]).startswith(path), error
    assert error["errors"][0]["path"] == error["param"]
    assert newest(stack, direction="outbound") == before


def test_an_unknown_template_or_language_is_refused(shop: Number, person: Callable[[], str]) -> None:
    refused(send(shop, f"+{person()}", "nobody_made_this"), 422, "template_not_found", "template")
    error = refused(send(shop, f"+{person()}", "plain", language="de"), 422, "template_not_found", "template")
    assert "en_US" in error["message"]


@pytest.mark.parametrize("name", ["Plain", "pl ain", "", "x" * 513, "pläin"])
def test_a_name_that_no_template_can_have_is_refused(shop: Number, person: Callable[[], str], name: str) -> None:
    refused(send(shop, f"+{person()}", name), 422, "invalid_field", "template")


def test_a_one_time_code_goes_to_no_user_id_and_lives_ten_minutes(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    refused(send(shop, "US.13491208655302741918", "code", *CODE), 422, "recipient_not_allowed", "to")
    row = stack.message(send(shop, f"+{person()}", "code", *CODE).json()["id"])
    assert row["expires_at"][:15] != row["created_at"][:15]
    assert row["lane"] == "interactive"


@pytest.mark.parametrize(
    ("action", "status"),
    [("pause", "PAUSED"), ("approve", "APPROVED"), ("disable", "DISABLED"), ("reject", "REJECTED")],
)
def test_a_verdict_of_meta_is_seen_and_obeyed_within_two_seconds(
    stack: Stack, shop: Number, person: Callable[[], str], action: str, status: str
) -> None:
    meta_id = row_of(stack, shop, "watched")["meta_id"]
    stack.box("POST", f"/templates/{meta_id}/review", {"action": action, "reason": "INCORRECT_CATEGORY"})
    until(lambda: row_of(stack, shop, "watched")["status"] == status, f"it is {status}", 2)

    def edge_knows() -> bool:
        answer = send(shop, f"+{person()}", "watched")
        if status == "APPROVED" or answer.status_code == 202:
            return bool(status == "APPROVED" and answer.status_code == 202)
        return bool(refused(answer, 422, "template_not_approved", "template")["template_status"] == status)

    until(edge_knows, "edge knows", 2)
    if status == "REJECTED":
        assert row_of(stack, shop, "watched")["rejected_reason"] == "INCORRECT_CATEGORY"


def test_a_new_category_and_quality_are_seen_within_two_seconds(stack: Stack, shop: Number) -> None:
    meta_id = row_of(stack, shop, "moving")["meta_id"]
    stack.box("POST", f"/templates/{meta_id}/review", {"action": "quality", "quality": "RED"})
    until(lambda: row_of(stack, shop, "moving")["quality"] == "RED", "the quality is seen", 2)
    stack.box("POST", f"/templates/{meta_id}/review", {"action": "recategorise", "category": "MARKETING"})
    until(lambda: row_of(stack, shop, "moving")["category"] == "MARKETING", "the category is seen", 2)


def test_all_pages_are_read_when_an_account_is_connected(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {})
    templates = [
        {"name": f"t_{i}", "language": "en_US", "category": "UTILITY", "components": [{"type": "BODY", "text": "x"}]}
        for i in range(250)
    ]
    stack.box("POST", "/templates", {"waba_id": made["waba_id"], "templates": templates})
    number = made["phone_numbers"][0]["phone_number_id"]
    body = {"waba_id": made["waba_id"], "phone_number_id": number, "access_token": made["access_token"]}
    assert stack.call("POST", "/onboarding/manual", body).status_code == 201
    one = Number(stack, made["waba_id"], number, made)
    names = until(lambda: found if len(found := listed(stack, one)) >= 251 else None, "all are there", 15, 0.3)
    assert sorted(names) == sorted([*(f"t_{i}" for i in range(250)), "hello_world"])
    assert [sync(stack, one)[kind] for kind in ("added", "changed", "removed")] == [0, 0, 0]


def listed(stack: Stack, number: Number) -> list[str]:
    """Return the names of an account's templates, page by page."""
    names: list[str] = []
    after = ""
    while True:
        page = stack.call("GET", f"/templates?waba_id={number.waba_id}&limit=100{after}").json()
        names += [row["name"] for row in page["data"]]
        if not page["has_more"]:
            return names
        after = f"&starting_after={page['data'][-1]['id']}"


def test_a_sync_counts_what_was_added(stack: Stack, shop: Number) -> None:
    new = [{"name": f"new_{i}", "language": "en_US", "category": "UTILITY"} for i in range(3)]
    stack.box("POST", "/templates", {"waba_id": shop.waba_id, "templates": new})
    job = sync(stack, shop)
    assert (job["status"], job["added"], job["changed"], job["removed"]) == ("done", 3, 0, 0)
    assert row_of(stack, shop, "new_0")["synced_at"]


def test_templates_are_filtered(stack: Stack, shop: Number) -> None:
    def found(**query: str) -> set[str]:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        rows = stack.call("GET", f"/templates?limit=100&waba_id={shop.waba_id}&{text}").json()["data"]
        return {row["name"] for row in rows}

    assert found(category="authentication") == {"code"}
    assert "plain" in found(status="APPROVED", language="en_US")
    assert found(language="de") == set()
    assert found(name="plain") == {"plain"}


def test_a_sync_right_after_connecting_knows_the_account(stack: Stack) -> None:
    fresh = new_tenant(stack, "Fresh")
    for _ in range(3):  # each account is connected when the ones before it may still be cached as all there are
        made = stack.box("POST", "/accounts", {})
        refused(stack.call("POST", "/templates/sync", {"waba_id": made["waba_id"]}, key=fresh.key), 404)
        phone = made["phone_numbers"][0]["phone_number_id"]
        body = {"waba_id": made["waba_id"], "phone_number_id": phone, "access_token": made["access_token"]}
        assert stack.call("POST", "/onboarding/manual", body, key=fresh.key).status_code == 201
        asked = stack.call("POST", "/templates/sync", {"waba_id": made["waba_id"]}, key=fresh.key)
        assert asked.status_code == 202, asked.text
        assert finished(stack, fresh.key, asked.json()["id"])["status"] == "done"


def finished(stack: Stack, key: str, job_id: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        job: dict[str, Any] = stack.call("GET", f"/templates/sync/{job_id}", key=key).json()
        return job if job["finished_at"] else None

    job: dict[str, Any] = until(found, "the sync is finished")
    return job

"""Two tenants never meet: every call of the served document with every id of the other one, and with every scope."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.message_kinds import stored_templates
from tests.support.poison import OURS, spoil
from tests.support.receiver import Customer, Receiver, new_customer
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import ALL_SCOPES, Tenant, greet, install, new_key, new_tenant, refused

UNKNOWN = "019ab0c2-0000-7000-8000-00000000dead"
NOWHERE = "http://127.0.0.1:9/"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 300
TEMPLATE = stored_templates()[0]

# Calls whose answer is the same for everybody.
PUBLIC = {"/templates/rejection_reasons", "/settings/opt_out_words"}
ADMIN = "whatsapp:admin"

# What a call needs in its body before it looks at the id in its path, by the end of the path; {} where it is not here.
BODIES: dict[str, dict[str, Any]] = {
    "verify_code": {"code": "123456"},
    "link-bot": {"bot_id": None},
    "autoreply": {"enabled": True},
    "PATCH bots/{bot_id}": {"name": "mine"},
    "bots/{bot_id}/rotate_secret": {},
    "two_step_pin": {"pin": "123456"},
    "blocked_users": {"users": ["+15550001234"]},
    "replay": {"since": "2026-01-01T00:00:00Z"},
    "deliveries/{delivery_id}/replay": {},
    "dead_letters/{dead_letter_id}/replay": {},
    "PATCH campaigns/{campaign_id}": {"name": "mine"},
    "campaigns/{campaign_id}/recipients": {"recipients": []},
    "PATCH templates/{template_id}": {"components": [{"type": "BODY", "text": "Other words"}]},
    "PATCH webhook_endpoints/{endpoint_id}": {"description": "mine"},
    "PATCH phone_numbers/{phone_id}/profile": {"about": "mine"},
}


@dataclass(frozen=True)
class Call:
    """A call as the document names it."""

    method: str
    path: str
    scope: str

    @property
    def names(self) -> list[str]:
        return re.findall(r"{([^}]*)}", self.path)

    @property
    def body(self) -> dict[str, Any] | None:
        if self.method in ("GET", "DELETE"):
            return None
        ends = [end for end in BODIES if f"{self.method} {self.path}".replace(" /", " ").endswith(end)]
        return BODIES[max(ends, key=len)] if ends else {}

    def at(self, ids: dict[str, str]) -> str:
        """Return the path with ids in it; AssertionError for a parameter that no id is known for."""
        unknown = [name for name in self.names if name not in ids]
        assert not unknown, f"{self.method} {self.path}: say in `ids_of` what {unknown} is an id of"
        return re.sub(r"{([^}]*)}", lambda found: ids[found[1]], self.path)


@pytest.fixture(scope="module")
def calls(stack: Stack) -> list[Call]:
    """Every call of the document."""
    paths = stack.http.get(stack.info["edge"] + "/openapi.json").json()["paths"]
    return [
        Call(method.upper(), path.removeprefix(API), call["x-scope"])
        for path, methods in paths.items()
        for method, call in methods.items()
        if path.startswith(API)
    ]


@pytest.fixture(scope="module")
def nobody(stack: Stack) -> Tenant:
    """A tenant that has nothing."""
    return new_tenant(stack, "Nobody")


@pytest.fixture(scope="module")
def neighbour(stack: Stack) -> Customer:
    """A tenant with a connected number and an endpoint of its own."""
    return new_customer(stack, Receiver(9), "Neighbours")


@pytest.fixture(scope="module")
def ids_of(stack: Stack, person: Callable[[], str]) -> dict[str, str]:
    """One thing of every kind that belongs to the stack's own tenant, by the name of its path parameter."""
    made, who = stack.box("POST", "/accounts", {}), person()
    phone = made["phone_numbers"][0]["phone_number_id"]
    signed_up = stack.call("POST", "/onboarding/exchange", {"code": made["code"], "phone_number_id": phone}).json()
    number = Number(stack, made["waba_id"], phone, made)
    greet(number, who)
    heard = stack.call("GET", f"/messages?direction=inbound&phone_number_id={phone}").json()["data"][0]
    outbound = number.send(who).json()["id"]
    number.reaches(outbound)
    install(stack, number, TEMPLATE)
    template = stack.call("GET", f"/templates?waba_id={made['waba_id']}").json()["data"][0]["id"]
    job = stack.call("POST", "/templates/sync", {"waba_id": made["waba_id"]}).json()["id"]
    media = stack.http.post(
        stack.info["edge"] + API + "/media", files={"file": ("a.png", PNG, "image/png")},
        data={"phone_number_id": phone}, headers={"Authorization": f"Bearer {stack.key}"},
    ).json()["media_id"]  # fmt: skip
    hook = stack.call("POST", "/webhook_endpoints", {"url": NOWHERE, "events": ["*"]}).json()["id"]
    delivery = stack.call("POST", f"/webhook_endpoints/{hook}/test").json()["id"]
    assert stack.call("PATCH", f"/webhook_endpoints/{hook}", {"status": "disabled"}).status_code == 200
    return {
        "message_id": heard["id"], "outbound": outbound, "template_id": template, "job_id": job, "media_id": media,
        "waba_id": made["waba_id"], "phone_id": phone, "onboarding_id": signed_up["onboarding_id"],
        "endpoint_id": hook, "delivery_id": delivery, "user": who, "key_id": new_key(stack, "whatsapp:read")["id"],
        "contact_id": heard["contact_id"], "conversation_id": heard["conversation_id"],
        "dead_letter_id": dead_letter(stack), "bot_id": bot(stack), **campaign(stack, number),
    }  # fmt: skip


def bot(stack: Stack) -> str:
    """Return the id of a bot of the stack's own tenant."""
    rule = {"match": {"type": "any"}, "answer": {"type": "text", "text": "mine"}}
    return str(stack.call("POST", "/bots", {"name": "mine", "kind": "rules", "rules": [rule]}).json()["id"])


def campaign(stack: Stack, number: Number) -> dict[str, str]:
    """Return the id of a draft of the stack's own tenant, and that of its import."""
    body = {"name": "mine", "template": TEMPLATE["name"], "phone_number_id": number.id}
    made = stack.call("POST", "/campaigns", body)
    assert made.status_code == 201, made.text
    path = f"/campaigns/{made.json()['id']}/recipients"
    report = stack.call("POST", path, raw=b"to\n+4915112345678\n", headers={"Content-Type": "text/csv"})
    return {"campaign_id": made.json()["id"], "import_id": report.json()["import_id"]}


def dead_letter(stack: Stack) -> str:
    """Return the id of a dead letter of the stack's own tenant."""
    spoil(stack, stack.info["tenant"], b"not json")
    rows = stack.call("GET", f"/dead_letters?topic={OURS}&limit=1", key=stack.info["admin_key"]).json()["data"]
    return str(rows[0]["id"])


def said(answer: httpx.Response) -> Any:
    """Return what an answer says, the request's id aside."""
    body = answer.json()
    del body["error"]["request_id"]
    return body


def unknown(ids: dict[str, str]) -> dict[str, str]:
    """Return ids of the same forms that nobody has."""
    return {name: "9" * 15 if value.isdigit() else UNKNOWN for name, value in ids.items()}


def test_another_tenants_id_answers_as_one_that_does_not_exist(
    stack: Stack, calls: list[Call], ids_of: dict[str, str], neighbour: Customer
) -> None:
    admin = new_key(stack, ADMIN, tenant=neighbour.tenant.id)["key"]
    for call in (call for call in calls if call.names):
        foreign, nothing = (
            stack.call(call.method, call.at(ids), call.body, key=admin if call.scope == ADMIN else neighbour.tenant.key)
            for ids in (ids_of, unknown(ids_of))
        )
        assert foreign.status_code == 404, f"{call.method} {call.path}: {foreign.status_code} {foreign.text[:300]}"
        refused(foreign, 404)
        assert said(foreign) == said(nothing), f"{call.method} {call.path}"
        assert not [value for name, value in ids_of.items() if value in foreign.text], f"{call.method} {call.path}"


def test_an_id_below_one_of_its_own_leads_to_nothing_of_another_tenant(
    stack: Stack, ids_of: dict[str, str], neighbour: Customer
) -> None:
    own = neighbour.does("POST", "", {"url": NOWHERE, "events": ["*"]}, 201)["id"]
    refused(neighbour.call("POST", f"/{own}/deliveries/{ids_of['delivery_id']}/replay", {}), 404)
    outbound = stack.call("POST", f"/messages/{ids_of['outbound']}/cancel", key=neighbour.tenant.key)
    refused(outbound, 404, "message_not_found")


def test_lists_of_a_tenant_without_anything_stay_empty(
    stack: Stack, calls: list[Call], ids_of: dict[str, str], nobody: Tenant
) -> None:
    admin = new_key(stack, ADMIN, tenant=nobody.id)["key"]
    for call in (call for call in calls if call.method == "GET" and not call.names):
        answer = stack.call("GET", call.path, key=admin if call.scope == ADMIN else nobody.key)
        assert answer.status_code == 200, f"{call.path}: {answer.text[:300]}"
        assert not [value for value in ids_of.values() if value in answer.text], call.path
        if call.path.startswith("/analytics"):
            assert not counted(answer), call.path
        elif call.path not in PUBLIC | {"/keys", "/audit_log"}:  # it has the key it asks with, and that one was made
            assert answer.json()["data"] == [], call.path


def test_filters_that_name_things_of_another_tenant_find_nothing(
    stack: Stack, ids_of: dict[str, str], neighbour: Customer
) -> None:
    message = stack.message(ids_of["message_id"])
    for query in (
        f"/messages?phone_number_id={ids_of['phone_id']}", f"/messages?recipient={ids_of['user']}",
        f"/messages?conversation_id={message['conversation_id']}", f"/messages?starting_after={ids_of['message_id']}",
        f"/templates?waba_id={ids_of['waba_id']}", f"/templates?name={TEMPLATE['name']}",
        f"/templates?starting_after={ids_of['template_id']}",
    ):  # fmt: skip
        answer = stack.call("GET", query, key=neighbour.tenant.key)
        assert (answer.status_code, answer.json()["data"]) == (200, []), f"{query}: {answer.text[:300]}"


def test_every_call_refuses_a_key_of_another_scope_and_names_the_one_it_needs(
    stack: Stack, calls: list[Call], ids_of: dict[str, str]
) -> None:
    keys = {scope: new_key(stack, scope)["key"] for scope in ALL_SCOPES.split(",")}
    for call in calls:
        for scope, key in keys.items():
            answer = stack.call(call.method, call.at(ids_of), call.body, key=key) if scope != call.scope else None
            if answer is not None:
                error = refused(answer, 403, "missing_scope")
                assert error["scope"] == call.scope, f"{call.method} {call.path} with {scope}: {error}"


def test_a_body_that_names_things_of_another_tenant_is_refused_as_if_they_were_unknown(
    stack: Stack, ids_of: dict[str, str], neighbour: Customer, person: Callable[[], str]
) -> None:
    who = person()
    hears(neighbour, who)
    to = {"phone_number_id": neighbour.number.id, "to": f"+{who}"}
    image = {"type": "image", "link": "https://files.example.test/a"}
    templated = {"template": TEMPLATE["name"], "language": "en_US"}
    bodies: list[tuple[str, dict[str, Any], str]] = [
        *(
            (path, to | fields, "phone_number_id")
            for path, fields in {
                "/messages": {"text": "x"}, "/messages/media": image, "/messages/template": templated,
                "/messages/location": {"latitude": 1, "longitude": 1},
            }.items()
        ),
        ("/messages", to | {"text": "x"}, "reply_to"),
        ("/messages/media", to | image, "reply_to"),
        ("/messages/reaction", to | {"emoji": "\N{THUMBS UP SIGN}"}, "message_id"),
        ("/templates/sync", {}, "waba_id"),
        ("/templates", TEMPLATE, "waba_id"),
    ]  # fmt: skip
    ids = ids_of | {"phone_number_id": ids_of["phone_id"], "reply_to": ids_of["message_id"]}
    for path, body, field in bodies:
        foreign, nothing = (
            stack.call("POST", path, body | {field: known[field]}, key=neighbour.tenant.key)
            for known in (ids, unknown(ids))
        )
        assert foreign.status_code in (404, 422), f"{path} {field}: {foreign.status_code} {foreign.text[:300]}"
        assert foreign.json()["error"]["param"] == field, foreign.text[:300]
        assert said(foreign) == said(nothing), f"{path} {field}"
    refused(
        stack.call("POST", "/messages/template", to | templated, key=neighbour.tenant.key), 422, "template_not_found"
    )


def test_an_upload_for_a_number_of_another_tenant_is_refused(
    stack: Stack, ids_of: dict[str, str], neighbour: Customer
) -> None:
    for path, field in (("/media", "phone_number_id"), ("/templates/media", "waba_id")):
        foreign, nothing = (
            stack.http.post(
                stack.info["edge"] + API + path, files={"file": ("a.png", PNG, "image/png")}, data={field: value},
                headers={"Authorization": f"Bearer {neighbour.tenant.key}"},
            )
            for value in (ids_of["phone_id" if field == "phone_number_id" else field], "9" * 15)
        )  # fmt: skip
        refused(foreign, 404)
        assert said(foreign) == said(nothing), path


def hears(customer: Customer, who: str) -> None:
    """Open somebody's window with the customer's number."""
    customer.number.hears(who)
    path = f"/messages?direction=inbound&recipient={who}&limit=1"
    until(lambda: customer.stack.call("GET", path, key=customer.tenant.key).json()["data"], "the window is open", 10)


def counted(answer: httpx.Response) -> list[Any]:
    """Return whatever an answer of analytics counts."""
    if "json" not in answer.headers["content-type"]:
        return answer.text.splitlines()[1:]
    said = answer.json()
    rows = [said, *said.get("data", ())]
    return [number for row in rows for number in row.values() if isinstance(number, int) and number]

"""Two tenants never meet: every call of the served document with every id of the other one, and with every scope."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.belongings import (
    NOWHERE,
    PNG,
    TEMPLATE,
    Call,
    belongings,
    calls_of,
    counted,
    said,
    unknown,
)
from tests.support.receiver import Customer, Receiver, new_customer
from tests.support.running import API, Stack, until
from tests.support.shared_stack import ALL_SCOPES, Tenant, new_key, new_tenant, refused

# Calls whose answer is the same for everybody.
PUBLIC = {"/templates/rejection_reasons", "/settings/opt_out_words"}
ADMIN = "whatsapp:admin"


@pytest.fixture(scope="module")
def calls(stack: Stack) -> list[Call]:
    """Every call of the document."""
    return calls_of(stack)


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
    return belongings(stack, person()) | {"key_id": new_key(stack, "whatsapp:read")["id"]}


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

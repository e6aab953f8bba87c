"""Endpoints as customers make, change and remove them."""

from typing import Any

import pytest

from tests.support.receiver import Customer, Receiver
from tests.support.shared_stack import Tenant, new_key, refused

UNKNOWN = "019ab0c2-0000-7000-8000-00000000dead"
PUBLIC = "https://hooks.example.com/wabus"

REFUSED_URLS = [
    "http://hooks.example.org./x y", "https://10.0.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest",
    "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[fd00:ec2::254]/", "https://[64:ff9b::a00:1]/",
    "https://0x7f000002/", "https://2130706434/", "https://127.2/", "https://0/", "https://100.64.0.1/",
    "https://user:pass@hooks.example.com/", "https://hooks.example.com/#part", "ftp://hooks.example.com/", "hooks",
    "https://", "https://hooks.example.com:99999/", "https://h\u00f6r.example.com/", "https://hooks..example.com/",
    "https://1.1.1.1:8443/", "http://1.1.1.1/", "",
]  # fmt: skip
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "", None), ("PATCH", "", {"description": "x"}), ("DELETE", "", None), ("POST", "/test", {}),
    ("POST", "/rotate_secret", {}), ("GET", "/deliveries", None), ("POST", f"/deliveries/{UNKNOWN}/replay", {}),
    ("POST", "/replay", {"since": "2026-01-01T00:00:00Z"}),
]  # fmt: skip


def made(customer: Customer, **more: Any) -> dict[str, Any]:
    """Make an endpoint that nothing is sent to."""
    body = {"url": PUBLIC, "events": ["message.*"], "status": "disabled"} | more
    found: dict[str, Any] = customer.does("POST", "", body, 201)
    return found


def test_the_secret_is_shown_once(customer: Customer) -> None:
    endpoint = made(customer, description="Orders", phone_number_ids=[customer.number.id])
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert (endpoint["object"], endpoint["status"], endpoint["disabled_reason"]) == (
        "webhook_endpoint", "disabled", "by_request"
    )  # fmt: skip
    assert customer.does("GET", f"/{endpoint['id']}") == endpoint
    assert customer.does("GET", "")["data"] == [endpoint]
    assert secret not in customer.call("GET", "").text


def test_a_change_sets_what_was_given_and_leaves_the_rest(customer: Customer) -> None:
    endpoint = made(customer, phone_number_ids=["1"])
    change = {"events": ["*"], "phone_number_ids": None, "description": "all of it"}
    changed = customer.does("PATCH", f"/{endpoint['id']}", change)
    assert (changed["events"], changed["phone_number_ids"], changed["description"]) == (["*"], [], "all of it")
    assert (changed["url"], changed["status"]) == (endpoint["url"], "disabled")
    refused(customer.call("PATCH", f"/{endpoint['id']}", {"url": None}), 422, "invalid_field", "url")
    refused(customer.call("PATCH", f"/{endpoint['id']}", {"url": "https://10.1.1.1/"}), 422, "invalid_field", "url")
    refused(customer.call("PATCH", f"/{endpoint['id']}", {"secret": "x"}), 422, "unknown_field", "secret")


def test_a_deleted_endpoint_is_gone(customer: Customer) -> None:
    endpoint = made(customer)
    customer.does("DELETE", f"/{endpoint['id']}", status=204)
    refused(customer.call("GET", f"/{endpoint['id']}"), 404, "webhook_endpoint_not_found")
    refused(customer.call("DELETE", f"/{endpoint['id']}"), 404, "webhook_endpoint_not_found")


def test_the_list_has_pages(customer: Customer) -> None:
    ids = [made(customer)["id"] for _ in range(3)]
    first = customer.does("GET", "?limit=2")
    assert ([row["id"] for row in first["data"]], first["has_more"]) == ([ids[2], ids[1]], True)
    rest = customer.does("GET", f"?limit=2&starting_after={ids[1]}")
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([ids[0]], False)


def test_a_tenant_has_at_most_twenty(customer: Customer) -> None:
    ids = [made(customer)["id"] for _ in range(20)]
    more = {"url": PUBLIC, "events": ["*"]}
    assert refused(customer.call("POST", "", more), 409, "too_many_endpoints")["limit"] == 20
    customer.does("DELETE", f"/{ids[7]}", status=204)
    made(customer)


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_may_not_be_called_is_refused_by_name(customer: Customer, url: str) -> None:
    refused(customer.call("POST", "", {"url": url, "events": ["*"]}), 422, "invalid_field", "url")
    assert customer.does("GET", "")["data"] == []


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"events": ["message.eaten"]}, "invalid_field", "events"),
        ({"events": []}, "invalid_field", "events"),
        ({"events": None}, "invalid_field", "events"),
        ({"phone_number_ids": ["+15550001234"]}, "invalid_field", "phone_number_ids.0"),
        ({"status": "asleep"}, "invalid_field", "status"),
        ({"colour": "red"}, "unknown_field", "colour"),
    ],
)
def test_a_wrong_field_is_refused_by_name(customer: Customer, change: dict[str, Any], code: str, param: str) -> None:
    refused(customer.call("POST", "", {"url": PUBLIC, "events": ["*"]} | change), 422, code, param)


def test_an_unknown_parameter_or_state_is_refused_by_name(customer: Customer) -> None:
    refused(customer.call("GET", "?colour=red"), 422, "invalid_field", "colour")
    path = f"/{made(customer)['id']}/deliveries"
    refused(customer.call("GET", f"{path}?status=eaten"), 422, "invalid_field", "status")
    refused(customer.call("GET", f"{path}?starting_after={UNKNOWN}"), 400, param="starting_after")
    refused(customer.call("GET", f"{path}?limit=0"), 422, "invalid_field", "limit")


@pytest.mark.parametrize("body", [{}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"since": 1, "x": 1}])
def test_a_replay_of_no_clear_time_is_refused(customer: Customer, receiver: Receiver, body: dict[str, Any]) -> None:
    endpoint = customer.listens("/unclear")
    refused(customer.call("POST", f"/{endpoint['id']}/replay", body), 422)


def test_a_disabled_endpoint_is_sent_nothing_on_request(customer: Customer) -> None:
    endpoint = made(customer)
    refused(customer.call("POST", f"/{endpoint['id']}/test", {}), 409, "endpoint_disabled")
    since = {"since": "2026-01-01T00:00:00Z"}
    refused(customer.call("POST", f"/{endpoint['id']}/replay", since), 409, "endpoint_disabled")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_another_tenants_endpoint_is_as_one_that_does_not_exist(
    customer: Customer, stranger: Tenant, method: str, path: str, body: Any
) -> None:
    endpoint = made(customer)

    def asked(endpoint_id: str) -> dict[str, Any]:
        place = f"/webhook_endpoints/{endpoint_id}{path}"
        error = refused(customer.stack.call(method, place, body, key=stranger.key), 404)
        return {name: value for name, value in error.items() if name != "request_id"}

    assert asked(endpoint["id"]) == asked(UNKNOWN)
    assert customer.does("GET", f"/{endpoint['id']}")["updated_at"] == endpoint["updated_at"]


def test_reading_and_writing_need_their_scopes(customer: Customer) -> None:
    endpoint, stack = made(customer), customer.stack
    keys = {scope: new_key(stack, f"whatsapp:{scope}", tenant=customer.tenant.id)["key"] for scope in ("read", "send")}
    for method, path, body in CALLS:
        needed = "read" if method == "GET" else "write"
        key = keys["read"] if needed == "write" else keys["send"]
        answer = stack.call(method, f"/webhook_endpoints/{endpoint['id']}{path}", body, key=key)
        assert refused(answer, 403, "missing_scope")["scope"] == f"whatsapp:{needed}"


def test_the_same_key_makes_one_endpoint(customer: Customer) -> None:
    body, headers = {"url": PUBLIC, "events": ["*"], "status": "disabled"}, {"Idempotency-Key": "one-endpoint"}
    first, again = (customer.call("POST", "", body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert len(customer.does("GET", "")["data"]) == 1

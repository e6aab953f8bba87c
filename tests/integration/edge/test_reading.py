import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.support.running import Number, Stack
from tests.support.shared_stack import Tenant, greet, install, refused

NOBODY = "0190c0de-0000-7000-8000-000000000000"


@pytest.mark.parametrize("path", ["/messages", "/accounts", "/phone_numbers", "/templates"])
@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1e2", "", "1.0", "99999999999999999999", "٣"])
def test_a_bad_limit_is_refused(stack: Stack, path: str, limit: str) -> None:
    refused(stack.call("GET", f"{path}?limit={quote(limit)}"), 422, "invalid_field", "limit")


@pytest.mark.parametrize("path", ["/messages", "/accounts", "/phone_numbers", "/templates"])
@pytest.mark.parametrize("cursor", ["abc", "", "$gt", "0190c0de", "'; drop", "\x00"])
def test_a_bad_cursor_is_refused(stack: Stack, path: str, cursor: str) -> None:
    answer = stack.call("GET", f"{path}?starting_after={quote(cursor)}")
    refused(answer, 400, param="starting_after")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("direction", "sideways"), ("status", "SENT"), ("status", "done"), ("from", "yesterday"),
        ("from", "2026-11-23"), ("from", "2026-11-23T10:00:00"), ("to", "1700000000"), ("recipient", "abc"),
        ("recipient", "+12"), ("conversation_id", "5"), ("campaign_id", "x"), ("status[$ne]", "sent"),
        ("colour", "red"), ("to", "9999-99-99T00:00:00Z"), ("to", "9999-12-31T23:59:59-23:59"),
        ("from", "0001-01-01T00:00:00+23:59"),
    ],
)  # fmt: skip
def test_a_bad_filter_is_refused_by_name(stack: Stack, name: str, value: str) -> None:
    refused(stack.call("GET", f"/messages?{quote(name)}={quote(value)}"), 422, param=name)


@pytest.mark.parametrize("path", ["/templates", "/accounts", "/phone_numbers", "/webhook_endpoints"])
def test_an_unknown_parameter_of_a_list_is_refused_by_name(stack: Stack, path: str) -> None:
    refused(stack.call("GET", f"{path}?colour=red"), 422, param="colour")


@pytest.mark.parametrize("text", ["x", NOBODY, "0" * 3000, "%00", "..%2f..%2faccounts", "$where"])
@pytest.mark.parametrize("path", ["/messages/{}", "/templates/{}", "/templates/sync/{}"])
def test_an_id_of_nothing_is_not_found(stack: Stack, path: str, text: str) -> None:
    answer = stack.call("GET", path.format(text))
    refused(answer, 404)


def test_another_tenants_things_are_not_there(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    install(stack, number, {"name": "for_us_alone", "language": "en_US", "category": "UTILITY"})
    message = number.send(who).json()["id"]
    template = stack.call("GET", "/templates?name=for_us_alone").json()["data"][0]["id"]
    job = stack.call("POST", "/templates/sync").json()["id"]
    for ours, nobodys in (
        (f"/messages/{message}", f"/messages/{NOBODY}"),
        (f"/templates/{template}", f"/templates/{NOBODY}"),
        (f"/templates/sync/{job}", f"/templates/sync/{NOBODY}"),
    ):
        assert stack.call("GET", ours).status_code == 200
        foreign = refused(stack.call("GET", ours, key=stranger.key), 404)
        unknown = refused(stack.call("GET", nobodys, key=stranger.key), 404)
        assert foreign | {"request_id": ""} == unknown | {"request_id": ""}


@pytest.mark.parametrize("path", ["/messages", "/accounts", "/phone_numbers", "/templates"])
def test_a_tenant_without_anything_sees_nothing(stack: Stack, number: Number, stranger: Tenant, path: str) -> None:
    assert stack.call("GET", path, key=stranger.key).json() == {"object": "list", "data": [], "has_more": False}


def test_filters_with_another_tenants_ids_find_nothing(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    row = stack.message(number.send(who, client_ref="mine").json()["id"])
    for query in (
        f"phone_number_id={number.id}", f"recipient={who}", f"conversation_id={row['conversation_id']}",
        f"starting_after={row['id']}",
    ):  # fmt: skip
        assert stack.call("GET", f"/messages?{query}", key=stranger.key).json()["data"] == []
        if "starting_after" not in query:
            assert stack.call("GET", f"/messages?{query}").json()["data"]
    asked = stack.call("POST", "/templates/sync", {"waba_id": number.waba_id}, key=stranger.key)
    unknown = stack.call("POST", "/templates/sync", {"waba_id": "1234567"}, key=stranger.key)
    assert refused(asked, 404) | {"request_id": ""} == refused(unknown, 404) | {"request_id": ""}


def test_pages_follow_one_another_without_gap_or_repeat(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    sent = [number.send(who, f"page {i}").json()["id"] for i in range(7)]
    found: list[str] = []
    after = ""
    for size in (2, 2, 2, 1):
        path = f"/messages?direction=outbound&recipient=%2B{who}&limit=2{after}"
        page = stack.call("GET", path).json()
        assert len(page["data"]) == size
        assert page["has_more"] is (size == 2)
        found += [row["id"] for row in page["data"]]
        after = f"&starting_after={found[-1]}"
    assert found == sent[::-1]


def test_each_filter_of_the_message_list_finds_what_it_says(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    began = datetime.now(UTC) - timedelta(seconds=5)
    greet(number, who)
    body = {"phone_number_id": number.id, "to": f"+{who}", "text": "filter me", "client_ref": f"ref-{who}"}
    sent = stack.call("POST", "/messages", body).json()["id"]
    row = number.reaches(sent)
    later = quote((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    mine = f"recipient={who}"
    finds = {
        f"client_ref=ref-{who}": [sent],
        f"client_ref=ref-{who}-other": [],
        f"{mine}&direction=outbound": [sent],
        f"{mine}&status={row['status']}": [sent],
        f"{mine}&status=failed": [],
        f"{mine}&direction=outbound&type=text": [sent],
        f"{mine}&direction=outbound&type=image": [],
        f"{mine}&direction=outbound&phone_number_id={number.id}": [sent],
        f"{mine}&phone_number_id=1": [],
        f"recipient=%2B{who}&direction=outbound": [sent],
        f"recipient=+{who}&direction=outbound": [sent],
        f"conversation_id={row['conversation_id']}&direction=outbound": [sent],
        f"{mine}&direction=outbound&from={quote(began.isoformat())}&to={later}": [sent],
        f"{mine}&from={later}": [],
        f"{mine}&to={quote(began.isoformat())}": [],
    }
    for query, ids in finds.items():
        page = stack.call("GET", f"/messages?{query}").json()
        assert [found["id"] for found in page["data"]] == ids, query
    inbound = stack.call("GET", f"/messages?{mine}&direction=inbound").json()["data"]
    assert [found["from"] for found in inbound] == [who]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *itertools.product(("PUT", "DELETE", "PATCH"), ("/messages", "/accounts", "/templates/sync")),
        ("PUT", "/templates"), ("PATCH", "/templates"), ("GET", "/templates/media"), ("PUT", "/media"),
        ("GET", "/media"),
    ],
)  # fmt: skip
def test_a_method_that_a_path_does_not_have_is_refused_in_shape(stack: Stack, method: str, path: str) -> None:
    refused(stack.call(method, path), 405)


@pytest.mark.parametrize("path", ["/nothing", "/message", "/messages/a/b", "/templates/a/b/c"])
def test_a_path_that_is_not_there_is_refused_in_shape(stack: Stack, path: str) -> None:
    refused(stack.call("GET", path), 404)


def test_the_callers_request_id_comes_back_beside_ours(stack: Stack) -> None:
    for path in ("/accounts", "/templates", "/nothing"):
        answer = stack.call("GET", path, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["X-Request-Id"] == "mine-1"
        assert len(answer.headers["Request-Id"]) == 36

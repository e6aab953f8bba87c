from collections.abc import Callable
from typing import Any

import pytest

from tests.support.consent import OFFER, RECEIPT, contact_of, offer, said
from tests.support.running import Number, Stack
from tests.support.shared_stack import Tenant, install, new_key, refused

NOBODY = "/opt_outs/0192f0c1-2f6e-7cc0-8000-000000000000"


@pytest.fixture(scope="module")
def shop(stack: Stack, number: Number) -> Number:
    """A number whose account has a marketing and a utility template."""
    install(stack, number, OFFER, RECEIPT)
    return number


def opt_out(number: Number, who: str, **more: Any) -> dict[str, Any]:
    answer = number.stack.call("POST", "/opt_outs", {"to": f"+{who}"} | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_whom_the_api_opts_out_gets_no_marketing_until_the_api_lifts_it(
    shop: Number, person: Callable[[], str]
) -> None:
    who, stack = person(), shop.stack
    made = opt_out(shop, who, reason="asked on the phone")
    assert (made["object"], made["covers"], made["by"], made["recipient"]) == ("opt_out", "marketing", "api", f"+{who}")
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out", "to")
    assert offer(shop, f"+{who}", "receipt").status_code == 202
    key_id = stack.key.split("_")[2][:12]
    assert (made["key_id"], made["reason"]) == (key_id, "asked on the phone")
    assert stack.call("DELETE", f"/opt_outs/{made['contact_id']}").status_code == 204
    assert offer(shop, f"+{who}").status_code == 202
    refused(stack.call("DELETE", f"/opt_outs/{made['contact_id']}"), 404, "opt_out_not_found", "contact_id")
    history = contact_of(shop, who)["consent_history"]
    assert [(row["state"], row["by"], row["covers"]) for row in history] == [
        ("opted_in", "api", "marketing"), ("opted_out", "api", "marketing"),
    ]  # fmt: skip


def test_an_opt_out_of_everything_is_lifted_by_what_it_covers(shop: Number, person: Callable[[], str]) -> None:
    who, stack = person(), shop.stack
    path = f"/opt_outs/{opt_out(shop, who, covers='all')['contact_id']}"
    for answer in (offer(shop, f"+{who}"), offer(shop, f"+{who}", "receipt"), shop.send(who)):
        refused(answer, 422, "recipient_opted_out", "to")
    refused(stack.call("DELETE", f"{path}?covers=marketing"), 404, "opt_out_not_found")
    assert stack.call("DELETE", f"{path}?covers=all").status_code == 204
    assert offer(shop, f"+{who}").status_code == 202


def test_what_the_person_said_only_the_person_takes_back(shop: Number, person: Callable[[], str]) -> None:
    who, stack = person(), shop.stack
    said(shop, who, "STOP")
    opt_out(shop, who, covers="all")
    contact = contact_of(shop, who)
    error = refused(stack.call("DELETE", f"/opt_outs/{contact['id']}"), 409, "person_opted_out", "contact_id")
    word = contact["consent"]["marketing"]["person"]
    assert error["opt_out"] == {"covers": "marketing", "by": "person", "how": "keyword", "at": word["at"]}
    assert offer(shop, f"+{who}", "receipt").status_code == 422  # nothing of it was lifted
    assert stack.call("DELETE", f"/opt_outs/{contact['id']}?covers=all").status_code == 204
    assert offer(shop, f"+{who}", "receipt").status_code == 202
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")
    said(shop, who, "START")
    assert offer(shop, f"+{who}").status_code == 202


def test_the_persons_later_word_lifts_what_the_api_set_but_not_their_earlier_one(
    shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    said(shop, who, "START")
    opt_out(shop, who)
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")
    said(shop, who, "start")
    assert offer(shop, f"+{who}").status_code == 202


def test_the_list_has_the_latest_first_and_is_narrowed_and_paged(shop: Number, person: Callable[[], str]) -> None:
    people, stack = [person() for _ in range(3)], shop.stack
    made = [opt_out(shop, who, covers="all" if place else "marketing")["id"] for place, who in enumerate(people)]
    rows = stack.call("GET", "/opt_outs?limit=3").json()
    assert [row["id"] for row in rows["data"]] == made[::-1]
    everything = stack.call("GET", "/opt_outs?covers=all&limit=2").json()["data"]
    assert [(row["id"], row["covers"]) for row in everything] == [(made[2], "all"), (made[1], "all")]
    (first,) = stack.call("GET", f"/opt_outs?recipient=%2B{people[0]}").json()["data"]
    assert (first["id"], first["covers"]) == (made[0], "marketing")
    assert stack.call("GET", f"/opt_outs?recipient={people[0]}&covers=all").json()["data"] == []
    stack.call("DELETE", f"/opt_outs/{made[2]}")  # who lists and lifts goes on where they were
    following = stack.call("GET", f"/opt_outs?limit=1&starting_after={made[2]}").json()
    assert ([row["id"] for row in following["data"]], following["has_more"]) == ([made[1]], True)


def test_the_same_key_opts_out_once(shop: Number, person: Callable[[], str]) -> None:
    body, headers = {"to": f"+{person()}"}, {"Idempotency-Key": f"out-{person()}"}
    first, again = (shop.stack.call("POST", "/opt_outs", body, headers=headers) for _ in range(2))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_another_tenant_sees_no_opt_out_and_lifts_none(
    shop: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who, stack = person(), shop.stack
    made = opt_out(shop, who)
    for path in ("/opt_outs", f"/opt_outs?recipient={who}"):
        assert stack.call("GET", path, key=stranger.key).json()["data"] == []
    foreign = refused(stack.call("DELETE", f"/opt_outs/{made['id']}", key=stranger.key), 404)
    unknown = refused(stack.call("DELETE", NOBODY, key=stranger.key), 404)
    assert foreign | {"request_id": ""} == unknown | {"request_id": ""}
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "param"),
    [
        ("POST", "/opt_outs", {}, "missing_field", "to"),
        ("POST", "/opt_outs", {"to": "15550001234"}, "invalid_field", "to"),
        ("POST", "/opt_outs", {"to": "+15550001234", "covers": "some"}, "invalid_field", "covers"),
        ("POST", "/opt_outs", {"to": "+15550001234", "until": "x"}, "unknown_field", "until"),
        ("GET", "/opt_outs?colour=red", None, "invalid_field", "colour"),
        ("GET", "/opt_outs?covers=some", None, "invalid_field", "covers"),
        ("GET", "/opt_outs?recipient=x", None, "invalid_field", "recipient"),
        ("GET", f"/opt_outs?starting_after={NOBODY[-36:]}", None, "invalid_field", "starting_after"),
        ("DELETE", f"{NOBODY}?covers=some", None, "invalid_field", "covers"),
        ("DELETE", f"{NOBODY}?force=1", None, "invalid_field", "force"),
        ("PUT", "/settings/opt_out_words", {"halt": ["x"]}, "unknown_field", "halt"),
        ("PUT", "/settings/opt_out_words", {"stop": ["x", "!"]}, "invalid_field", "stop.1"),
        ("PUT", "/settings/opt_out_words", {"stop": ["x", "Start!"]}, "invalid_field", "stop.1"),
        ("PUT", "/settings/opt_out_words", {"stop": "x"}, "invalid_field", "stop"),
        ("PUT", "/settings/opt_out_words", {"start": ["x" * 51]}, "invalid_field", "start.0"),
        ("GET", "/settings/opt_out_words?x=1", None, "invalid_field", "x"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    stack: Stack, method: str, path: str, body: Any, code: str, param: str
) -> None:
    refused(stack.call(method, path, body), 422, code, param)


def test_reading_and_writing_need_their_scopes(stack: Stack) -> None:
    reader = str(new_key(stack, "whatsapp:read")["key"])
    for path in ("/opt_outs", "/settings/opt_out_words", "/contacts", "/conversations"):
        assert stack.call("GET", path, key=reader).status_code == 200
    for method, path in (("POST", "/opt_outs"), ("DELETE", NOBODY), ("PUT", "/settings/opt_out_words")):
        assert refused(stack.call(method, path, {}, key=reader), 403)["scope"] == "whatsapp:write"

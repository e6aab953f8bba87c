"""A test key beside a live account of its tenant: what both accounts share, and what has no account of its own."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.support.belongings import UNKNOWN, said, unknown
from tests.support.receiver import receiving
from tests.support.running import Number, until
from tests.support.shared_stack import greet, refused
from tests.support.worlds import ADMIN, Worlds, mark_as_live


def test_a_test_key_does_not_connect_a_live_account_anew(worlds: Worlds) -> None:
    phone = worlds.live["phone_id"]
    body = {"phone_number_id": phone, "waba_id": worlds.live["waba_id"], "access_token": worlds.live["access_token"]}
    refused(worlds.stack.call("POST", "/onboarding/manual", body, key=worlds.key("test")), 403, "test_key")
    refused(worlds.stack.call("GET", f"/phone_numbers/{phone}", key=worlds.key("test")), 404)


def test_what_was_a_live_account_is_not_connected_nor_sent_from_by_a_test_key(worlds: Worlds) -> None:
    stack, live, test = worlds.stack, worlds.key("live"), worlds.key("test")
    made = stack.box("POST", "/accounts", {})
    waba, phone = made["waba_id"], made["phone_numbers"][0]["phone_number_id"]
    body = {"phone_number_id": phone, "waba_id": waba, "access_token": made["access_token"]}
    signed_up = stack.call("POST", "/onboarding/manual", body, key=live)
    assert signed_up.status_code == 201, signed_up.text
    mark_as_live(stack, {"waba_id": waba, "onboarding_id": signed_up.json()["onboarding_id"]})
    assert stack.call("DELETE", f"/accounts/{waba}", key=live).status_code == 204
    refused(stack.call("POST", "/onboarding/manual", body, key=test), 403, "test_key")
    assert stack.call("POST", "/onboarding/manual", body, key=live).status_code == 201
    text = {"phone_number_id": phone, "to": "+15550001234", "text": "x"}
    refused(stack.call("POST", "/messages", text, key=test), 404, "number_not_found")
    refused(stack.call("GET", f"/phone_numbers/{phone}", key=test), 404, "number_not_found")
    assert stack.call("DELETE", f"/accounts/{waba}", key=live).status_code == 204


def test_a_reply_quotes_nothing_of_a_live_account(worlds: Worlds) -> None:
    errors = []
    for message_id in (worlds.live["message_id"], unknown(worlds.live)["message_id"]):
        body = {"phone_number_id": worlds.sandbox["phone_id"], "to": worlds.sandbox["who"], "text": "x"}
        answer = worlds.stack.call("POST", "/messages", body | {"reply_to": message_id}, key=worlds.key("test"))
        refused(answer, 422, "target_not_found")
        errors.append(said(answer))
    assert errors[0] == errors[1]


def test_one_idempotency_key_is_two_for_a_live_and_a_test_key(worlds: Worlds) -> None:
    def make(mode: str) -> dict[str, Any]:
        answer = worlds.stack.call(
            "POST", "/keys", {"name": "once", "scopes": ["whatsapp:read"]}, key=worlds.key(mode, ADMIN),
            headers={"Idempotency-Key": "once"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    live, again, test = make("live"), make("live"), make("test")
    assert live["id"] == again["id"] != test["id"]
    assert (live["mode"], test["mode"]) == ("live", "test")


def test_who_both_accounts_met_is_seen_by_the_windows_of_the_sandbox_alone(
    worlds: Worlds, person: Callable[[], str]
) -> None:
    who, stack = person(), copy.copy(worlds.stack)
    stack.info = stack.info | {"api_key": worlds.key("live")}
    for ids in (worlds.live, worlds.sandbox):
        greet(Number(stack, ids["waba_id"], ids["phone_id"], {}), who)
    path = f"/contacts?recipient={who}"
    (live,), (test,) = (stack.call("GET", path, key=worlds.key(mode)).json()["data"] for mode in ("live", "test"))
    assert {each["phone_number_id"] for each in live["windows"]} == {
        worlds.live["phone_id"], worlds.sandbox["phone_id"]
    }  # fmt: skip
    assert [each["phone_number_id"] for each in test["windows"]] == [worlds.sandbox["phone_id"]]
    assert test["id"] == live["id"]
    refused(stack.call("DELETE", f"/contacts/{live['id']}", key=worlds.key("test")), 403, "test_key")
    threads = stack.call("GET", f"/conversations?contact_id={live['id']}", key=worlds.key("test")).json()["data"]
    assert [each["phone_number_id"] for each in threads] == [worlds.sandbox["phone_id"]]
    seen: list[str] = []
    more = True
    while more:  # others may have greeted the number too: of these two the later one comes first, and each once
        after = f"&starting_after={seen[-1]}" if seen else ""
        page = stack.call("GET", f"/contacts?limit=1{after}", key=worlds.key("test")).json()
        seen, more = seen + [each["id"] for each in page["data"]], page["has_more"]
    own = (live["id"], worlds.sandbox["contact_id"])
    assert [each for each in seen if each in own] == list(own)
    assert worlds.live["contact_id"] not in seen


def test_figures_are_those_of_the_sandboxs_numbers(worlds: Worlds) -> None:
    def counts(path: str, mode: str, number: str = "") -> Any:
        filters = f"phone_number_id={number}" if number else ""
        answer = worlds.stack.call("GET", f"/analytics/{path}{filters}", key=worlds.key(mode))
        assert answer.status_code == 200, answer.text
        times = ("as_of", "from", "to")
        return {name: value for name, value in answer.json().items() if name not in times}

    def delivered(number: str) -> Any:
        return counts("funnel?", "live", number)["delivered"]

    def alike(path: str) -> bool:
        return bool(counts(path, "test") == counts(path, "live", sandbox))

    def told_apart(path: str) -> bool:
        return bool(counts(path, "live") != counts(path, "test"))

    live, sandbox = worlds.live["phone_id"], worlds.sandbox["phone_id"]
    for number in (live, sandbox):
        until(partial(delivered, number), "it is counted", 20)
    for path in ("funnel?", "timeseries?", "costs?", "costs?group_by=phone_number_id,day&", "costs/lines?"):
        until(partial(alike, path), f"{path} is of the sandbox's", 20)
        until(partial(told_apart, path), f"the live number's {path} are there too, or this proves nothing", 20)
    [line, *_] = counts("costs/lines?", "live", live)["data"]
    cursors = [
        worlds.stack.call("GET", f"/analytics/costs/lines?starting_after={each}", key=worlds.key("test"))
        for each in (line["id"], UNKNOWN)
    ]
    assert [each.status_code for each in cursors] == [422, 422]
    assert said(cursors[0]) == said(cursors[1])


def test_a_bot_that_answers_for_a_live_number_is_out_of_reach(worlds: Worlds) -> None:
    rule = {"match": {"type": "any"}, "answer": {"type": "text", "text": "x"}}
    body = {"name": "b", "kind": "rules", "rules": [rule]}
    made = worlds.stack.call("POST", "/bots", body, key=worlds.key("test")).json()["id"]
    link = f"/phone_numbers/{worlds.live['phone_id']}/link-bot"
    assert worlds.stack.call("PATCH", f"/bots/{made}", {"name": "mine"}, key=worlds.key("test")).status_code == 200
    assert worlds.stack.call("POST", link, {"bot_id": made}, key=worlds.key("live")).status_code == 200
    refused(worlds.stack.call("PATCH", f"/bots/{made}", {"name": "mine"}, key=worlds.key("test")), 404)
    assert made not in worlds.stack.call("GET", "/bots", key=worlds.key("test")).text
    assert worlds.stack.call("POST", link, {"bot_id": None}, key=worlds.key("live")).status_code == 200
    own = f"/phone_numbers/{worlds.sandbox['phone_id']}/link-bot"
    refused(worlds.stack.call("POST", own, {"bot_id": worlds.live["bot_id"]}, key=worlds.key("test")), 404)
    for wanted in (made, None):
        assert worlds.stack.call("POST", own, {"bot_id": wanted}, key=worlds.key("test")).status_code == 200


def test_an_endpoint_of_a_test_key_is_told_of_the_sandboxs_account_alone(worlds: Worlds) -> None:
    stack, keys = worlds.stack, ("live", "test")
    live, sandbox = worlds.live["phone_id"], worlds.sandbox["phone_id"]
    with receiving() as receiver:
        made = {}
        for mode in keys:
            body = {"url": receiver.url(f"/{mode}"), "events": ["number.changed"]}
            answer = stack.call("POST", "/webhook_endpoints", body, key=worlds.key(mode))
            assert (answer.status_code, answer.json()["mode"]) == (201, mode), answer.text
            made[mode] = answer.json()["id"]

        def told(mode: str) -> set[str]:
            return {hit.event["data"]["phone_number_id"] for hit in receiver.of(f"/{mode}")}

        for number in (live, sandbox):
            path = f"/phone_numbers/{number}/autoreply"
            assert stack.call("POST", path, {"enabled": False}, key=worlds.key("live")).status_code == 200
        until(lambda: told("live") == {live, sandbox}, "the live key's is told of both", 20)
        until(lambda: told("test"), "the test key's is told of one", 20)
        # What is told of an event is stored at once for all endpoints, so what would come yet is in the list already.
        path = f"/webhook_endpoints/{made['test']}/deliveries"
        stored = {each["event_id"] for each in stack.call("GET", path, key=worlds.key("test")).json()["data"]}
        until(lambda: stored <= {hit.event["id"] for hit in receiver.of("/test")}, "all that is stored came", 20)
        assert told("test") == {sandbox}
        for each in made.values():
            assert stack.call("DELETE", f"/webhook_endpoints/{each}", key=worlds.key("live")).status_code == 204

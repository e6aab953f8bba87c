"""A test key and a live account of its own tenant never meet: every call of the served document, and every parameter.

A call that is new fails here until it is said what it does (`NAMING`, `OWN`, `COMMON`), and a parameter until it is
said what it names (`PARAMETERS`, `HARMLESS`).
"""

from typing import Any

import httpx
import pytest

from tests.support.belongings import PNG, TEMPLATE, UNKNOWN, Call, calls_of, counted, said, unknown
from tests.support.message_kinds import FREE_FORM
from tests.support.running import API, Stack
from tests.support.shared_stack import refused
from tests.support.worlds import Worlds

# Calls that a test key is refused whatever they are about: it is common to all accounts of the tenant, or does not say
# of which it is.
COMMON = {
    "POST /opt_outs": {"to": "+15550001234"}, "PUT /settings/opt_out_words": {"stop": ["STOP"]},
    "DELETE /opt_outs/{contact_id}": None, "DELETE /contacts/{contact_id}": None,
    "DELETE /contacts": None,
    "GET /dead_letters": None, "POST /dead_letters/replay": {}, "POST /dead_letters/discard": {"why": "x"},
    "GET /dead_letters/{dead_letter_id}": None, "POST /dead_letters/{dead_letter_id}/replay": {},
    "POST /dead_letters/{dead_letter_id}/discard": {},
}  # fmt: skip
# Calls that make something which is the test key's own.
OWN = {"POST /bots", "POST /webhook_endpoints", "POST /keys"}

SENT = {"phone_number_id": "phone_id"}
# Calls that name a thing in their body or query: what else they need, and field -> what it names.
NAMING: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "POST /campaigns": ({"name": "x", "template": TEMPLATE["name"]}, SENT),
    **{
        f"POST /messages{path}": ({"to": "+15550001234"} | fields, SENT)
        for path, _, fields in (FREE_FORM[name] for name in ("text", "image", "location", "contacts", "button"))
    },
    "POST /messages/template": ({"to": "+15550001234", "template": TEMPLATE["name"], "language": "en_US"}, SENT),
    "POST /messages/reaction": ({"to": "+15550001234", "emoji": "\N{THUMBS UP SIGN}", "message_id": UNKNOWN}, SENT),
    "POST /messages/bulk": ({"to": "+15550001234", "text": "x"}, SENT),
    "POST /templates": (TEMPLATE, {"waba_id": "waba_id"}),
    "POST /templates/sync": ({}, {"waba_id": "waba_id"}),
    "DELETE /templates": ({"name": TEMPLATE["name"]}, {"waba_id": "waba_id"}),
    "POST /media": ({}, SENT),
    "POST /templates/media": ({}, {"waba_id": "waba_id"}),
    "POST /onboarding/manual": ({"access_token": "x", "phone_number_id": "1"}, {"waba_id": "waba_id"}),
    "POST /onboarding/exchange": ({"code": "x"}, SENT),
}  # fmt: skip

# Query parameter -> what it names; the others choose among what is reached.
PARAMETERS = {
    "phone_number_id": "phone_id", "waba_id": "waba_id", "campaign_id": "campaign_id", "contact_id": "contact_id",
    "conversation_id": "conversation_id", "recipient": "user", "object": "waba_id", "actor": "key_id",
}  # fmt: skip
HARMLESS = {
    "action", "after", "by", "category", "client_ref", "country", "covers", "days", "direction", "error", "from",
    "granularity", "group_by", "language", "limit", "month", "name", "reason", "standing", "state", "status",
    "template", "time_zone", "to", "topic", "type", "window",
}  # fmt: skip
# The id of an entry of a list, where its path does not say it.
CURSORS = {
    "/accounts": "account_id", "/phone_numbers": "phone_id", "/messages": "message_id", "/templates": "template_id",
    "/campaigns": "campaign_id", "/contacts": "contact_id", "/conversations": "conversation_id", "/bots": "bot_id",
    "/opt_outs": "contact_id", "/webhook_endpoints": "endpoint_id", "/keys": "key_id",
}  # fmt: skip
# Lists that show nothing of an account, or nothing by the ids that we know.
WITHOUT_IDS = {"/settings/opt_out_words", "/templates/rejection_reasons"}


@pytest.fixture(scope="module")
def calls(stack: Stack) -> list[Call]:
    """Every call of the document that an account's things may be reached with."""
    return calls_of(stack)


def name_of(call: Call) -> str:
    return f"{call.method} {call.path}"


def test_an_id_of_a_live_account_answers_as_one_that_does_not_exist(worlds: Worlds, calls: list[Call]) -> None:
    for call in (call for call in calls if call.names):
        live, nothing = (
            worlds.call("test", call, call.at(ids), call.body) for ids in (worlds.live, unknown(worlds.live))
        )
        refused(live, *((403, "test_key") if name_of(call) in COMMON else (404,)))
        assert said(live) == said(nothing), name_of(call)
        assert not worlds.seen(live), name_of(call)


def test_a_live_key_reaches_both_and_a_test_key_the_sandboxs(worlds: Worlds, calls: list[Call]) -> None:
    reading = [call for call in calls if call.method == "GET" and call.names and not call.path.endswith("/stream")]
    for mode, ids in (("live", worlds.live), ("live", worlds.sandbox), ("test", worlds.sandbox)):
        for call in (call for call in reading if mode == "live" or name_of(call) not in COMMON):
            answer = worlds.call(mode, call, call.at(ids))
            assert answer.status_code == 200, f"{mode} {name_of(call)}: {answer.status_code} {answer.text[:300]}"


def test_an_id_below_one_of_its_own_leads_to_nothing_of_a_live_account(worlds: Worlds) -> None:
    for path in (
        f"/campaigns/{worlds.sandbox['campaign_id']}/imports/{worlds.live['import_id']}",
        f"/campaigns/{worlds.sandbox['campaign_id']}/imports/{worlds.live['import_id']}/errors",
    ):
        refused(worlds.stack.call("GET", path, key=worlds.key("test")), 404)
    path = f"/webhook_endpoints/{worlds.sandbox['endpoint_id']}"
    assert worlds.stack.call("PATCH", path, {"status": "enabled"}, key=worlds.key("test")).status_code == 200
    path += f"/deliveries/{worlds.live['delivery_id']}/replay"
    refused(worlds.stack.call("POST", path, {}, key=worlds.key("test")), 404)


def test_every_call_that_names_nothing_in_its_path_was_thought_about(calls: list[Call]) -> None:
    said = {*NAMING, *OWN, *COMMON}
    new = [name_of(call) for call in calls if call.method != "GET" and not call.names and name_of(call) not in said]
    assert not new, f"say in NAMING, OWN or COMMON what a test key does with {new}"
    gone = said - {name_of(call) for call in calls}
    assert not gone, f"there is no {gone}"
    parameters = {name for call in calls for name in call.query} - {*PARAMETERS, *HARMLESS, "starting_after"}
    assert not parameters, f"say in PARAMETERS or HARMLESS what {parameters} name"


def test_lists_show_a_live_key_what_a_test_key_does_not_see(worlds: Worlds, calls: list[Call]) -> None:
    for call in (call for call in calls if call.method == "GET" and not call.names and name_of(call) not in COMMON):
        path = f"{call.path}?limit=100" if "limit" in call.query else call.path
        live, test = (worlds.call(mode, call, path) for mode in ("live", "test"))
        assert (live.status_code, test.status_code) == (200, 200), f"{call.path}: {live.text[:200]} {test.text[:200]}"
        assert not worlds.seen(test), f"{call.path} shows {worlds.seen(test)}"
        if call.path not in WITHOUT_IDS and not call.path.startswith("/analytics"):
            assert worlds.seen(live), f"{call.path} proves nothing: a live key sees nothing either"


def test_filters_that_name_things_of_a_live_account_find_what_unknown_ones_find(
    worlds: Worlds, calls: list[Call]
) -> None:
    nothing = unknown(worlds.live) | {"user": "15559999999"}
    for call in (call for call in calls if call.method == "GET" and not call.names):
        for name in (name for name in call.query if name in PARAMETERS):
            live, none = (
                worlds.call("test", call, f"{call.path}?{name}={ids[PARAMETERS[name]]}")
                for ids in (worlds.live, nothing)
            )
            where = f"{call.path}?{name}="
            assert live.status_code == none.status_code, f"{where}: {live.text[:300]} {none.text[:300]}"
            if live.status_code != 200:
                assert said(live) == said(none), where
            elif call.path.startswith("/analytics"):
                assert counted(live) == counted(none) == [], where
            else:
                assert live.json() == none.json(), where
                assert live.json()["data"] == [], where


def test_a_cursor_of_a_live_account_is_none_or_tells_nothing(worlds: Worlds, calls: list[Call]) -> None:
    for call in (call for call in calls if "starting_after" in call.query and not call.names):
        if call.path.startswith("/analytics") or call.path == "/audit_log" or name_of(call) in COMMON:
            continue  # figures are tried where there are some; a cursor of the log is a bound, and shows nothing
        assert call.path in CURSORS, f"say in CURSORS what {call.path} lists"
        live, nothing = (
            worlds.call("test", call, f"{call.path}?starting_after={ids[CURSORS[call.path]]}")
            for ids in (worlds.live, unknown(worlds.live))
        )
        assert live.status_code == nothing.status_code, f"{call.path}: {live.text[:300]} {nothing.text[:300]}"
        assert not worlds.seen(live), call.path


def test_a_body_that_names_things_of_a_live_account_is_refused_as_if_they_were_unknown(
    worlds: Worlds, calls: list[Call]
) -> None:
    named = {name_of(call): call for call in calls}
    for name, (fields, naming) in NAMING.items():
        if "onboarding" in name:
            continue
        live, nothing = (
            asked(worlds, named[name], fields | {field: ids[thing] for field, thing in naming.items()})
            for ids in (worlds.live, unknown(worlds.live))
        )
        if name == "POST /messages/bulk":
            (one,), (other,) = live.json()["data"], nothing.json()["data"]
            assert (one["status"], one["error"]["code"]) == (404, "number_not_found"), one
            assert one["error"] | {"request_id": ""} == other["error"] | {"request_id": ""}
            continue
        refused(live, 404)
        assert said(live) == said(nothing), name


def asked(worlds: Worlds, call: Call, fields: dict[str, Any]) -> httpx.Response:
    """Make a call with fields in its body, its form or its query."""
    if call.path.endswith("/media") and "type" not in fields:
        return worlds.stack.http.post(
            worlds.stack.info["edge"] + API + call.path, files={"file": ("a.png", PNG, "image/png")}, data=fields,
            headers={"Authorization": f"Bearer {worlds.key('test')}"},
        )  # fmt: skip
    if call.method == "DELETE":
        query = "&".join(f"{name}={value}" for name, value in fields.items())
        return worlds.call("test", call, f"{call.path}?{query}")
    return worlds.call("test", call, body={"messages": [fields]} if call.path.endswith("/bulk") else fields)


def test_what_is_common_to_all_accounts_is_refused_a_test_key(worlds: Worlds, calls: list[Call]) -> None:
    for call in (call for call in calls if name_of(call) in COMMON and not call.names):
        body, path = COMMON[name_of(call)], call.path
        if call.method == "DELETE":
            path += f"?recipient={worlds.live['user']}"
        refused(worlds.call("test", call, path, body), 403, "test_key")
    assert worlds.stack.call("GET", f"/contacts/{worlds.live['contact_id']}", key=worlds.key("live")).status_code == 200

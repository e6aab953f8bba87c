import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import meta_bodies as meta
from tests.support.arrivals import lands
from tests.support.consent import OFFER, contact_of, offer, said
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, install, refused

# Numbers in the form that Meta knows them by in the sandbox, and as people type them today.
FORMS = {
    "Brazil": ("5531{:08d}", "55319{:08d}"),
    "São Paulo": ("55119{:08d}", "5511{:08d}"),
    "Mexico": ("521{:010d}", "52{:010d}"),
    "Argentina": ("549{:010d}", "54{:010d}"),
}
_run = itertools.count(1)


def somebody(country: str) -> tuple[str, str]:
    """Return somebody nobody has met, as Meta knows them and as people type them."""
    known, typed = FORMS[country]
    digits = (80_000_000 if known.startswith("55") else 5_500_000_000) + next(_run)
    return known.format(digits), typed.format(digits)


@pytest.fixture(scope="module")
def shop(stack: Stack, number: Number) -> Number:
    """A number whose account has a marketing template."""
    install(stack, number, OFFER)
    return number


def hear(number: Number, *messages: dict[str, Any]) -> None:
    """Post messages in one body as Meta would, and wait until the last one is applied."""
    assert number.stack.webhook(meta.body(number.waba_id, meta.change(number.id, messages))).status_code == 200
    mark = meta.inbound(messages[-1]["from"], "applied")
    assert number.stack.webhook(meta.body(number.waba_id, meta.change(number.id, [mark]))).status_code == 200
    path = f"/messages?direction=inbound&phone_number_id={number.id}&limit=100&recipient={mark['from']}"
    until(lambda: mark["id"] in {row["wamid"] for row in number.stack.call("GET", path).json()["data"]}, "applied", 10)


def test_a_stop_that_comes_again_changes_nothing(shop: Number, person: Callable[[], str]) -> None:
    who, now = person(), int(time.time()) - 100
    stop = meta.inbound(who, "STOP", timestamp=str(now))
    hear(shop, stop)
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")
    hear(shop, meta.inbound(who, "START", timestamp=str(now)))  # the same second: the one that came later counts
    assert offer(shop, f"+{who}").status_code == 202
    before = contact_of(shop, who)
    hear(shop, stop)
    hear(shop, stop | {"timestamp": str(now + 50)})
    assert offer(shop, f"+{who}").status_code == 202
    after = contact_of(shop, who)
    assert after["consent_history"] == before["consent_history"]
    assert after["consent"] == before["consent"]
    words = [(row["covers"], row["state"], row["how"], row["wamid"]) for row in after["consent_history"]]
    assert words[-1] == ("marketing", "opted_out", "keyword", stop["id"])
    assert sorted(words[:2]) == [(covers, "opted_in", "keyword", words[0][3]) for covers in ("all", "marketing")]


@pytest.mark.parametrize("order", [("STOP", "START"), ("START", "STOP")])
def test_where_nothing_tells_them_apart_the_stop_counts(
    shop: Number, person: Callable[[], str], order: tuple[str, str]
) -> None:
    who, second = person(), str(int(time.time()))
    hear(shop, *(meta.inbound(who, text, timestamp=second) for text in order))
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")


def test_a_start_of_the_same_second_that_came_before_the_stop_lifts_nothing(
    shop: Number, person: Callable[[], str]
) -> None:
    who, second = person(), str(int(time.time()))
    hear(shop, meta.inbound(who, "START", timestamp=second))
    hear(shop, meta.inbound(who, "STOP", timestamp=second))
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")


def test_an_older_word_that_comes_late_changes_nothing(shop: Number, person: Callable[[], str]) -> None:
    who, now = person(), int(time.time())
    hear(shop, meta.inbound(who, "STOP", timestamp=str(now)))
    hear(shop, meta.inbound(who, "START", timestamp=str(now - 60)))
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")


def test_a_start_that_was_said_before_the_api_opted_them_out_lifts_nothing_by_coming_late(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    assert stack.call("POST", "/opt_outs", {"to": f"+{who}"}).status_code == 201
    hear(shop, meta.inbound(who, "START", timestamp=str(int(time.time()) - 60)))
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")


def test_a_button_of_a_template_opts_out_as_the_word_does(shop: Number, person: Callable[[], str]) -> None:
    who = person()
    hear(shop, meta.inbound(who, type="button", button={"text": "Stop promotions", "payload": "x"}))
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out")
    assert contact_of(shop, who)["consent"]["marketing"]["person"]["how"] == "button"


def test_a_tenants_own_words_are_heard_and_can_be_taken_back(
    shop: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    stack, path = shop.stack, "/settings/opt_out_words"
    everybodys = stack.call("GET", path).json()
    assert everybodys["defaults"] == ["stop", "stop_all", "start"]
    try:
        stop = [*everybodys["stop"], "Genug jetzt"]  # STOP still means stop to the tests that follow
        own = stack.call("PUT", path, {"stop": stop, "start": None}).json()
        assert own == everybodys | {"stop": stop, "defaults": ["stop_all", "start"]}
        assert stack.call("GET", path).json() == own
        assert stack.call("GET", path, key=stranger.key).json() == everybodys

        def withdrawn() -> bool:
            who = person()
            said(shop, who, "genug JETZT!")
            return bool(contact_of(shop, who)["consent"]["marketing"]["state"] == "opted_out")

        until(withdrawn, "the word is heard", 8, 0.5)
    finally:
        assert stack.call("PUT", path, {}).json() == everybodys
    assert stack.call("GET", path).json() == everybodys


@pytest.mark.parametrize("country", FORMS)
def test_both_forms_of_a_number_are_one_person_before_anything_was_sent(shop: Number, country: str) -> None:
    known, typed = somebody(country)
    said(shop, known, "hello")
    assert shop.send(typed).status_code == 202
    assert [row["wa_id"] for row in (contact_of(shop, each)["identities"] for each in (known, typed))] == [known, known]
    said(shop, known, "STOP")
    for each in (known, typed):
        refused(offer(shop, f"+{each}"), 422, "recipient_opted_out")
    said(shop, known, "START")
    assert offer(shop, f"+{typed}").status_code == 202


@pytest.mark.parametrize("country", FORMS)
def test_an_opt_out_of_the_typed_form_holds_for_metas(shop: Number, country: str) -> None:
    known, typed = somebody(country)
    made = shop.stack.call("POST", "/opt_outs", {"to": f"+{typed}"}).json()
    for each in (known, typed):
        refused(offer(shop, f"+{each}"), 422, "recipient_opted_out")
    said(shop, known, "hello")
    contact = contact_of(shop, known)
    assert contact["id"] == made["contact_id"]
    assert (contact["identities"]["phone"], contact["identities"]["wa_id"]) == (f"+{typed}", known)
    refused(offer(shop, f"+{known}"), 422, "recipient_opted_out")


def test_two_who_turn_out_to_be_one_keep_their_windows_and_their_consent(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    user = f"US.{who}77"
    other = shop.stack.connect()
    hear(shop, meta.inbound(who, "hello"))
    stack.call("POST", "/opt_outs", {"to": f"+{who}", "covers": "all", "reason": "asked"})
    first = contact_of(shop, who)
    wrote = [meta.inbound(user, "STOP") | {"from_user_id": user}]
    del wrote[0]["from"]
    assert stack.webhook(meta.body(other.waba_id, meta.change(other.id, wrote))).status_code == 200
    until(lambda: stack.call("GET", f"/contacts?recipient={user}").json()["data"], "the id is known", 10)
    second = contact_of(shop, user)
    assert second["id"] != first["id"]
    hear(shop, meta.inbound(who, "it is me", from_user_id=user))
    merged = contact_of(shop, user)
    assert contact_of(shop, who) == merged
    assert {window["phone_number_id"] for window in merged["windows"]} == {shop.id, other.id}
    assert (merged["identities"]["wa_id"], merged["identities"]["user_id"]) == (who, user)
    assert [merged["consent"][each]["state"] for each in ("marketing", "all")] == ["opted_out", "opted_out"]
    assert {row["by"] for row in merged["consent_history"]} == {"person", "api"}
    for old in (first, second):
        assert stack.call("GET", f"/contacts/{old['id']}").json() == merged
    conversations = stack.call("GET", f"/conversations?contact_id={merged['id']}").json()["data"]
    assert {row["phone_number_id"] for row in conversations} == {shop.id, other.id}
    refused(stack.call("DELETE", f"/opt_outs/{second['id']}"), 409, "person_opted_out")


def test_who_answers_before_their_number_is_known_goes_on_in_the_conversation_they_were_addressed_in(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    user = f"US.{who}77"
    dropped = stack.box("POST", "/faults", {"kind": "webhooks_dropped", "share": 1, "to": user})
    sent = shop.reaches(offer(shop, user).json()["id"], "accepted")
    told = meta.status(sent["id"], "delivered", who, sent["wamid"], recipient_user_id=user)
    wrote = meta.inbound(who, "yes, please")
    both = [meta.change(shop.id, [wrote]), meta.change(shop.id, statuses=[told])]
    assert stack.webhook(meta.body(shop.waba_id, *both)).status_code == 200
    answer = lands(stack, shop, who)
    assert answer["conversation_id"] == sent["conversation_id"]
    stack.box("DELETE", f"/faults/{dropped['id']}")

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.support.consent import OFFER, RECEIPT, offer, said
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import SHAPE, greet, install, newest, refused


@pytest.fixture(scope="module")
def shop(stack: Stack, number: Number) -> Number:
    """A number whose account has a marketing and a utility template."""
    install(stack, number, OFFER, RECEIPT)
    return number


def test_a_text_goes_all_the_way_and_its_history_is_complete(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    body = {"phone_number_id": number.id, "to": f"+{who}", "text": "hello there", "client_ref": "order 7", "ttl": 600}
    answer = stack.call("POST", "/messages", body)
    assert answer.status_code == 202
    queued = answer.json()
    created = queued.pop("created_at")
    assert queued == {
        "id": queued["id"], "object": "message", "status": "queued", "to": f"+{who}", "phone_number_id": number.id,
        "client_ref": "order 7",
    }  # fmt: skip
    row = number.reaches(queued["id"], "delivered")
    assert [move["status"] for move in row["history"]] == ["queued", "sending", "accepted", "sent", "delivered"]
    moments = [datetime.fromisoformat(move["at"]) for move in row["history"]]
    assert moments[:3] == sorted(moments[:3])
    assert all(move["at"].endswith("Z") for move in row["history"])
    assert (row["client_ref"], row["to"], row["direction"], row["type"]) == ("order 7", f"+{who}", "outbound", "text")
    assert row["content"]["body"] == "hello there"
    assert row["created_at"] == created
    life = datetime.fromisoformat(row["expires_at"]) - datetime.fromisoformat(created)
    assert life == timedelta(seconds=600)
    sent = [each for each in stack.sends() if each["biz_opaque_callback_data"] == row["id"]]
    assert [(each["to"], each["wamid"]) for each in sent] == [(who, row["wamid"])]


@pytest.mark.parametrize("form", ["+1 557 {}", "+1-557-{}", "+1 (557) {}", "+1.557.{}"])
def test_a_typed_number_is_normalised(stack: Stack, number: Number, person: Callable[[], str], form: str) -> None:
    who = person()
    greet(number, who)
    body = {"phone_number_id": number.id, "to": form.format(who[4:]), "text": "hello"}
    answer = stack.call("POST", "/messages", body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["to"] == f"+{who}"


@pytest.mark.parametrize("text", ["x" * 4096, "😀" * 4096, "  ", "\n", '"}]', "\\u0000", "مرحبا", "\u202e\x07"])
def test_a_text_of_any_characters_arrives_as_it_was_written(
    stack: Stack, number: Number, person: Callable[[], str], text: str
) -> None:
    who = person()
    greet(number, who)
    answer = stack.call("POST", "/messages", {"phone_number_id": number.id, "to": f"+{who}", "text": text})
    assert answer.status_code == 202, answer.text
    row = number.reaches(answer.json()["id"], "delivered", "failed")
    if row["status"] == "delivered":
        shown = stack.box("GET", f"/phones/{who}")["conversations"][0]["messages"]
        assert text in [each["content"].get("body") for each in shown if each["direction"] == "to_user"]
    else:  # Meta does not take an empty line; then it says so, and so do we
        assert row["error"]["meta"]["code"]
        assert not text.strip()


def test_free_form_text_needs_an_open_window_and_a_message_of_the_person_opens_it(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    before = newest(stack, direction="outbound")
    error = refused(number.send(who), 422, "outside_customer_window", "to")
    assert error["window"] == {"open": False, "last_inbound_at": None}
    assert newest(stack, direction="outbound") == before
    greet(number, who)
    assert number.send(who).status_code == 202


def test_a_window_belongs_to_one_number_only(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who, other = person(), stack.connect()
    greet(number, who)
    refused(other.send(who), 422, "outside_customer_window")


def test_a_window_that_closed_names_when_the_person_last_wrote(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    day_ago = int(datetime.now().timestamp()) - 24 * 3600 - 60  # noqa: DTZ005  # seconds since 1970
    wrote = {"phone_number_id": number.id, "from": who, "type": "text", "text": {"body": "hi"}}
    stack.box("POST", "/inbound", wrote | {"timestamp": str(day_ago)})
    until(lambda: newest(stack, direction="inbound", recipient=who), "it was heard", 10)
    error = refused(number.send(who), 422, "outside_customer_window")
    assert datetime.fromisoformat(error["window"]["last_inbound_at"]).timestamp() == day_ago
    assert error["window"]["open"] is False


def test_stop_ends_marketing_but_not_the_conversation_and_start_gives_it_back(
    shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    said(shop, who, "STOP")
    refused(offer(shop, f"+{who}"), 422, "recipient_opted_out", "to")
    assert offer(shop, f"+{who}", "receipt").status_code == 202
    assert shop.send(who).status_code == 202
    said(shop, who, "Start")
    assert offer(shop, f"+{who}").status_code == 202


def test_stop_all_ends_everything_but_replies_until_start(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who, other = person(), stack.connect()
    said(shop, who, "stop all")
    for answer in (offer(shop, f"+{who}"), offer(shop, f"+{who}", "receipt"), other.send(who)):
        refused(answer, 422, "recipient_opted_out", "to")
    shop.reaches(shop.send(who).json()["id"])
    said(shop, who, "START")
    assert shop.send(who).status_code == 202
    assert offer(shop, f"+{who}").status_code == 202


@pytest.mark.parametrize("text", ["please stop sending me broken goods", "Don't stop", "stopover", "end of story"])
def test_a_sentence_with_the_word_in_it_is_no_opt_out(shop: Number, person: Callable[[], str], text: str) -> None:
    who = person()
    said(shop, who, text)
    assert offer(shop, f"+{who}").status_code == 202


def test_metas_own_marketing_preference_is_obeyed_both_ways(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who)
    wish = {"phone_number_id": shop.id, "from": who}
    heard = stack.metric("tracker", "wabus_tracker_changes_total")
    stack.box("POST", "/user_preferences", wish | {"value": "stop"})
    until(lambda: stack.metric("tracker", "wabus_tracker_changes_total") > heard, "the wish is told", 10)
    until(lambda: offer(shop, f"+{who}").status_code == 422, "marketing is refused", 5, 0.3)
    assert shop.send(who).status_code == 202
    stack.box("POST", "/user_preferences", wish | {"value": "resume"})
    until(lambda: offer(shop, f"+{who}").status_code == 202, "marketing is taken again", 5, 0.3)


def test_who_opted_out_after_the_accept_is_not_written_to(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who)
    fault = stack.box("POST", "/faults", {"kind": "error", "code": 131000, "to": who})
    try:
        held = offer(shop, f"+{who}").json()["id"]
        until(lambda: stack.message(held)["attempts"] >= 1, "it was tried", 10)
        said(shop, who, "stop all")
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    row = shop.reaches(held, "failed", "canceled", "expired")
    assert row["error"]["code"] == "recipient_opted_out"
    assert [each for each in stack.sends() if each["biz_opaque_callback_data"] == held] == []


def test_a_message_past_its_ttl_expires_and_is_never_sent_late(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    fault = stack.box("POST", "/faults", {"kind": "error", "code": 131016, "to": who})
    try:
        body = {"phone_number_id": number.id, "to": f"+{who}", "text": "now or never", "ttl": 2, "client_ref": "late"}
        late = stack.call("POST", "/messages", body).json()["id"]
        row = number.reaches(late, "expired", seconds=15)
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    assert row["history"][-1]["status"] == "expired"
    assert row["client_ref"] == "late"
    after = number.send(who, "another").json()["id"]
    number.reaches(after, "delivered")
    assert [each for each in stack.sends() if each["biz_opaque_callback_data"] == late] == []


@pytest.mark.parametrize(
    ("who", "code"),
    [("15550100002", 131026), ("15550100003", 131026), ("15550131053", 131053), ("15550130472", 130472)],
)
def test_a_message_that_meta_does_not_deliver_fails_with_metas_own_code(number: Number, who: str, code: int) -> None:
    greet(number, who)
    row = number.reaches(number.send(who).json()["id"], "failed")
    assert row["error"]["meta"]["code"] == code
    assert row["error"]["meta"]["title"]
    assert set(row["error"]) == SHAPE
    assert row["history"][-1]["status"] == "failed"


def test_one_who_reads_at_once_makes_the_history_whole(number: Number) -> None:
    greet(number, "15550100001")
    row = number.reaches(number.send("15550100001").json()["id"], "read")
    statuses = [move["status"] for move in row["history"]]
    assert statuses[:3] == ["queued", "sending", "accepted"]
    assert statuses[-2:] == ["delivered", "read"]


def test_messages_of_one_conversation_arrive_in_the_order_of_their_answers(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    people = [person() for _ in range(3)]
    for who in people:
        greet(number, who)
    posted = {who: [number.send(who, f"line {i}").json()["id"] for i in range(12)] for who in people}
    for ids in posted.values():
        number.reaches(ids[-1], "delivered")
    log = stack.sends()
    for who, ids in posted.items():
        assert [each["biz_opaque_callback_data"] for each in log if each["to"] == who] == ids

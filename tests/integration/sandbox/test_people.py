"""What users do, and what their phones show."""

from typing import Any

from tests.support.sandbox import Box, Receiver, until

NOBODY_SEES = "US.13491208655302741918"


async def test_every_type_passes_through_unknown_ones_too(box: Box, heard: Receiver) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "button", "button": {"payload": "yes", "text": "Yes"}},
        {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "1", "title": "One"}}},
        {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "😀"}},
        {"type": "order", "order": {"catalog_id": "1", "product_items": []}},
        {"type": "location", "location": {"latitude": 1.5, "longitude": 2}},
        {"type": "unsupported", "errors": [{"code": 131051}], "unsupported": {"type": "poll"}},
        {"type": "hologram", "hologram": {"depth": 3}, "context": {"id": "wamid.y", "from": "1"}},
    ]
    for message in messages:
        await box.writes(**message)
    await until(lambda: len(heard.messages) == len(messages))
    found = {message["type"]: message for message in heard.messages}
    for message in messages:
        assert found[message["type"]].items() >= message.items()
    await box.writes(type="system", system={"type": "user_changed_number", "wa_id": "15550000003"})
    await until(lambda: len(heard.messages) == len(messages) + 1)
    assert "contacts" not in heard.of("messages")[-1]


async def test_a_person_without_a_number_writes_and_is_answered_by_user_id(box: Box, heard: Receiver) -> None:
    await box.control("POST", "/inbound", {
        "phone_number_id": box.number, "from_user_id": NOBODY_SEES, "username": "@ann", "text": {"body": "hi"},
    })  # fmt: skip
    (message,) = await until(lambda: heard.messages)
    assert "from" not in message
    assert message["from_user_id"] == NOBODY_SEES
    contact = heard.of("messages")[0]["contacts"][0]
    assert "wa_id" not in contact
    assert (contact["user_id"], contact["profile"]["username"]) == (NOBODY_SEES, "@ann")
    body = {"messaging_product": "whatsapp", "recipient": NOBODY_SEES, "type": "text", "text": {"body": "hello"}}
    told = (await box.graph("POST", f"/{box.number}/messages", body)).json()
    assert told["contacts"] == [{"input": NOBODY_SEES, "user_id": NOBODY_SEES}]
    await until(lambda: len(heard.statuses) == 2)
    assert "recipient_id" not in heard.statuses[0]
    assert heard.statuses[0]["recipient_user_id"] == NOBODY_SEES
    assert (await box.sends())[0]["to"] == NOBODY_SEES
    unknown = await box.graph("POST", f"/{box.number}/messages", body | {"recipient": "US.1"})
    assert unknown.status_code == 200
    await until(lambda: heard.statuses[-1]["status"] == "failed")
    assert heard.statuses[-1]["errors"][0]["code"] == 131026


async def test_a_person_with_a_number_can_be_reached_by_the_user_id_that_was_told(box: Box, heard: Receiver) -> None:
    user_id = (await box.writes())["from_user_id"]
    body = {"messaging_product": "whatsapp", "recipient": user_id, "type": "text", "text": {"body": "hello"}}
    assert (await box.graph("POST", f"/{box.number}/messages", body)).json()["contacts"][0]["wa_id"] == "15550000001"
    await until(lambda: [status["status"] for status in heard.statuses] == ["sent", "delivered"])


async def test_answering_somebody_who_came_from_an_ad_opens_a_free_entry_point(box: Box, heard: Receiver) -> None:
    await box.control("PUT", "/timing", {"pricing_on_sent": 1})
    referral = {"source_type": "ad", "source_id": "1", "ctwa_clid": "x"}
    await box.writes(referral=referral)
    await until(lambda: heard.messages)
    assert heard.messages[0]["referral"] == referral
    await box.text()
    await until(lambda: len(heard.statuses) == 2)
    sent = next(status for status in heard.statuses if status["status"] == "sent")
    assert (sent["pricing"]["type"], sent["pricing"]["category"]) == ("free_entry_point", "referral_conversion")
    assert int(sent["conversation"]["expiration_timestamp"]) - int(sent["timestamp"]) in range(
        72 * 3600 - 5, 72 * 3600 + 5
    )
    await box.control("PUT", "/clock", {"advance_seconds": 48 * 3600})
    await box.text()
    await until(lambda: len(heard.statuses) == 4)
    assert heard.statuses[-1]["status"] == "delivered"
    await box.control("PUT", "/clock", {"advance_seconds": 48 * 3600})
    await box.text()
    await until(lambda: heard.statuses[-1]["status"] == "failed")


async def test_the_window_closes_after_a_day(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.control("PUT", "/clock", {"advance_seconds": 24 * 3600 + 1})
    await box.text()
    await until(lambda: heard.statuses)
    assert heard.statuses[0]["errors"][0]["code"] == 131047
    phone = await box.control("GET", "/phones/15550000001")
    assert phone["conversations"][0]["window"]["open"] is False


async def test_a_user_who_stopped_marketing_gets_none_until_it_is_resumed(box: Box, heard: Receiver) -> None:
    wish = {
        "waba_id": box.waba_id,
        "name": "sale",
        "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Sale"}],
    }
    await box.control("POST", "/templates", wish)
    sale = {"type": "template", "template": {"name": "sale", "language": {"code": "en_US"}}}
    await box.control(
        "POST", "/user_preferences", {"phone_number_id": box.number, "from": "15550000001", "value": "stop"}
    )
    (told,) = await until(lambda: heard.of("user_preferences"))
    preference = told["user_preferences"][0]
    assert (preference["wa_id"], preference["value"], preference["category"]) == (
        "15550000001",
        "stop",
        "marketing_messages",
    )
    await box.send(sale)
    await until(lambda: heard.statuses)
    assert heard.statuses[0]["errors"][0]["code"] == 131050
    await box.control(
        "POST", "/user_preferences", {"phone_number_id": box.number, "from": "15550000001", "value": "resume"}
    )
    await box.send(sale)
    await until(lambda: heard.statuses[-1]["status"] == "delivered")


async def test_a_user_who_blocks_the_number_gets_nothing(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.control("POST", "/blocks", {"phone_number_id": box.number, "from": "15550000001"})
    await box.text()
    await until(lambda: heard.statuses)
    assert heard.statuses[0]["errors"][0]["code"] == 131026


async def test_a_phone_shows_both_sides_with_ticks(box: Box, heard: Receiver) -> None:
    await box.writes(name="Ann")
    await until(lambda: heard.messages)
    await box.text("one")
    await until(lambda: len(heard.statuses) == 2)
    marked = {"messaging_product": "whatsapp", "status": "read", "message_id": heard.messages[0]["id"]}
    answer = await box.graph("POST", f"/{box.number}/messages", marked | {"typing_indicator": {"type": "text"}})
    assert answer.json() == {"success": True}
    phone = await box.control("GET", "/phones/+15550000001")
    assert phone["name"] == "Ann"
    (talk,) = phone["conversations"]
    assert talk["window"]["open"] is True
    assert [(m["direction"], m["content"], m["status"]) for m in talk["messages"]] == [
        ("from_user", {"body": "hi"}, "read"),
        ("to_user", {"body": "one"}, "delivered"),
    ]
    assert [row["wa_id"] for row in (await box.control("GET", "/phones"))["data"]] == ["15550000001"]
    unknown = await box.graph("POST", f"/{box.number}/messages", marked | {"message_id": "wamid.x"})
    assert unknown.json()["error"]["code"] == 131009
    assert len(await box.sends()) == 1


async def test_fixed_recipients_answer_by_themselves(box: Box, heard: Receiver) -> None:
    for user in ("15550100004", "15550100005"):
        await box.writes(user)
        await box.text(to=user)
    await until(lambda: len(heard.messages) == 4)
    assert {message["text"]["body"] for message in heard.messages} == {"hi", "ok", "STOP"}


async def test_a_share_of_people_answers(box: Box, heard: Receiver) -> None:
    await box.control("PUT", "/timing", {"answer_share": 1, "answer_text": "thanks"})
    await box.writes()
    await box.text()
    await until(lambda: [message["text"]["body"] for message in heard.messages] == ["hi", "thanks"])


async def test_the_page_is_there(box: Box) -> None:
    for path in ("/_sandbox", "/_sandbox/"):
        page = await box.http.get(path)
        assert page.status_code == 200
        assert "<title>Sandbox" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in ("/healthz", "/readyz"):
        assert (await box.http.get(path)).status_code == 200
    assert "wabus_sandbox_messages_total" in (await box.http.get("/metrics")).text


async def test_a_control_call_that_does_not_fit_says_so(box: Box) -> None:
    for path, body in (
        ("/inbound", {"phone_number_id": "1", "from": "15550000001"}),
        ("/inbound", {"phone_number_id": box.number}),
        ("/accounts", {"messaging_limit": "many"}),
        ("/accounts", {"numbers": 0}),
        ("/templates", {"name": "x"}),
    ):
        answer = await box.http.post(f"/_sandbox{path}", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert (await box.http.post("/_sandbox/accounts/1/events", json={})).status_code == 404
    assert (await box.http.post("/_sandbox/accounts", content=b"{")).status_code == 400

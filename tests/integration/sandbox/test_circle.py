"""A message through the sandbox: accepted, logged, told by webhooks."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.sandbox import DEADLINE, Box, Receiver, receiver, sandbox, until


async def test_a_text_is_accepted_logged_and_its_statuses_come_by_webhook(box: Box, heard: Receiver) -> None:
    await box.writes("15550000001", name="Ann")
    answer = await box.text("hällo/…", "+1 555 000 0001", biz_opaque_callback_data="id-1")
    assert answer.status_code == 200
    told = answer.json()
    wamid = told["messages"][0]["id"]
    assert told["contacts"][0]["input"] == "+1 555 000 0001"
    assert told["contacts"][0]["wa_id"] == "15550000001"
    assert "message_status" not in told["messages"][0]
    (row,) = await box.sends()
    assert (row["to"], row["wamid"], row["outcome"], row["type"]) == ("15550000001", wamid, "accepted", "text")
    assert row["body"]["text"] == {"body": "hällo/…"}
    await until(lambda: len(heard.statuses) >= 2)
    assert [status["status"] for status in heard.statuses] == ["sent", "delivered"]
    assert {status["id"] for status in heard.statuses} == {wamid}
    assert {status["biz_opaque_callback_data"] for status in heard.statuses} == {"id-1"}
    assert {status["recipient_id"] for status in heard.statuses} == {"15550000001"}


async def test_a_users_message_comes_with_its_profile_and_opens_the_window(box: Box, heard: Receiver) -> None:
    await box.writes("15550000001", name="Ánn", text={"body": "a/b"})
    (message,) = await until(lambda: heard.messages)
    assert (message["from"], message["type"], message["text"]) == ("15550000001", "text", {"body": "a/b"})
    value = heard.of("messages")[0]
    assert value["contacts"][0]["profile"] == {"name": "Ánn"}
    assert value["metadata"]["phone_number_id"] == box.number
    assert b"\\u00c1nn" in heard.bodies[0]
    assert b"a\\/b" in heard.bodies[0]
    assert (await box.text()).status_code == 200
    await until(lambda: [status["status"] for status in heard.statuses] == ["sent", "delivered"])


async def test_a_free_form_message_outside_the_window_is_accepted_and_fails_later(box: Box, heard: Receiver) -> None:
    assert (await box.text()).status_code == 200
    (failed,) = await until(lambda: heard.statuses)
    assert failed["status"] == "failed"
    assert failed["errors"][0]["code"] == 131047
    assert failed["errors"][0]["title"] == failed["errors"][0]["message"]


async def test_a_refused_webhook_comes_again_and_does_not_hold_up_others(box: Box, heard: Receiver) -> None:
    heard.refuse = 2
    await box.writes("15550000001")
    await until(lambda: heard.attempts >= 1)
    await box.writes("15550000002")
    await until(lambda: len(heard.messages) == 2)
    assert heard.attempts == 4


async def test_a_receiver_that_was_away_gets_everything_when_it_is_back(tmp_path: Path) -> None:
    async with receiver() as away:
        url = away.url
    async with sandbox(tmp_path, url) as box:
        await box.connect()
        for n in range(200):
            await box.writes(f"1555000{n:04d}")
        await wait_for_attempts(box)
        async with receiver(urlsplit(url).port or 0) as back:
            await until(lambda: len(back.messages) == 200)
            assert back.attempts == 200
            assert (await box.control("GET", "/webhooks"))["pending"] == 0


async def wait_for_attempts(box: Box) -> None:
    """Wait until the receiver was found away, and asked again in vain."""
    async with asyncio.timeout(DEADLINE):
        while len((await box.control("GET", "/webhooks"))["data"]) < 2:  # noqa: ASYNC110  # it is another's state
            await asyncio.sleep(0.05)


async def test_no_webhook_flows_before_the_app_is_subscribed(box: Box, heard: Receiver) -> None:
    silent = await box.control("POST", "/accounts", {})
    number = silent["phone_numbers"][0]["phone_number_id"]
    body = {"phone_number_id": number, "from": "15550000009", "type": "text", "text": {"body": "hi"}}
    await box.control("POST", "/inbound", body)
    await box.writes("15550000001")
    await until(lambda: heard.messages)
    assert [message["from"] for message in heard.messages] == ["15550000001"]


async def test_a_template_send_says_that_it_was_accepted_and_is_priced_as_its_category(
    box: Box, heard: Receiver
) -> None:
    await box.control("PUT", "/timing", {"pricing_on_sent": 1})
    template = {"name": "hello_world", "language": {"code": "en_US"}}
    answer = await box.send({"type": "template", "template": template})
    assert answer.json()["messages"][0]["message_status"] == "accepted"
    await until(lambda: heard.statuses)
    assert heard.statuses[0]["pricing"] == {
        "billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility",
    }  # fmt: skip
    assert json.loads(heard.bodies[0])["object"] == "whatsapp_business_account"

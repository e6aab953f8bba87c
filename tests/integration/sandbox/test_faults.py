"""Faults on the way in and on the way of webhooks."""

import json
import time

import httpx
import pytest

from tests.support.sandbox import Box, Receiver, until


async def test_a_message_whose_answer_is_lost_is_logged_and_told_all_the_same(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.control("POST", "/faults", {"kind": "accept_then_reset", "count": 1})
    with pytest.raises(httpx.ReadError):
        await box.text(biz_opaque_callback_data="lost")
    (row,) = await box.sends()
    assert (row["outcome"], row["biz_opaque_callback_data"]) == ("accepted_reset", "lost")
    await until(lambda: [status["status"] for status in heard.statuses] == ["sent", "delivered"])
    assert (await box.text()).status_code == 200


async def test_a_message_may_be_accepted_and_never_answered(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.control("POST", "/faults", {"kind": "accept_no_answer", "count": 1})
    box.http.timeout = httpx.Timeout(0.5)
    with pytest.raises(httpx.ReadTimeout):
        await box.text(biz_opaque_callback_data="mute")
    assert [row["outcome"] for row in await box.sends()] == ["accepted_no_answer"]
    await until(lambda: heard.statuses)


async def test_a_refused_connection_accepts_nothing(box: Box) -> None:
    await box.control("POST", "/faults", {"kind": "refuse", "count": 1})
    with pytest.raises(httpx.ReadError):
        await box.text()
    assert await box.sends() == []


async def test_any_error_can_be_played_and_is_not_in_the_accepted_log(box: Box) -> None:
    wish = {"kind": "error", "code": 130429, "count": 1, "details": "slow down", "to": "+15550000001"}
    await box.control("POST", "/faults", wish)
    assert (await box.text(to="15550000002")).status_code == 200
    answer = await box.text()
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["error_subcode"]) == (130429, 2494055)
    assert error["error_data"] == {"messaging_product": "whatsapp", "details": "slow down"}
    assert error["fbtrace_id"]
    assert len(await box.sends()) == 1
    assert (await box.control("GET", "/rejects"))["data"][0]["code"] == 130429
    assert (await box.control("GET", "/faults"))["data"][0]["fired"] == 1


async def test_a_failure_can_be_told_later_instead(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.control("POST", "/faults", {"kind": "error", "code": 131049, "later": True, "count": 1})
    assert (await box.text()).status_code == 200
    await until(lambda: heard.statuses)
    assert (heard.statuses[0]["status"], heard.statuses[0]["errors"][0]["code"]) == ("failed", 131049)


async def test_a_server_error_comes_with_or_without_a_graph_body(box: Box) -> None:
    await box.control("POST", "/faults", {"kind": "http_5xx", "count": 1})
    await box.control(
        "POST", "/faults", {"kind": "http_5xx", "count": 1, "status": 500, "body": "graph", "code": 131000}
    )
    await box.control("POST", "/faults", {"kind": "http_5xx", "count": 1, "status": 502, "body": "html"})
    answers = [await box.text() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 500, 502]
    assert answers[0].content == b""
    assert answers[1].json()["error"]["code"] == 131000
    assert answers[2].headers["content-type"].startswith("text/html")
    assert await box.sends() == []


async def test_a_slow_answer_is_slow(box: Box) -> None:
    await box.control("POST", "/faults", {"kind": "slow", "seconds": 0.3, "count": 1})
    began = time.monotonic()
    assert (await box.text()).status_code == 200
    assert time.monotonic() - began >= 0.3


async def test_an_early_webhook_overtakes_the_answer(box: Box, heard: Receiver) -> None:
    await box.writes()
    await until(lambda: heard.messages)
    await box.control("PUT", "/timing", {"sent": 60})
    await box.control("POST", "/faults", {"kind": "webhooks_early", "count": 1})
    assert (await box.text()).status_code == 200
    assert heard.statuses[0]["status"] == "sent"


async def test_doubled_webhooks_come_twice(box: Box, heard: Receiver) -> None:
    await box.control("POST", "/faults", {"kind": "webhooks_doubled", "share": 1})
    await box.writes()
    await until(lambda: len(heard.messages) == 2)
    assert heard.bodies[0] == heard.bodies[1]


async def test_dropped_webhooks_never_come_and_late_ones_come_late(box: Box, heard: Receiver) -> None:
    await box.control("POST", "/faults", {"kind": "webhooks_dropped", "count": 1})
    await box.control("POST", "/faults", {"kind": "webhooks_late", "count": 1, "seconds": 0.4})
    began = time.monotonic()
    first, second = await box.writes(), await box.writes()
    await until(lambda: heard.messages)
    assert time.monotonic() - began >= 0.4
    assert [message["id"] for message in heard.messages] == [second["id"]]
    assert first["id"] != second["id"]
    assert (await box.control("GET", "/webhooks"))["pending"] == 0


async def test_badly_signed_webhooks_come_again_well_signed(box: Box, heard: Receiver) -> None:
    await box.control("POST", "/faults", {"kind": "webhooks_badly_signed", "count": 1})
    await box.writes()
    await until(lambda: heard.messages)
    assert heard.badly_signed == heard.bodies


async def test_batched_webhooks_share_a_post(box: Box, heard: Receiver) -> None:
    await box.writes()
    await until(lambda: heard.messages)
    await box.control("POST", "/faults", {"kind": "webhooks_batched", "seconds": 0.3})
    for n in range(10):
        await box.text(biz_opaque_callback_data=str(n))
    await until(lambda: len(heard.statuses) == 20)
    assert len(heard.bodies) < 10
    entry = json.loads(heard.bodies[1])["entry"][0]
    assert len(entry["changes"]) == 1
    assert len(entry["changes"][0]["value"]["statuses"]) > 1


async def test_shuffled_webhooks_come_in_another_order_than_they_happened(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.control("PUT", "/timing", {"sent": 0.05, "delivered": 0.05, "read": 0.05, "read_share": 1})
    await box.control("POST", "/faults", {"kind": "webhooks_shuffled", "share": 1})
    for n in range(5):
        await box.text(biz_opaque_callback_data=str(n))
    await until(lambda: len(heard.statuses) == 15)
    orders = {n: [s["status"] for s in heard.statuses if s["biz_opaque_callback_data"] == str(n)] for n in range(5)}
    assert any(order != ["sent", "delivered", "read"] for order in orders.values())
    assert all(sorted(order) == ["delivered", "read", "sent"] for order in orders.values())


async def test_faults_are_cleared_one_by_one_or_all(box: Box) -> None:
    first = await box.control("POST", "/faults", {"kind": "refuse"})
    await box.control("POST", "/faults", {"kind": "error", "code": 2})
    await box.control("DELETE", f"/faults/{first['id']}")
    assert (await box.text()).status_code == 503
    await box.control("DELETE", "/faults")
    assert (await box.text()).status_code == 200
    answer = await box.http.request("POST", "/_sandbox/faults", json={"kind": "earthquake"})
    assert answer.status_code == 400
    assert "webhooks_doubled" in answer.json()["error"]

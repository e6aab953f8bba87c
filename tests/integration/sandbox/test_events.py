"""What Meta does to accounts and numbers, with its webhooks."""

from typing import Any

from tests.support.sandbox import APP_SECRET, Box, Receiver, until


async def happen(box: Box, **wish: Any) -> None:
    await box.control("POST", f"/accounts/{box.waba_id}/events", wish)


async def field(box: Box, path: str, name: str) -> Any:
    return (await box.graph("GET", f"/{path}?fields={name}")).json()[name]


async def test_limit_and_throughput_change_and_are_told(box: Box, heard: Receiver) -> None:
    await happen(box, event="TIER", messaging_limit=10_000)
    await happen(box, event="THROUGHPUT", throughput=1000)
    await until(lambda: len(heard.of("phone_number_quality_update")) == 2)
    tier, throughput = heard.of("phone_number_quality_update")
    assert (tier["event"], tier["current_limit"], tier["old_limit"]) == ("UPGRADE", "TIER_10K", "TIER_250")
    assert throughput["event"] == "THROUGHPUT_UPGRADE"
    assert heard.of("business_capability_update")[0]["max_daily_conversations_per_business"] == 10_000
    assert await field(box, box.number, "throughput") == {"level": "HIGH"}
    assert await field(box, box.number, "whatsapp_business_manager_messaging_limit") == "TIER_10K"
    assert all(entry.get("waba_id") == box.waba_id for entry in heard.changes)


async def test_quality_falls_and_flags_the_number(box: Box, heard: Receiver) -> None:
    await happen(box, event="FLAGGED", phone_number_id=box.number)
    await until(lambda: heard.of("phone_number_quality_update"))
    assert await field(box, box.number, "quality_rating") == "RED"
    assert await field(box, box.number, "status") == "FLAGGED"
    await happen(box, event="UNFLAGGED")
    assert await field(box, box.number, "quality_rating") == "GREEN"


async def test_a_ban_stops_sending_until_it_is_lifted(box: Box, heard: Receiver) -> None:
    await happen(box, event="BAN")
    assert (await box.text()).json()["error"]["code"] == 131031
    await happen(box, event="BAN", state="REINSTATE")
    assert (await box.text()).status_code == 200
    await until(lambda: len(heard.of("account_update")) == 2)
    states = [value["ban_info"]["waba_ban_state"] for value in heard.of("account_update")]
    assert sorted(states) == ["DISABLE", "REINSTATE"]


async def test_a_restriction_stops_templates_only(box: Box, heard: Receiver) -> None:
    hello = {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}}
    await happen(box, event="RESTRICTION")
    assert (await box.send(hello)).json()["error"]["code"] == 368
    assert (await box.text()).status_code == 200
    await happen(box, event="UNRESTRICT")
    assert (await box.send(hello)).status_code == 200
    (value,) = await until(lambda: heard.of("account_update"))
    assert value["restriction_info"][0]["restriction_type"] == "RESTRICTED_BIZ_INITIATED_MESSAGING"


async def test_review_name_and_any_other_event_are_told(box: Box, heard: Receiver) -> None:
    await happen(box, event="REVIEW", decision="REJECTED")
    await happen(box, event="NAME", name="New Shop")
    await happen(box, event="VERIFIED_ACCOUNT")
    await happen(box, field="security", value={"event": "PIN_CHANGED"})
    await until(lambda: len(heard.bodies) == 4)
    assert heard.of("account_review_update") == [{"decision": "REJECTED"}]
    assert heard.of("phone_number_name_update")[0]["requested_verified_name"] == "New Shop"
    assert heard.of("account_update") == [{"event": "VERIFIED_ACCOUNT"}]
    assert heard.of("security") == [{"event": "PIN_CHANGED"}]
    assert await field(box, box.number, "verified_name") == "New Shop"


async def test_a_given_body_is_delivered_signed_as_it_is(box: Box, heard: Receiver) -> None:
    raw = b'{"object": "whatsapp_business_account",  "entry": []}'
    answer = await box.http.post("/_sandbox/webhooks", content=raw)
    assert answer.json() == {"result": 200}
    assert heard.bodies == [raw]
    assert heard.secret == APP_SECRET

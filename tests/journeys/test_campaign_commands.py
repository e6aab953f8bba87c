"""Campaigns of internal producers: commands through Kafka, and what is told of campaigns."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from libs.events.envelope import Envelope
from libs.events.topics import CAMPAIGNS_COMMANDS, CAMPAIGNS_PROGRESS
from tests.support.campaigns import STORED, arrived, becomes, does, draft, launched, read
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import install
from tests.support.topics import envelope, produce, told


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A fast number with the usual templates."""
    made = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def command(stack: Stack, campaign_id: str, name: str, **fields: Any) -> tuple[Envelope, bytes]:
    made = envelope(stack, type=f"{name}.v1", subject=campaign_id)
    return made, json.dumps({"campaign_id": campaign_id} | fields).encode()


async def say(stack: Stack, campaign_id: str, *records: tuple[Envelope, bytes]) -> None:
    await produce(stack, *records, topic=CAMPAIGNS_COMMANDS, key=campaign_id.encode())


def body_of(number: Number) -> dict[str, Any]:
    return {"name": "internal", "template": "notice", "phone_number_id": number.id}


async def test_a_campaign_is_made_filled_and_launched_by_commands_that_come_twice(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, who = str(uuid4()), germans(40)
    records = [
        command(stack, campaign_id, "CreateCampaign", campaign=body_of(shop)),
        command(stack, campaign_id, "AddRecipients", recipients=[{"to": f"+{each}"} for each in who]),
        command(stack, campaign_id, "LaunchCampaign", options={"rate_per_second": 500}),
    ]
    await say(stack, campaign_id, records[0], records[0], records[1], records[2], records[2])
    until(lambda: stack.call("GET", f"/campaigns/{campaign_id}").status_code == 200, "it is made")
    becomes(stack, campaign_id, "completed")
    until(lambda: read(stack, campaign_id)["counts"]["delivered"] == 40, "all are delivered")
    assert {each: arrived(shop)[each] for each in who} == dict.fromkeys(who, 1)

    def last(_: dict[str, str], data: dict[str, Any]) -> bool:
        is_ours = data["campaign_id"] == campaign_id and data.get("status") == "completed"
        return bool(is_ours and data.get("counts", {}).get("delivered") == 40)

    headers, data = (await told(stack, CAMPAIGNS_PROGRESS, last, 1))[0]
    assert headers["ce_type"] == "CampaignProgressed.v1"
    assert (data["recipients"], sum(data["counts"].values())) == (40, 40)
    _, first = (await told(stack, CAMPAIGNS_PROGRESS, lambda _, it: it["campaign_id"] == campaign_id, 1))[0]
    assert "error" not in first, "a command that came twice is no refusal"


async def test_a_command_that_is_refused_is_told_with_the_apis_own_error(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = draft(shop, germans(1))
    wrong = [
        (command(stack, campaign_id, "LaunchCampaign", options={"colour": "red"}), "unknown_field"),
        (command(stack, campaign_id, "LaunchCampaign", options={"dry_run": True}), "invalid_field"),
        (command(stack, campaign_id, "PauseCampaign"), "wrong_state"),
        (command(stack, str(uuid4()), "CancelCampaign"), "campaign_not_found"),
        (command(stack, "no uuid", "CancelCampaign"), "invalid_field"),
        (command(stack, str(uuid4()), "CreateCampaign", campaign=body_of(shop) | {"template": "none"}),
         "template_not_found"),
    ]  # fmt: skip
    await say(stack, campaign_id, *(record for record, _ in wrong))
    ids = {record[0].id: code for record, code in wrong}
    found = await told(stack, CAMPAIGNS_PROGRESS, lambda _, it: it.get("command_id") in ids, len(wrong))
    assert {data["command_id"]: data["error"]["code"] for _, data in found} == ids
    assert {headers["ce_causationid"] for headers, _ in found} == set(ids)
    assert read(stack, campaign_id)["status"] == "draft"


async def test_another_tenants_campaign_is_not_reached_by_a_command(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(shop, germans(1), scheduled_at="2099-01-01T00:00:00Z")
    made, value = command(stack, campaign_id, "CancelCampaign")
    stranger = made._replace(tenant=str(uuid4()))
    await say(stack, campaign_id, (stranger, value))
    ((_, data),) = await told(stack, CAMPAIGNS_PROGRESS, lambda _, it: it.get("command_id") == made.id, 1)
    assert data["error"]["code"] == "campaign_not_found"
    assert read(stack, campaign_id)["status"] == "scheduled"
    assert does(stack, campaign_id, "cancel").status_code == 202


async def test_a_command_that_cannot_be_read_is_buried_and_those_behind_it_go_on(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = draft(shop, germans(2))
    broken = envelope(stack, type="LaunchCampaign.v1"), b"no json"
    before = stack.metric("campaigns", "wabus_dead_letters_total")
    await say(stack, campaign_id, broken, command(stack, campaign_id, "LaunchCampaign"))
    becomes(stack, campaign_id, "completed")
    assert stack.metric("campaigns", "wabus_dead_letters_total") == before + 1

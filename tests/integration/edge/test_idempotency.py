import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.support.running import API, Number, Stack
from tests.support.shared_stack import Tenant, greet, newest, refused


@pytest.fixture
def friend(number: Number, person: Callable[[], str]) -> str:
    """Somebody who may be written to."""
    who = person()
    greet(number, who)
    return who


@pytest.mark.parametrize("key", ["", "k" * 256, "two\tparts", "gr\xfcn"])
@pytest.mark.parametrize("path", ["/messages", "/templates/sync", "/onboarding/manual"])
def test_a_key_that_is_none_is_refused(stack: Stack, number: Number, path: str, key: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "/messages": {"phone_number_id": number.id, "to": "+15571234567", "text": "hello"},
        "/templates/sync": {},
        "/onboarding/manual": {"waba_id": "1", "phone_number_id": "1", "access_token": "x"},
    }
    answer = stack.http.request(
        "POST", stack.info["edge"] + "/api/v1/whatsapp" + path, json=bodies[path],
        headers=[(b"authorization", f"Bearer {stack.key}".encode()), (b"idempotency-key", key.encode("latin-1"))],
    )  # fmt: skip
    refused(answer, 422, "invalid_field", "Idempotency-Key")


def test_the_same_key_and_body_get_the_first_answer_again(stack: Stack, number: Number, friend: str) -> None:
    key = "k" * (255 - len(friend)) + friend
    first = number.send(friend, "once", Idempotency_Key=key)
    assert first.status_code == 202
    assert "Idempotent-Replayed" not in first.headers
    number.reaches(first.json()["id"], "delivered")
    again = number.send(friend, "once", Idempotency_Key=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert newest(stack, direction="outbound", recipient=friend) == first.json()["id"]


def test_the_same_key_with_another_body_is_refused(stack: Stack, number: Number, friend: str) -> None:
    first = number.send(friend, "once", Idempotency_Key=f"r-{friend}").json()["id"]
    error = refused(number.send(friend, "twice", Idempotency_Key=f"r-{friend}"), 422, "idempotency_key_reused")
    assert error["type"] == "idempotency_error"
    assert newest(stack, direction="outbound", recipient=friend) == first


def test_the_same_key_on_another_path_is_refused(stack: Stack, number: Number, friend: str) -> None:
    number.send(friend, "once", Idempotency_Key=f"p-{friend}")
    body = {"phone_number_id": number.id, "to": f"+{friend}", "template": "hello_world", "language": "en_US"}
    answer = stack.call("POST", "/messages/template", body, headers={"Idempotency-Key": f"p-{friend}"})
    refused(answer, 422, "idempotency_key_reused")


def test_a_key_belongs_to_its_tenant(stack: Stack, number: Number, friend: str, stranger: Tenant) -> None:
    headers = {"Idempotency-Key": f"t-{friend}"}
    assert number.send(friend, "mine", Idempotency_Key=f"t-{friend}").status_code == 202
    body = {"phone_number_id": number.id, "to": f"+{friend}", "text": "mine"}
    refused(stack.call("POST", "/messages", body, key=stranger.key, headers=headers), 404, "number_not_found")


def test_a_refused_body_does_not_use_its_key_up(number: Number, friend: str) -> None:
    refused(number.send(friend, "", Idempotency_Key=f"v-{friend}"), 422)
    assert number.send(friend, "better", Idempotency_Key=f"v-{friend}").status_code == 202


def test_twenty_at_once_with_one_key_are_one_message(stack: Stack, number: Number, friend: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: number.send(friend, "once", Idempotency_Key=f"c-{friend}"), range(20)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    rows = stack.call("GET", f"/messages?direction=outbound&recipient={friend}").json()["data"]
    assert len(rows) == 1


def test_a_thousand_at_once_with_one_key_are_one_message(stack: Stack, number: Number, friend: str) -> None:
    body = {"phone_number_id": number.id, "to": f"+{friend}", "text": "once"}
    headers = {"Authorization": f"Bearer {stack.key}", "Idempotency-Key": f"thousand-{friend}"}
    url = stack.info["edge"] + API + "/messages"

    async def post_all() -> list[tuple[int, dict[str, Any]]]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200), headers=headers) as session:

            async def post() -> tuple[int, dict[str, Any]]:
                async with session.post(url, json=body) as answer:
                    return answer.status, await answer.json()

            return await asyncio.gather(*(post() for _ in range(1000)))

    answers = asyncio.run(post_all())
    assert {status for status, _ in answers} == {202}
    assert len({found["id"] for _, found in answers}) == 1
    message_id = answers[0][1]["id"]
    number.reaches(message_id, "delivered")
    rows = stack.call("GET", f"/messages?direction=outbound&recipient={friend}").json()["data"]
    assert [row["id"] for row in rows] == [message_id]
    assert len([each for each in stack.sends() if each["to"] == friend]) == 1


def test_a_sync_asked_for_twice_with_one_key_is_one_job(stack: Stack, number: Number, friend: str) -> None:
    headers = {"Idempotency-Key": f"s-{friend}"}
    first = stack.call("POST", "/templates/sync", {"waba_id": number.waba_id}, headers=headers)
    again = stack.call("POST", "/templates/sync", {"waba_id": number.waba_id}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = stack.call("POST", "/templates/sync", {}, headers=headers)
    refused(other, 422, "idempotency_key_reused")

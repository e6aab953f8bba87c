"""What is refused at once: tokens, objects, limits, states of numbers and accounts."""

import asyncio
from typing import Any

import httpx

from tests.support.sandbox import Box, Receiver, until


def error_of(answer: httpx.Response) -> dict[str, Any]:
    found = answer.json()["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= set(found)
    return dict(found)


async def test_a_call_without_or_with_a_bad_token_is_not_let_in(box: Box) -> None:
    bare = await box.http.post(f"/v25.0/{box.number}/messages", json={})
    assert error_of(bare)["code"] == 2500
    bad = await box.graph("GET", f"/{box.waba_id}", token="EAAnothing")
    assert (bad.status_code, error_of(bad)["code"]) == (401, 190)
    assert bad.headers["www-authenticate"].startswith('OAuth "Facebook Platform" "invalid_token"')
    query = await box.http.get(f"/{box.waba_id}", params={"access_token": box.account["access_token"]})
    assert query.json()["id"] == box.waba_id


async def test_an_unknown_object_and_somebody_elses_get_the_same_answer(box: Box) -> None:
    other = await box.control("POST", "/accounts", {})
    number = other["phone_numbers"][0]["phone_number_id"]
    for method, path in (("POST", f"/{number}/messages"), ("GET", f"/{number}"), ("GET", "/123"), ("DELETE", "/123")):
        answer = await box.graph(method, path, {} if method == "POST" else None)
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["error_subcode"]) == (400, 100, 33)
        assert error["type"] == "GraphMethodException"
        assert error["message"].startswith(f"Unsupported {method.lower()} request. Object with ID '")


async def test_a_body_that_cannot_be_read_has_no_parameters(box: Box) -> None:
    for raw in (b"", b"{", b"[1]", b'{"text":"\xff"}', b"[" * 5000):
        answer = await box.graph("POST", f"/{box.number}/messages", content=raw)
        assert error_of(answer)["message"] == "(#100) The parameter messaging_product is required."
    lone = await box.graph("POST", f"/{box.number}/messages", content=b'{"messaging_product":"whatsapp","x":"\\ud800"}')
    assert error_of(lone)["code"] == 100
    form = {"messaging_product": "whatsapp", "to": "15550000001", "type": "text", "text": '{"body":"form"}'}
    assert (await box.graph("POST", f"/{box.number}/messages", data=form)).status_code == 200
    assert (await box.sends())[0]["body"]["text"] == {"body": "form"}


async def test_the_throughput_of_a_number_holds_until_it_is_lifted(box: Box) -> None:
    await box.connect(throughput=5)

    async def burst() -> list[int]:
        answers = await asyncio.gather(*(box.text(to=f"1555000{n:04d}") for n in range(20)))
        return [error_of(answer)["code"] for answer in answers if answer.status_code != 200]

    assert set(await burst()) == {130429}
    await box.control("PUT", "/limits", {"throughput": False})
    assert await burst() == []


async def test_the_pair_rate_holds_until_it_is_lifted(box: Box) -> None:
    codes = [(await box.text()).status_code for _ in range(50)]
    assert codes[:45] == [200] * 45
    refused = await box.text()
    assert error_of(refused)["code"] == 131056
    await box.control("PUT", "/limits", {"pair_rate": False})
    assert (await box.text()).status_code == 200


async def test_people_beyond_the_messaging_limit_are_not_reached(box: Box, heard: Receiver) -> None:
    await box.connect(messaging_limit=2)
    hello = {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}}
    for n in range(3):
        assert (await box.send(hello, f"1555000000{n}")).status_code == 200
    await until(lambda: any(status["status"] == "failed" for status in heard.statuses))
    (failed,) = [status for status in heard.statuses if status["status"] == "failed"]
    assert (failed["recipient_id"], failed["errors"][0]["code"]) == ("15550000002", 131048)


async def test_a_number_that_is_not_registered_or_writes_to_itself_is_refused(box: Box) -> None:
    own = box.account["phone_numbers"][0]["display_phone_number"]
    assert error_of(await box.text(to=own))["code"] == 131021
    await box.connect(registered=False)
    assert error_of(await box.text())["code"] == 133010
    answer = await box.graph("POST", f"/{box.number}/register", {"messaging_product": "whatsapp", "pin": "123456"})
    assert answer.json() == {"success": True}
    assert (await box.text()).status_code == 200
    await box.connect(allowed_recipients=["15550000001"])
    assert (await box.text()).status_code == 200
    assert error_of(await box.text(to="15550000002"))["code"] == 131030


async def test_a_revoked_token_is_dead_and_other_accounts_live_on(box: Box) -> None:
    other = dict(box.account)
    await box.connect()
    await box.control("POST", f"/accounts/{box.waba_id}/events", {"event": "TOKEN_REVOKED"})
    error = error_of(await box.text())
    assert (error["code"], error["error_subcode"]) == (190, 460)
    box.account = other
    assert (await box.text()).status_code == 200


async def test_templates_are_checked_before_anything_is_accepted(box: Box) -> None:
    unknown = {"type": "template", "template": {"name": "nope", "language": {"code": "en_US"}}}
    answer = await box.send(unknown)
    assert (answer.status_code, error_of(answer)["code"]) == (404, 132001)
    assert error_of(answer)["error_data"]["details"] == "template name (nope) does not exist in en_US"
    assert await box.sends() == []


async def test_the_version_in_the_path_is_optional(box: Box) -> None:
    headers = {"Authorization": f"Bearer {box.account['access_token']}"}
    body = {"messaging_product": "whatsapp", "to": "15550000001", "text": {"body": "hi"}}
    for prefix in ("", "/v19.0", "/v25.0"):
        assert (await box.http.post(f"{prefix}/{box.number}/messages", json=body, headers=headers)).status_code == 200
        assert (await box.http.get(f"{prefix}/{box.number}", headers=headers)).status_code == 200

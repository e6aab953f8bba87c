"""Templates over the Graph API and what Meta decides about them."""

from typing import Any

from tests.support.sandbox import Box, Receiver, until

BODY = {"type": "BODY", "text": "Hi {{1}}, all is set.", "example": {"body_text": [["Ann"]]}}
NEW = {"name": "greeting", "category": "UTILITY", "language": "en_US", "components": [BODY]}


async def create(box: Box, **more: Any) -> dict[str, Any]:
    answer = await box.graph("POST", f"/{box.waba_id}/message_templates", NEW | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def review(box: Box, template_id: str, action: str, **more: Any) -> None:
    await box.control("POST", f"/templates/{template_id}/review", {"action": action} | more)


async def test_a_template_is_pending_until_it_is_approved_and_then_it_can_be_sent(box: Box, heard: Receiver) -> None:
    made = await create(box)
    assert (made["status"], made["category"]) == ("PENDING", "UTILITY")
    values = [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}]
    send: dict[str, Any] = {
        "type": "template",
        "template": {"name": "greeting", "language": {"code": "en_US"}, "components": values},
    }
    assert (await box.send(send)).json()["error"]["code"] == 132001
    await review(box, made["id"], "approve")
    (told,) = await until(lambda: heard.of("message_template_status_update"))
    assert told == {
        "event": "APPROVED", "message_template_id": int(made["id"]), "message_template_name": "greeting",
        "message_template_language": "en_US", "reason": "NONE", "message_template_category": "UTILITY",
    }  # fmt: skip
    assert (await box.send(send)).status_code == 200
    send["template"]["components"] = []
    assert (await box.send(send)).json()["error"]["code"] == 132000


async def test_decisions_change_the_template_and_are_told(box: Box, heard: Receiver) -> None:
    made = await create(box)
    for action, status in (
        ("reject", "REJECTED"), ("approve", "APPROVED"), ("pause", "PAUSED"), ("unpause", "APPROVED"),
        ("pause", "PAUSED"), ("pause", "DISABLED"),
    ):  # fmt: skip
        await review(box, made["id"], action, reason="TAG_CONTENT_MISMATCH")
        shown = (await box.graph("GET", f"/{made['id']}?fields=status,rejected_reason")).json()
        assert shown["status"] == status
    events = await until(
        lambda: len(heard.of("message_template_status_update")) == 6 and heard.of("message_template_status_update")
    )
    assert [event["event"] for event in events] == ["REJECTED", "APPROVED", "PAUSED", "APPROVED", "PAUSED", "DISABLED"]
    assert events[0]["reason"] == "TAG_CONTENT_MISMATCH"
    assert [event["other_info"]["title"] for event in events[2:]] == [
        "FIRST_PAUSE",
        "UNPAUSE",
        "SECOND_PAUSE",
        "DISABLED",
    ]
    assert events[5]["disable_info"]["disable_date"]


async def test_category_and_quality_change_by_webhook(box: Box, heard: Receiver) -> None:
    made = await create(box)
    await review(box, made["id"], "approve", category="MARKETING")
    await review(box, made["id"], "quality", quality="YELLOW")
    await review(box, made["id"], "recategorise", category="UTILITY", announced=True)
    (quality,) = await until(lambda: heard.of("message_template_quality_update"))
    assert (quality["previous_quality_score"], quality["new_quality_score"]) == ("UNKNOWN", "YELLOW")
    changed, announced = await until(
        lambda: len(heard.of("template_category_update")) == 2 and heard.of("template_category_update")
    )
    assert (changed["previous_category"], changed["new_category"]) == ("UTILITY", "MARKETING")
    assert announced["correct_category"] == "UTILITY"
    shown = (await box.graph("GET", f"/{made['id']}?fields=category,correct_category,quality_score")).json()
    assert (shown["category"], shown["correct_category"]) == ("MARKETING", "UTILITY")


async def test_all_pages_are_read_by_following_next(box: Box) -> None:
    wish = [{"name": f"t{n:03d}", "components": [{"type": "BODY", "text": str(n)}]} for n in range(60)]
    await box.control("POST", "/templates", {"waba_id": box.waba_id, "templates": wish})
    names, url, pages = [], f"{box.url}/v25.0/{box.waba_id}/message_templates?limit=25", 0
    while url:
        page = (await box.http.get(url, headers={"Authorization": f"Bearer {box.account['access_token']}"})).json()
        names += [row["name"] for row in page["data"]]
        url, pages = page["paging"].get("next"), pages + 1
    assert pages == 3
    assert sorted(names) == sorted([*(f"t{n:03d}" for n in range(60)), "hello_world"])
    stale = await box.graph("GET", f"/{box.waba_id}/message_templates?after=bogus")
    assert stale.json()["error"]["code"] == 131059
    rows = (await box.graph("GET", f"/{box.waba_id}/message_templates?name=t05&fields=name,status")).json()["data"]
    assert [set(row) for row in rows] == [{"id", "name", "status"}] * 10


async def test_what_is_there_cannot_be_made_again_and_what_is_deleted_stays_blocked(box: Box) -> None:
    made = await create(box)
    path = f"/{box.waba_id}/message_templates"

    async def subcode(**more: Any) -> Any:
        return (await box.graph("POST", path, NEW | more)).json()["error"].get("error_subcode")

    assert await subcode() == 2388024
    assert await subcode(name="other") == 2388024
    assert await subcode(language="de", category="MARKETING") is None
    await review(box, made["id"], "approve")
    assert (await box.graph("DELETE", f"{path}?name=greeting&hsm_id={made['id']}")).json() == {"success": True}
    assert await subcode() == 2388023
    assert (await box.graph("DELETE", f"{path}?name=greeting")).json()["error"]["error_subcode"] == 2593002
    await box.control("PUT", "/clock", {"advance_seconds": 31 * 24 * 3600})
    await create(box)


async def test_an_edit_returns_the_template_to_review_and_is_counted(box: Box) -> None:
    made = await create(box)
    pending = await box.graph("POST", f"/{made['id']}", {"components": [BODY]})
    assert pending.json()["error"]["error_subcode"] == 2388039
    await review(box, made["id"], "approve")
    assert (await box.graph("POST", f"/{made['id']}", {"components": [BODY]})).json() == {"success": True}
    assert (await box.graph("GET", f"/{made['id']}?fields=status")).json()["status"] == "PENDING"
    await review(box, made["id"], "approve")
    again = await box.graph("POST", f"/{made['id']}", {"components": [BODY]})
    assert again.json()["error"]["error_subcode"] == 2388039


async def test_a_review_can_come_by_itself(box: Box, heard: Receiver) -> None:
    await box.control("PUT", "/timing", {"review": 0.01})
    await create(box)
    await until(lambda: heard.of("message_template_status_update"))


async def test_one_time_password_buttons_are_read_back_as_links(box: Box) -> None:
    button = {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]}
    made = await create(box, name="code", category="AUTHENTICATION", components=[{"type": "BODY"}, button])
    shown = (await box.graph("GET", f"/{made['id']}")).json()
    assert shown["components"][1]["buttons"][0]["type"] == "URL"


async def test_a_header_sample_is_uploaded_in_pieces(box: Box) -> None:
    app = "1000200030004000"
    begun = await box.graph("POST", f"/{app}/uploads?file_length=6&file_type=image/png&file_name=a.png")
    session = begun.json()["id"]
    token = {"Authorization": f"OAuth {box.account['access_token']}"}
    half = await box.http.post(f"/v25.0/{session}", content=b"abc", headers=token | {"file_offset": "0"})
    assert half.json()["file_offset"] == 3
    assert (await box.http.get(f"/v25.0/{session}", headers=token)).json() == {"id": session, "file_offset": 3}
    whole = await box.http.post(f"/v25.0/{session}", content=b"def", headers=token | {"file_offset": "3"})
    header = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [whole.json()["h"]]}}
    await create(box, components=[header, BODY])

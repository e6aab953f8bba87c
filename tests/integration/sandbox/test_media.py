"""Media: uploaded, described, downloaded, dead."""

import base64
import hashlib

from tests.support.sandbox import Box, Receiver, until

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 2000


async def upload(box: Box, content: bytes = PNG, mime_type: str = "image/png", **form: str) -> dict[str, object]:
    answer = await box.graph(
        "POST",
        f"/{box.number}/media",
        files={"file": ("a.png", content, mime_type)},
        data={"messaging_product": "whatsapp", "type": mime_type} | form,
    )
    return dict(answer.json())


async def test_a_file_goes_up_and_comes_back_with_the_token_only(box: Box) -> None:
    media_id = (await upload(box))["id"]
    told = (await box.graph("GET", f"/{media_id}?phone_number_id={box.number}")).json()
    assert (told["mime_type"], told["file_size"], told["id"]) == ("image/png", len(PNG), media_id)
    assert told["sha256"] == hashlib.sha256(PNG).hexdigest()
    headers = {"Authorization": f"Bearer {box.account['access_token']}"}
    assert (await box.http.get(told["url"])).status_code == 400
    whole = await box.http.get(told["url"], headers=headers)
    assert (whole.content, whole.headers["content-type"]) == (PNG, "image/png")
    await box.control("PUT", "/clock", {"advance_seconds": 301})
    assert (await box.http.get(told["url"], headers=headers)).status_code == 404
    fresh = (await box.graph("GET", f"/{media_id}")).json()["url"]
    assert (await box.http.get(fresh, headers=headers)).content == PNG
    assert (await box.graph("DELETE", f"/{media_id}")).json() == {"success": True}
    assert (await box.graph("GET", f"/{media_id}")).json()["error"]["error_subcode"] == 33


async def test_kinds_and_sizes_have_limits(box: Box) -> None:
    assert "file must be a file with one of" in str((await upload(box, mime_type="image/gif"))["error"])
    big = await upload(box, b"x" * (501 * 1024), "image/webp")
    assert "larger than" in str(big["error"])
    still, moving = b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02"
    assert "larger than" in str((await upload(box, still + b"x" * 101 * 1024, "image/webp"))["error"])
    assert "id" in await upload(box, moving + b"x" * 101 * 1024, "image/webp")
    bare = await box.graph("POST", f"/{box.number}/media", data={"messaging_product": "whatsapp"})
    assert bare.json()["error"]["message"] == "(#100) The parameter file is required."
    assert "messaging_product" in str((await upload(box, messaging_product="x"))["error"])


async def test_media_dies_after_thirty_days(box: Box) -> None:
    media_id = (await upload(box))["id"]
    await box.control("PUT", "/clock", {"advance_seconds": 30 * 24 * 3600 + 1})
    assert (await box.graph("GET", f"/{media_id}")).json()["error"]["error_subcode"] == 33


async def test_media_that_is_unknown_or_of_another_kind_fails_later(box: Box, heard: Receiver) -> None:
    await box.writes()
    media_id = (await upload(box))["id"]
    sends = [
        {"type": "image", "image": {"id": media_id}},
        {"type": "video", "video": {"id": media_id}},
        {"type": "image", "image": {"id": "999"}},
        {"type": "image", "image": {"link": "https://files.invalid/a.png"}},
    ]
    for n, send in enumerate(sends):
        assert (await box.send(send | {"biz_opaque_callback_data": str(n)})).status_code == 200
    await until(lambda: len(heard.statuses) == 5)
    ends = {status["biz_opaque_callback_data"]: status for status in heard.statuses}
    assert ends["0"]["status"] in ("sent", "delivered")
    assert [ends[str(n)]["errors"][0]["code"] for n in (1, 2, 3)] == [131053] * 3


async def test_what_a_user_sends_can_be_downloaded(box: Box, heard: Receiver) -> None:
    given = {"base64": base64.b64encode(PNG).decode(), "mime_type": "image/png", "caption": "look"}
    await box.writes(type="image", image=given)
    await box.writes(type="audio")
    image, audio = await until(
        lambda: len(heard.messages) == 2 and sorted(heard.messages, key=lambda m: m["type"])[::-1]
    )
    assert image["image"]["caption"] == "look"
    assert image["image"]["sha256"] == base64.b64encode(hashlib.sha256(PNG).digest()).decode()
    assert audio["audio"]["voice"] is True
    told = (await box.graph("GET", f"/{image['image']['id']}")).json()
    headers = {"Authorization": f"Bearer {box.account['access_token']}"}
    assert (await box.http.get(told["url"], headers=headers)).content == PNG

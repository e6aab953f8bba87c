import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from libs.graph.client import GraphClient
from libs.graph.errors import GraphRefused, GraphUnavailable
from libs.graph.media import GraphMedia, MediaFacts, OutgoingFile

GRAPH, HOST = "https://graph.facebook.com", "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1"


class Meta(httpx.AsyncBaseTransport):
    """Answers as it is told and keeps what it was asked."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.asked: list[tuple[httpx.Request, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Read the request whole and answer."""
        self.asked.append((request, await request.aread()))
        return self.answer


def media_of(meta: Meta, base: str = GRAPH) -> GraphMedia:
    return GraphMedia(GraphClient(base, "v25.0", meta), base, "v25.0", transport=meta)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    "url",
    [
        "http://lookaside.fbsbx.com/a", "https://lookaside.fbsbx.com.evil.test/a", "https://evil.test/lookaside.fbsbx.com",
        "https://127.0.0.1/a", "https://169.254.169.254/latest", "https://lookaside.fbsbx.com:8443/a",
        "https://lookaside.fbsbx.com@evil.test/a", "https://user:pass@lookaside.fbsbx.com/a", "file:///etc/passwd",
        "//lookaside.fbsbx.com/a", "https://fbsbx.com.evil/a", "https://notfbcdn.net/a", "gopher://x",
        "https://[::1]/a", "",
    ],
)  # fmt: skip
async def test_no_address_that_is_none_of_metas_is_followed(url: str) -> None:
    told = {"url": url, "mime_type": "image/png", "sha256": "00", "file_size": 3, "id": "1"}
    meta = Meta(httpx.Response(200, json=told))
    with pytest.raises(GraphUnavailable):
        await media_of(meta).describe("1", "2", "EAA")
    assert len(meta.asked) == 1  # the question itself


@pytest.mark.parametrize("url", [HOST, "https://scontent.xx.fbcdn.net/a", "https://mmg.whatsapp.net/a"])
async def test_metas_own_hosts_are_followed(url: str) -> None:
    told = {"url": url, "mime_type": "image/png", "sha256": "00", "file_size": "3", "id": "1"}
    facts = await media_of(Meta(httpx.Response(200, json=told))).describe("1", "2", "EAA")
    assert (facts.url, facts.size) == (url, 3)


async def test_the_sandbox_may_give_files_itself_and_nobody_else_there() -> None:
    media = media_of(Meta(httpx.Response(200)), "http://127.0.0.1:8090")
    assert media.may_come_from("http://127.0.0.1:8090/_sandbox/media-host/attachment?mid=1")
    assert not media.may_come_from("http://127.0.0.1:8091/_sandbox/media-host/attachment?mid=1")
    assert not media.may_come_from("https://127.0.0.1:8090/x")


@pytest.mark.parametrize("size", [-1, "many", 101 * 1024 * 1024, None])
async def test_a_size_that_is_none_is_refused(size: Any) -> None:
    told = {"url": HOST, "mime_type": "image/png", "sha256": "00", "file_size": size}
    with pytest.raises(GraphUnavailable):
        await media_of(Meta(httpx.Response(200, json=told))).describe("1", "2", "EAA")


@pytest.mark.parametrize("content", [b"four", b"fo"])
async def test_a_file_of_another_size_than_announced_breaks_off(content: bytes) -> None:
    media = media_of(Meta(httpx.Response(200, content=pieces(content))))
    with pytest.raises(GraphUnavailable):
        async with media.download(MediaFacts(HOST, "image/png", "00", 3), "EAA") as chunks:
            assert b"".join([chunk async for chunk in chunks]) is None


async def test_a_redirect_of_the_media_host_is_not_followed() -> None:
    meta = Meta(httpx.Response(302, headers={"location": "http://169.254.169.254/"}))
    with pytest.raises(GraphUnavailable):
        async with media_of(meta).download(MediaFacts(HOST, "image/png", "00", 3), "EAA"):
            pytest.fail("it was opened")
    assert len(meta.asked) == 1


@pytest.mark.parametrize("most", [7, 9, 8, 60, None])
async def test_the_form_is_as_long_as_it_was_said_to_be(most: int | None) -> None:
    meta = Meta(httpx.Response(200, json={"id": "77"}))
    file = OutgoingFile("a.png", "image/png", most, pieces(b"abc", b"defg"))
    assert await media_of(meta).upload("123", "EAA", file) == "77"
    request, body = meta.asked[0]
    assert request.url == f"{GRAPH}/v25.0/123/media"
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)
    assert parts[3].endswith(b"Content-Type: image/png\r\n\r\nabcdefg\r\n")
    assert parts[4].strip() == b"--"
    told = request.headers.get("content-length")
    assert told == (None if most is None else str(len(body)))


async def test_what_meta_says_of_an_upload_is_read() -> None:
    error = {"error": {"message": "(#100) no", "code": 100, "type": "OAuthException"}}
    file = OutgoingFile("a.png", "image/png", None, pieces(b"abc"))
    with pytest.raises(GraphRefused):
        await media_of(Meta(httpx.Response(400, content=json.dumps(error).encode()))).upload("1", "EAA", file)
    file = OutgoingFile("a.png", "image/png", None, pieces(b"abc"))
    with pytest.raises(GraphUnavailable):
        await media_of(Meta(httpx.Response(200, json={"id": 5}))).upload("1", "EAA", file)

"""Files of the Graph API, streamed: up to a number, up as a template's sample, and down from Meta's media host.

Nothing is held: a file goes out as it comes in, and waits where the other side waits.
"""

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from libs.graph.client import GraphClient, Json, read_answer, read_whole
from libs.graph.errors import GraphUnavailable
from libs.graph.media_types import LARGEST

# Seconds: between two writes Meta may take as long as a client of ours; after the last byte it looks at the file.
TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=60.0)
META_HOSTS = ("lookaside.fbsbx.com", ".fbsbx.com", ".fbcdn.net", ".whatsapp.net")  # a leading dot: all below it
FILENAME = "file"


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file on its way to Meta; `most` is the most bytes it can have, None where nobody knows."""

    name: str
    mime_type: str
    most: int | None
    chunks: AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What Meta says of a media id. The address works for five minutes, with the token."""

    url: str
    mime_type: str
    sha256: str
    size: int


class GraphMedia:
    """Moves files. A part. All calls raise GraphRefused or GraphUnavailable, and what reading the file raised.

    `hosts` are those that a download's address may name: it comes from outside, and the token goes to it.
    """

    def __init__(
        self,
        graph: GraphClient,
        base_url: str,
        version: str,
        hosts: Sequence[str] = META_HOSTS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._graph = graph
        self._base = f"{base_url.rstrip('/')}/{version}"
        self._own = httpx.URL(base_url)
        self._hosts = hosts
        self._client = httpx.AsyncClient(timeout=TIMEOUT, transport=transport, follow_redirects=False, trust_env=False)

    async def start(self) -> None:
        """Nothing to open: connections are made as needed."""

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def upload(self, phone_number_id: str, token: str, file: OutgoingFile) -> str:
        """Upload a file for a number while it comes; -> the media id. Cut off where reading the file raises."""
        form = _Form(file)
        answer = await self._post(f"/{phone_number_id}/media", f"Bearer {token}", form.headers(), form.body())
        return _text(answer, "id")

    async def sample(self, app_id: str, token: str, file: OutgoingFile, size: int) -> str:
        """Upload a template's sample of exactly `size` bytes by the resumable upload; -> its handle."""
        params = {"file_length": str(size), "file_type": file.mime_type, "file_name": file.name or FILENAME}
        begun = await self._graph.call("POST", f"/{app_id}/uploads", token, params=params)
        headers = {"file_offset": "0", "Content-Length": str(size), "Content-Type": "application/octet-stream"}
        answer = await self._post(f"/{_text(begun, 'id')}", f"OAuth {token}", headers, file.chunks)
        return _text(answer, "h")

    async def describe(self, media_id: str, phone_number_id: str, token: str) -> MediaFacts:
        """Ask where a file is; raises GraphUnavailable where the answer names no place that a file may come from."""
        told = await self._graph.call("GET", f"/{media_id}", token, params={"phone_number_id": phone_number_id})
        url, size = _text(told, "url"), str(told.get("file_size"))  # the size is a number in practice, text in the docs
        if not self.may_come_from(url):
            raise GraphUnavailable("Graph named a media address that is none of Meta's")
        if not size.isascii() or not size.isdigit() or int(size) > LARGEST:
            raise GraphUnavailable("Graph named a media size that is none")
        return MediaFacts(url, str(told.get("mime_type", ""))[:128], str(told.get("sha256", ""))[:128], int(size))

    @asynccontextmanager
    async def download(self, facts: MediaFacts, token: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file and yield its bytes as they come, exactly as many as were announced."""
        try:
            async with self._client.stream(
                "GET", facts.url, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
            ) as answer:
                if answer.status_code != 200 or "content-encoding" in answer.headers:
                    raise GraphUnavailable(f"the media host answered {answer.status_code}")
                yield _exactly(answer, facts.size)
        except httpx.TimeoutException:
            raise GraphUnavailable("the media host did not answer in time", slow=True) from None
        except httpx.HTTPError:
            raise GraphUnavailable("the media host could not be reached") from None

    async def delete(self, media_id: str, phone_number_id: str, token: str) -> None:
        """Delete a file."""
        await self._graph.call("DELETE", f"/{media_id}", token, params={"phone_number_id": phone_number_id})

    def may_come_from(self, address: str) -> bool:
        """Tell whether an address is one of Meta's media hosts over https, or the place that Graph itself is at."""
        try:
            url = httpx.URL(address)
        except (httpx.InvalidURL, TypeError):
            return False
        if url.userinfo:
            return False
        if (url.scheme, url.host, url.port) == (self._own.scheme, self._own.host, self._own.port):
            return True
        named = any(url.host == host or (host[:1] == "." and url.host.endswith(host)) for host in self._hosts)
        return url.scheme == "https" and url.port is None and named

    async def _post(self, path: str, authorization: str, headers: dict[str, str], body: AsyncIterable[bytes]) -> Json:
        try:
            answer = await self._client.send(
                self._client.build_request(
                    "POST", self._base + path, headers=headers | {"Authorization": authorization}, content=body
                ),
                stream=True,
            )
            try:
                raw = await read_whole(answer)
            finally:
                await answer.aclose()
        except httpx.TimeoutException:
            raise GraphUnavailable("Graph did not take the file in time", slow=True) from None
        except httpx.HTTPError:
            raise GraphUnavailable("Graph could not be reached") from None
        return read_answer(answer.status_code, raw)


class _Form:
    """The form that Graph takes a file in.

    Its length is told where the file's longest is known: what the file then lacks is made up behind the last boundary,
    where a reader of forms looks at nothing (RFC 2046). Graph is not known to take bodies of untold length.
    """

    def __init__(self, file: OutgoingFile) -> None:
        self._file = file
        self._boundary = secrets.token_hex(16)
        name = (file.name or FILENAME).encode("utf-8", "replace").decode("utf-8")
        fields = "".join(
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in (("messaging_product", "whatsapp"), ("type", file.mime_type))
        )
        self._head = (
            f"{fields}--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {file.mime_type}\r\n\r\n'
        ).encode()
        self._tail = f"\r\n--{self._boundary}--".encode()

    def headers(self) -> dict[str, str]:
        """Return what is told of the form before it comes."""
        kind = {"Content-Type": f"multipart/form-data; boundary={self._boundary}"}
        if self._file.most is None:
            return kind
        return kind | {"Content-Length": str(len(self._head) + self._file.most + len(self._tail))}

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the form."""
        yield self._head
        sent = 0
        async for chunk in self._file.chunks:
            sent += len(chunk)
            yield chunk
        lacking = 2 if self._file.most is None else self._file.most - sent
        yield self._tail + b"\r\n"[:lacking] + b" " * (lacking - 2)


async def _exactly(answer: httpx.Response, size: int) -> AsyncIterator[bytes]:
    came = 0
    async for chunk in answer.aiter_raw(64 * 1024):
        came += len(chunk)
        if came > size:
            raise GraphUnavailable("the media host sent more than Graph announced")
        yield chunk
    if came < size:
        raise GraphUnavailable("the media host sent less than Graph announced")


def _text(answer: Json, name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value or not value.isascii() or len(value) > 4096:
        raise GraphUnavailable(f"Graph's answer has no {name}")
    return value

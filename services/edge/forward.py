"""One door: resources that another service owns are passed on to it as a stream, with the caller's identity signed."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from libs.observability import tracing
from libs.web.bodies import JSON_LIMIT, read_body
from libs.web.door import FORWARDED_ID
from libs.web.errors import ApiError, NotFound, OutcomeUnclear, Unavailable
from libs.web.identity import HEADER, sign_identity
from libs.web.multipart import ClientGone
from services.edge.api_keys import Scope
from services.edge.audit import AuditTrail
from services.edge.auth import Authenticator, Caller
from services.edge.idempotency import IdempotencyGuard, Kept, key_of

TIMEOUT = httpx.Timeout(35.0, connect=2.0)  # seconds; longer than the 30 s that an owner gives its own calls
UPLOAD_TIMEOUT = httpx.Timeout(90.0, connect=2.0)  # seconds; an owner hands the whole file on before it answers

# Headers that belong to one connection, or that are ours to say.
_DROPPED = {
    "connection", "keep-alive", "transfer-encoding", "content-length", "host", "authorization", "x-api-key",
    "content-encoding", "request-id", "x-request-id", "cookie", "te", "upgrade", "proxy-authorization",
    HEADER.lower(), FORWARDED_ID.decode(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """A path below the base that another service serves, and the scope that each method needs.

    A body has at most `limit` bytes; one posted to a path that ends with one of `uploads` is passed on as it arrives,
    whatever its size. One that ends with one of `sending` makes messages go out, and needs the scope for that. `paths`
    are those below the prefix that are the owner's, all of them where none are named.
    """

    prefix: str
    owner: str
    scopes: Mapping[str, Scope]
    limit: int = JSON_LIMIT
    uploads: tuple[str, ...] = ()
    sending: tuple[str, ...] = ()
    paths: tuple[str, ...] = ("", "/{rest:path}")

    def scope_of(self, method: str, path: str) -> Scope | None:
        """Return the scope that a call needs, None where there is no such method."""
        return Scope.SEND if self.sending and path.endswith(self.sending) else self.scopes.get(method)

    def takes_upload(self, path: str) -> bool:
        """Tell whether a POST to the path is an upload."""
        return (
            path.startswith(self.prefix) and path[len(self.prefix) :].endswith(self.uploads) if self.uploads else False
        )


class MethodRefused(ApiError):
    """The resource has no such method."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class Forwarder:
    """Passes requests on. A part: holds the connections to the owners."""

    def __init__(
        self, authenticator: Authenticator, guard: IdempotencyGuard, trail: AuditTrail, internal_secret: str
    ) -> None:  # fmt: skip
        self._auth = authenticator
        self._trail = trail
        self._guard = guard
        self._secret = internal_secret
        self._client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False)

    async def start(self) -> None:
        """Nothing to open: connections are made as needed."""

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def forward(self, request: Request, resource: Resource) -> Response:
        """Pass a request on to the resource's owner and its answer back."""
        scope = resource.scope_of(request.method, request.scope["path"])
        if scope is None:
            raise MethodRefused(f"{request.method} is not allowed here.")
        caller = await self._auth.caller(request, scope)
        return await self._trail.noted(
            request, caller.key_id, caller.tenant, lambda: self._passed_on(request, resource, caller)
        )  # fmt: skip

    async def _passed_on(self, request: Request, resource: Resource, caller: Caller) -> Response:
        if request.method in ("GET", "DELETE"):
            return await self._stream(request, resource, caller, b"")
        if resource.takes_upload(request.scope["path"]):
            return await self._upload(request, resource, caller)
        raw = await read_body(request, resource.limit)
        idempotency = key_of(request, raw)
        if idempotency is None:
            return await self._stream(request, resource, caller, raw)

        async def call() -> Response:
            return await self._whole(request, resource, caller, raw)

        return await self._guard.once(caller.tenant, idempotency, call)

    async def _upload(self, request: Request, resource: Resource, caller: Caller) -> Response:
        """Pass a body on as it arrives. It is not held, so under one key two are told apart by their hash."""
        raw = _Arriving(request)
        idempotency = key_of(request, f"{request.url.query}\x1f{request.headers.get('content-length')}".encode())
        if idempotency is None:
            return await self._stream(request, resource, caller, raw)

        async def call() -> Response:
            return await self._whole(request, resource, caller, raw)

        async def same(first: Kept) -> bool:
            return first.digest is None or first.digest == await raw.rest()

        return await self._guard.once(caller.tenant, idempotency, call, same, lambda: raw.digest)

    async def document(self, url: str) -> dict[str, object]:
        """Read an owner's OpenAPI document; empty where it cannot be read."""
        try:
            answer = await self._client.get(f"{url}/openapi.json", timeout=3.0)
            found = answer.json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    async def _whole(self, request: Request, resource: Resource, caller: Caller, raw: "bytes | _Arriving") -> Response:
        answer = await self._stream(request, resource, caller, raw)
        body = b"".join([chunk async for chunk in answer.body_iterator])  # type: ignore[misc]  # bytes, from httpx
        return Response(body, answer.status_code, media_type=answer.headers.get("content-type"))

    async def _stream(
        self, request: Request, resource: Resource, caller: Caller, raw: "bytes | _Arriving"
    ) -> StreamingResponse:
        url = _url(resource.owner, request)
        headers, timeout = self._headers(request, caller), TIMEOUT
        if not isinstance(raw, bytes):
            timeout = UPLOAD_TIMEOUT
            if (length := request.headers.get("content-length")) is not None:
                headers["Content-Length"] = length
        asked = self._client.build_request(request.method, url, content=raw, headers=headers, timeout=timeout)
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError as error:
            if request.method == "GET" or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                raise Unavailable("The service that owns this is not available. Try again.", retry_after=2) from None
            words = "The service that owns this did not say what became of it. Ask again with the same Idempotency-Key."
            raise OutcomeUnclear(words, retry_after=2) from None
        told = {name: value for name, value in answer.headers.items() if name.lower() not in _DROPPED}
        return StreamingResponse(_chunks(answer), answer.status_code, told)

    def _headers(self, request: Request, caller: Caller) -> dict[str, str]:
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _DROPPED}
        identity = sign_identity(self._secret, caller.tenant, caller.key_id, sorted(caller.scopes), caller.mode)
        ours = {HEADER: identity, FORWARDED_ID.decode(): request.scope["wabus.request_id"]}
        if (trace := tracing.current()) is not None:
            ours[tracing.HEADER] = trace
        return kept | ours


def _url(owner: str, request: Request) -> httpx.URL:
    """Return the owner's address of the path, byte for byte as it was asked for; raises NotFound for no path of ours.

    A path decoded and encoded again may name something else, and one with dot segments could climb out of its resource.
    """
    scope = request.scope
    if {".", ".."} & set(scope["path"].split("/")):
        raise NotFound("There is nothing at this path.", code="no_such_path")
    try:
        return httpx.URL(owner).copy_with(raw_path=scope["raw_path"] + b"?" + scope["query_string"])
    except (httpx.InvalidURL, UnicodeDecodeError):
        raise NotFound("There is nothing at this path.", code="no_such_path") from None


class _Arriving:
    """A body as it arrives. `digest` is its hash once it was read to its end, None where the owner did not want all.

    The boundary of a form is left out: clients draw another one each time they send the same form.
    """

    def __init__(self, request: Request) -> None:
        self.digest: str | None = None
        self._request = request
        self._boundary = request.headers.get("content-type", "").partition("boundary=")[2].strip('"').encode("latin-1")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        found, kept = hashlib.sha256(), b""
        try:
            async for chunk in self._request.stream():
                yield chunk
                kept = (kept + chunk).replace(self._boundary, b"") if self._boundary else chunk
                sure = len(kept) - max(len(self._boundary) - 1, 0)  # behind that a boundary may have begun
                found.update(kept[: max(sure, 0)])
                kept = kept[max(sure, 0) :]
        except ClientDisconnect:
            raise ClientGone("The connection was closed before the body was complete.") from None
        found.update(kept)
        self.digest = found.hexdigest()

    async def rest(self) -> str | None:
        """Read all of it, for its hash alone."""
        async for _ in self:
            pass
        return self.digest


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_bytes():
            yield chunk
    finally:
        await answer.aclose()

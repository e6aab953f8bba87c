"""`POST /media`, `GET` and `DELETE /media/{media_id}`: files, streamed both ways."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from libs.graph.errors import GraphFailure
from libs.graph.media import MediaFacts
from libs.graph.media_types import TYPES, UNKNOWN, normalised
from libs.graph.refusals import answer_for
from libs.web.answers import JsonAnswer
from libs.web.multipart import FormUpload, form_schema
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.idempotency import IdempotencyGuard, Kept, key_of
from services.edge.media import MediaDesk, Upload
from services.edge.metrics import MEDIA_BYTES
from services.edge.routes.endpoint import Endpoint

FIELDS = {"phone_number_id": "The number that the file is for, before the file; optional with exactly one number."}
log = structlog.get_logger()


class MediaRoutes:
    """Files in and out."""

    def __init__(self, desk: MediaDesk, guard: IdempotencyGuard) -> None:
        self._desk = desk
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        one = f"{base}/media/{{media_id}}"
        return [
            Endpoint(
                "POST", f"{base}/media", Scope.SEND, self.upload, "Upload a file to Meta, at most 100 MB.",
                success=201, form=form_schema(FIELDS),
            ),
            Endpoint("GET", one, Scope.READ, self.download, "Download a file that you uploaded or received.",
                     file=True),
            Endpoint("DELETE", one, Scope.SEND, self.delete, "Delete a file at Meta.", success=204),
        ]  # fmt: skip

    async def upload(self, request: Request, caller: Caller) -> Response:
        """Pass a file on to Meta while it arrives."""
        form = FormUpload(request, FIELDS)
        upload = await self._desk.begin(caller, form)
        # The bytes are not held, so the key's fingerprint is of what stands before them; they are compared by their
        # hash with the first answer's.
        about = "\x1f".join((upload.number.phone_number_id, upload.type.mime, upload.file.name))
        idempotency = key_of(request, about.encode())

        async def store() -> Response:
            return JsonAnswer(await self._desk.store(caller, upload), 201)

        async def same(first: Kept) -> bool:
            return bool(json.loads(first.body).get("sha256") == await _hash(upload))

        return await self._guard.once(caller.tenant, idempotency, store, same)

    async def download(self, request: Request, caller: Caller) -> Response:
        """Stream a file through us; where it lies is never shown."""
        facts, place = await self._desk.facts(caller, request.path_params["media_id"])
        headers = _headers(facts, request.path_params["media_id"])
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers={"ETag": headers["ETag"]})
        async with AsyncExitStack() as opened:
            try:
                chunks = await opened.enter_async_context(self._desk.open(facts, place))
            except GraphFailure as failure:
                raise answer_for(failure, "give the file") from None
            return _Passing(chunks, headers, opened.pop_all(), facts.size)

    async def delete(self, request: Request, caller: Caller) -> Response:
        """Delete a file."""
        await self._desk.delete(caller, request.path_params["media_id"])
        return Response(status_code=204)


class _Passing(StreamingResponse):
    """A file that passes through. Where Meta's side breaks off, so do we: a short body is no whole file."""

    def __init__(
        self, chunks: AsyncIterator[bytes], headers: dict[str, str], opened: AsyncExitStack, size: int
    ) -> None:
        super().__init__(chunks, headers=headers)
        self._opened = opened
        self._size = size

    async def stream_response(self, send: Send) -> None:
        """Pass the bytes on, and let go of Meta's connection whatever happens, the client's going away included."""
        try:
            async with self._opened:
                await super().stream_response(send)
        except GraphFailure as failure:
            log.warning("download_broke_off", reason=str(failure))
            return  # without the end of the body: the server closes the connection
        MEDIA_BYTES.labels("down").inc(self._size)


def _headers(facts: MediaFacts, media_id: str) -> dict[str, str]:
    media_type = TYPES.get(normalised(facts.mime_type))
    name = f"{media_id}.{media_type.ending}" if media_type else media_id
    return {
        # From Meta's own list only: a page or a script would be one of our origin.
        "Content-Type": media_type.mime if media_type else UNKNOWN,
        "Content-Length": str(facts.size),
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{"".join(char for char in facts.sha256 if char.isalnum())}"',
    }


async def _hash(upload: Upload) -> str:
    """Read a file to its end for its hash alone."""
    async for _ in upload.chunks():
        pass
    digest: str = upload.digest.hexdigest()
    return digest

"""Media: uploads kept as files, described, downloaded for five minutes from a host of their own, deleted."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from services.sandbox.checks.message import check_product
from services.sandbox.clock import SandboxClock
from services.sandbox.errors import GraphError, bad_parameter, unknown_object
from services.sandbox.identifiers import graph_id
from services.sandbox.model import Media, Number, Token
from services.sandbox.world import World

MB = 1024 * 1024
UPLOADED_DAYS, RECEIVED_DAYS = 30, 7  # days until an uploaded and an inbound media id die
URL_SECONDS = 300  # a download address dies after five minutes
_OFFICE = "application/vnd.openxmlformats-officedocument."
# Meta's kinds and their largest sizes in bytes.
LARGEST: dict[str, int] = {
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * MB),
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * MB),
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 * MB),
    "image/webp": 500 * 1024,
    **dict.fromkeys(
        (
            "text/plain", "application/pdf", "application/vnd.ms-powerpoint", "application/msword",
            "application/vnd.ms-excel", f"{_OFFICE}wordprocessingml.document",
            f"{_OFFICE}presentationml.presentation", f"{_OFFICE}spreadsheetml.sheet",
        ),
        100 * MB,
    ),
}  # fmt: skip
STILL_STICKER = 100 * 1024  # bytes
CHUNK = 256 * 1024  # bytes copied at a time


class MediaShelf:
    """All media of all numbers."""

    def __init__(self, world: World, clock: SandboxClock, directory: Path) -> None:
        self._world, self._clock, self._directory = world, clock, directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._key = secrets.token_bytes(32)  # addresses of an earlier run need not work: they live five minutes

    async def upload(self, number: Number, request: Request) -> str:
        """Take a multipart upload and return the media id."""
        async with request.form(max_files=1) as form:
            check_product({name: value for name, value in form.items() if isinstance(value, str)})
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise bad_parameter("The parameter file is required.")
            size, mime_type = file.size or 0, _kind_of(file, form.get("type"))
            if size > (largest := _largest(mime_type, await file.read(21))):
                raise GraphError(100, f"(#100) Param file is larger than {largest} bytes.", 413)
            media = Media(graph_id(), number.waba_id, number.id, mime_type, "", size, self._expiry(UPLOADED_DAYS))
            media.sha256 = await asyncio.to_thread(self._copy, file, self._path(media.id))
        self._world.save(media)
        return media.id

    def receive(self, number: Number, mime_type: str, content: bytes) -> Media:
        """Keep a file that a user sent."""
        media = Media(
            graph_id(), number.waba_id, number.id, mime_type, hashlib.sha256(content).hexdigest(), len(content),
            self._expiry(RECEIVED_DAYS),
        )  # fmt: skip
        self._path(media.id).write_bytes(content)
        self._world.save(media)
        return media

    def describe(self, token: Token, request: Request) -> dict[str, Any]:
        """Return what GET /{media id} answers: with an address that works for five minutes."""
        media = self._owned(token, request, "get")
        expires = int(self._clock.now()) + URL_SECONDS
        address = request.url_for("media-host").include_query_params(
            mid=media.id, ext=expires, hash=self._signature(media.id, expires)
        )
        return {
            "messaging_product": "whatsapp", "url": str(address), "mime_type": media.mime_type,
            "sha256": media.sha256, "file_size": media.size, "id": media.id,
        }  # fmt: skip

    def download(self, token: Token, request: Request) -> Response:
        """Return the bytes behind an address; 404 once it, or the media, is dead."""
        query = request.query_params
        media, expires = self._world.media.get(query.get("mid", "")), query.get("ext", "")
        fresh = expires.isdigit() and int(expires) > self._clock.now()
        known = media is not None and media.waba_id in token.waba_ids and media.expires_at > self._clock.now()
        if not fresh or not known or media is None:
            return JSONResponse({"error": "not found"}, 404)
        if not hmac.compare_digest(self._signature(media.id, int(expires)), query.get("hash", "")):
            return JSONResponse({"error": "not found"}, 404)
        return FileResponse(self._path(media.id), media_type=media.mime_type)

    def delete(self, token: Token, request: Request) -> None:
        """Forget a media id."""
        media = self._owned(token, request, "delete")
        self._world.drop(media)
        self._path(media.id).unlink(missing_ok=True)

    def _owned(self, token: Token, request: Request, method: str) -> Media:
        media_id, asked = request.path_params["object_id"], request.query_params.get("phone_number_id")
        media = self._world.media.get(media_id)
        mine = media is not None and media.waba_id in token.waba_ids and asked in (None, "", media.number_id)
        if media is None or not mine or media.expires_at <= self._clock.now():
            raise unknown_object(method, media_id)
        return media

    def _signature(self, media_id: str, expires: int) -> str:
        return hmac.digest(self._key, f"{media_id}:{expires}".encode(), "sha256").hex()

    def _expiry(self, days: int) -> float:
        return self._clock.now() + days * 24 * 3600

    def _path(self, media_id: str) -> Path:
        return self._directory / media_id

    def _copy(self, file: UploadFile, path: Path) -> str:
        digest = hashlib.sha256()
        file.file.seek(0)
        with path.open("wb") as out:
            for chunk in _chunks(file):
                digest.update(chunk)
                out.write(chunk)
        return digest.hexdigest()


def _kind_of(file: UploadFile, named: object) -> str:
    """Return an upload's type: the form's `type`, or the part's own; raises GraphError 100 for one Meta refuses."""
    mime_type = str(named or file.content_type or "").split(";")[0].strip().lower()
    if mime_type not in LARGEST:
        kinds = ", ".join(sorted(LARGEST))
        raise bad_parameter(
            f"Param file must be a file with one of the following types: {kinds}. Received: {mime_type}"
        )
    return mime_type


def _largest(mime_type: str, head: bytes) -> int:
    """Return the most bytes of such a file; a sticker whose header does not say that it moves stands still."""
    still = mime_type == "image/webp" and not (head[12:16] == b"VP8X" and head[20:21] and head[20] & 0b10)
    return STILL_STICKER if still else LARGEST[mime_type]


def _chunks(file: UploadFile) -> Iterator[bytes]:
    while chunk := file.file.read(CHUNK):
        yield chunk

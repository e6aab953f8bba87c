"""Samples of media headers: taken as a form, kept on disk until their size is known, handed to Meta, forgotten."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Any

from libs.graph.client import GraphClient
from libs.graph.errors import GraphFailure
from libs.graph.media import GraphMedia, OutgoingFile
from libs.graph.media_types import HEAD, TYPES, UNKNOWN, MediaType, normalised, sniffed
from libs.graph.refusals import answer_for
from libs.web.errors import FieldProblem, Invalid, TooLarge, UpstreamFailed, WrongMediaType
from libs.web.identity import Identity
from libs.web.multipart import AFTER_FILE, FormUpload
from services.templates.accounts import Accounts

# What Meta shows in headers: images, videos, documents.
TAKEN = ("image/jpeg", "image/png", "video/mp4", "application/pdf")
CHUNK = 64 * 1024  # bytes read from the disk at a time


class Samples:
    """Uploads samples by Meta's resumable upload, which wants to know a file's size before its first byte."""

    def __init__(self, accounts: Accounts, graph: GraphClient, media: GraphMedia) -> None:
        self._accounts = accounts
        self._graph = graph
        self._media = media

    async def upload(self, caller: Identity, form: FormUpload) -> dict[str, Any]:
        """Take a sample and hand it to Meta; -> its handle with what we know of it."""
        file = await form.file()
        media_type = _type_of(file.declared, await form.head(HEAD))
        if file.most is not None and file.most - AFTER_FILE > media_type.largest:
            raise _too_large(media_type)
        with tempfile.TemporaryFile() as kept:
            size = await _keep(form, kept, media_type)
            account = await self._accounts.chosen(caller, form.fields.get("waba_id"))
            token = account.access_token.get_secret_value()
            try:
                # The upload belongs to the token's own app, which is not ours where the tenant brought another.
                app_id = str((await self._graph.debug_itself(token)).get("app_id") or "")
                if not app_id.isascii() or not app_id.isdigit():
                    raise UpstreamFailed("Meta did not say which app the account's token belongs to.")
                outgoing = OutgoingFile(file.name, media_type.mime, size, _chunks(kept))
                handle = await self._media.sample(app_id, token, outgoing, size)
            except GraphFailure as failure:
                raise answer_for(failure, "take the sample") from None
        return {"object": "template_media", "handle": handle, "mime_type": media_type.mime, "size": size}


async def _keep(form: FormUpload, kept: IO[bytes], media_type: MediaType) -> int:
    size = 0
    async for chunk in form.chunks():
        size += len(chunk)
        if size > media_type.largest:
            raise _too_large(media_type)
        await asyncio.to_thread(kept.write, chunk)
    await form.rest()
    if not size:
        raise Invalid("file: The file is empty.", code="invalid_field", param="file",
                      errors=[FieldProblem("file", "The file is empty.")])  # fmt: skip
    return size


async def _chunks(kept: IO[bytes]) -> AsyncIterator[bytes]:
    kept.seek(0)
    while chunk := await asyncio.to_thread(kept.read, CHUNK):
        yield chunk


def _type_of(declared: str, head: bytes) -> MediaType:
    """Return the sample's type; raises WrongMediaType where headers show none such, or the bytes say another."""
    found = sniffed(head)
    named = normalised(declared) or UNKNOWN
    if named == UNKNOWN:
        named = next((mime for mime in found if mime in TAKEN), found[0])
    if head and (named not in TAKEN or named not in found):
        words = f"Declared as {named}, its first bytes are those of {found[0]}; headers take {', '.join(TAKEN)}."
        raise WrongMediaType(f"file: {words}", code="unsupported_media", param="file",
                             more={"declared": named, "found": found[0]})  # fmt: skip
    return TYPES.get(named, TYPES["application/pdf"])  # an empty file is refused for being empty


def _too_large(media_type: MediaType) -> TooLarge:
    words = f"A file of type {media_type.mime} may have at most {media_type.largest} bytes."
    return TooLarge(f"file: {words}", code="media_too_large", param="file", errors=[FieldProblem("file", words)],
                    more={"limit": media_type.largest})  # fmt: skip

"""Media of tenants: uploads that go to Meta while they arrive, and downloads of what they uploaded or received."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from libs.directory.entries import AccountEntry, NumberEntry
from libs.directory.reach import Reach
from libs.graph.errors import GraphFailure, GraphRefused
from libs.graph.media import GraphMedia, MediaFacts, OutgoingFile
from libs.graph.media_types import HEAD, LARGEST, TYPES, UNKNOWN, MediaType, largest, normalised, sniffed
from libs.graph.refusals import answer_for
from libs.mongo.client import MongoUnavailable
from libs.runtime.clock import Clock
from libs.web.errors import Conflict, FieldProblem, Invalid
from libs.web.multipart import AFTER_FILE, FormFile, FormUpload
from services.edge.auth import Caller
from services.edge.errors import MediaGone, MediaTooLarge, NoSuchMedia, NoSuchNumber, WrongMedia
from services.edge.metrics import MEDIA_BYTES

UPLOADED_FOR, RECEIVED_FOR = timedelta(days=30), timedelta(days=7)  # how long Meta keeps a file
NO_SUCH_OBJECT = 33  # Graph's subcode for what it no longer has
Document = dict[str, Any]


class Received(Protocol):
    """Knows which messages came with which file."""

    async def with_media(self, tenant: str, media_id: str) -> Document | None:
        """Return a message that came to the tenant with this file, or None."""


class Owners(Protocol):
    """Knows whose numbers and accounts there are, now and not a few seconds ago."""

    async def numbers_now(self, tenant: str) -> Sequence[NumberEntry]:
        """Return the tenant's connected numbers."""

    async def account_now(self, tenant: str, waba_id: str) -> AccountEntry | None:
        """Return the tenant's account."""

    async def reach(self, tenant: str, mode: str) -> Reach:
        """Return what a key of this mode reaches."""


class Notes(Protocol):
    """Keeps whose uploaded files are."""

    async def add(self, tenant: str, media_id: str, facts: Document, now: datetime) -> None:
        """Note a file that was uploaded."""

    async def get(self, tenant: str, media_id: str) -> Document | None:
        """Return what is known of a tenant's file."""

    async def remove(self, tenant: str, media_id: str) -> None:
        """Forget a file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file of a tenant's lies at Meta: its number, the account's token, and until when."""

    phone_number_id: str
    token: str
    until: datetime


@dataclass(slots=True)
class Upload:
    """A file on its way: checked before its first byte is passed on, measured as it goes."""

    form: FormUpload
    file: FormFile
    number: NumberEntry
    token: str
    type: MediaType
    most: int
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file, counted and hashed; raises MediaTooLarge as soon as it is."""
        async for chunk in self.form.chunks():
            yield self._measured(chunk)
        await self.form.rest()
        named = self.form.fields.get("phone_number_id", self.number.phone_number_id)
        if named != self.number.phone_number_id:
            raise _wrong("phone_number_id", "Put this field before the file: the file is passed on while it arrives.")

    def _measured(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        if self.size > self.most:
            raise _too_large(self.type, self.most)
        self.digest.update(chunk)
        return chunk


class MediaDesk:
    """Takes files in and gives them out."""

    def __init__(self, graph: GraphMedia, owners: Owners, notes: Notes, received: Received, clock: Clock) -> None:
        self._graph = graph
        self._owners = owners
        self._notes = notes
        self._received = received
        self._clock = clock

    async def begin(self, caller: Caller, form: FormUpload) -> Upload:
        """Check all that can be told from the form's beginning: the number, the type, the announced size."""
        file = await form.file()
        if file.most is not None and file.most - AFTER_FILE > LARGEST:  # whatever it is
            raise MediaTooLarge(
                f"file: A file may have at most {LARGEST} bytes.", param="file", more={"limit": LARGEST}
            )
        number, account = await self._number(caller, form.fields.get("phone_number_id"))
        start = await form.head(HEAD)
        if not start:
            raise _wrong("file", "The file is empty.")
        media_type = _type_of(file, start)
        most = largest(media_type, start)
        if file.most is not None and file.most - AFTER_FILE > most:
            raise _too_large(media_type, most)
        return Upload(form, file, number, account.access_token.get_secret_value(), media_type, most)

    async def store(self, caller: Caller, upload: Upload) -> Document:
        """Pass the file on to Meta and note it; -> what is known of it."""
        outgoing = OutgoingFile(upload.file.name, upload.type.mime, upload.file.most, upload.chunks())
        number = upload.number
        try:
            media_id = await self._graph.upload(number.phone_number_id, upload.token, outgoing)
        except GraphFailure as failure:
            raise answer_for(failure, "take the file") from None
        now = self._clock.now()
        facts = {
            "sha256": upload.digest.hexdigest(), "size": upload.size, "mime_type": upload.type.mime,
            "phone_number_id": number.phone_number_id, "expires_at": now + UPLOADED_FOR,
        }  # fmt: skip
        try:
            await self._notes.add(caller.tenant, media_id, facts | {"waba_id": number.waba_id}, now)
        except MongoUnavailable:
            with suppress(GraphFailure):  # nobody will ever ask for it
                await self._graph.delete(media_id, number.phone_number_id, upload.token)
            raise
        MEDIA_BYTES.labels("up").inc(upload.size)
        return {"media_id": media_id, "object": "media"} | facts

    async def facts(self, caller: Caller, media_id: str) -> tuple[MediaFacts, Place]:
        """Ask Meta where a file of the tenant's is; raises NoSuchMedia and MediaGone."""
        place = await self._place(caller, media_id)
        if place.until <= self._clock.now():
            raise _gone()
        try:
            return await self._graph.describe(media_id, place.phone_number_id, place.token), place
        except GraphRefused as refused:
            if refused.error.subcode == NO_SUCH_OBJECT:
                raise _gone() from None
            raise answer_for(refused, "give the file") from None
        except GraphFailure as failure:
            raise answer_for(failure, "give the file") from None

    def open(self, facts: MediaFacts, place: Place) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a file for reading; raises GraphUnavailable, also in mid-file."""
        return self._graph.download(facts, place.token)

    async def delete(self, caller: Caller, media_id: str) -> None:
        """Delete a file at Meta, and forget it."""
        place = await self._place(caller, media_id)
        try:
            await self._graph.delete(media_id, place.phone_number_id, place.token)
        except GraphRefused as refused:
            if refused.error.subcode != NO_SUCH_OBJECT:  # what is gone there is deleted here
                raise answer_for(refused, "delete the file") from None
        except GraphFailure as failure:
            raise answer_for(failure, "delete the file") from None
        await self._notes.remove(caller.tenant, media_id)

    async def _place(self, caller: Caller, media_id: str) -> Place:
        known = media_id.isascii() and media_id.isdigit() and len(media_id) <= 32
        row = await self._notes.get(caller.tenant, media_id) if known else None
        until = row["expires_at"] if row else None
        if row is None and known:
            row = await self._received.with_media(caller.tenant, media_id)
            until = row["at"] + RECEIVED_FOR if row else None
        account = await self._owners.account_now(caller.tenant, row["waba_id"]) if row else None
        reach = await self._owners.reach(caller.tenant, caller.mode)
        if row is None or until is None or not reach.has_number(row["phone_number_id"]):
            raise NoSuchMedia("There is no such media.", param="media_id")
        if account is None:
            raise Conflict("The account of this media is not connected.", code="account_not_connected")
        return Place(row["phone_number_id"], account.access_token.get_secret_value(), until)

    async def _number(self, caller: Caller, phone_number_id: str | None) -> tuple[NumberEntry, AccountEntry]:
        reach = await self._owners.reach(caller.tenant, caller.mode)
        mine = [
            each for each in await self._owners.numbers_now(caller.tenant) if reach.has_number(each.phone_number_id)
        ]
        number = _chosen(mine, phone_number_id)
        account = await self._owners.account_now(caller.tenant, number.waba_id)
        if account is None:
            raise _no_number()
        return number, account


def _chosen(mine: Sequence[NumberEntry], phone_number_id: str | None) -> NumberEntry:
    if phone_number_id is not None:
        found = next((number for number in mine if number.phone_number_id == phone_number_id), None)
    elif len(mine) > 1:
        choices = ", ".join(sorted(number.phone_number_id for number in mine))
        words = f"You have several numbers: name one in a field before the file; there are {choices}."
        raise Invalid(
            f"phone_number_id: {words}", code="missing_field", param="phone_number_id",
            errors=[FieldProblem("phone_number_id", words)],
        )  # fmt: skip
    else:
        found = mine[0] if mine else None
    if found is None:
        raise _no_number()
    return found


def _type_of(file: FormFile, start: bytes) -> MediaType:
    """Return the file's type; raises WrongMedia where Meta takes none such, or the bytes say another."""
    found = sniffed(start)
    declared = normalised(file.declared) or UNKNOWN
    if declared == UNKNOWN:  # the client did not say: the bytes do, with the name's ending where they leave a choice
        ending = file.name.rsplit(".", 1)[-1].lower()
        fitting = [mime for mime in found if mime in TYPES]
        declared = next((mime for mime in fitting if TYPES[mime].ending == ending), fitting[0] if fitting else found[0])
    media_type = TYPES.get(declared)
    if media_type is None or declared not in found:
        takes = f"Meta takes {', '.join(TYPES)}."
        why = takes if media_type is None else "The two must agree."
        raise WrongMedia(
            f"file: Declared as {declared[:128]}, its first bytes are those of {found[0]}. {why}", param="file",
            more={"declared": declared[:128], "found": found[0]},
        )  # fmt: skip
    return media_type


def _too_large(media_type: MediaType, most: int) -> MediaTooLarge:
    words = f"A file of type {media_type.mime} ({media_type.kind}) may have at most {most} bytes."
    return MediaTooLarge(f"file: {words}", param="file", errors=[FieldProblem("file", words)], more={"limit": most})


def _wrong(field_name: str, words: str) -> Invalid:
    problem = FieldProblem(field_name, words)
    return Invalid(f"{field_name}: {words}", code="invalid_field", param=field_name, errors=[problem])


def _no_number() -> NoSuchNumber:
    return NoSuchNumber("You have no connected number with this id.", param="phone_number_id")


def _gone() -> MediaGone:
    return MediaGone("Meta no longer gives this media: it has expired or was deleted.", param="media_id")

"""Many messages in one call: each accepted or refused for itself, all of them in one commit."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from libs.directory.reach import TEST
from libs.events.messages import Lane
from libs.ledger.intake import OutcomeUnknown, Stored
from libs.ledger.record import Idempotency, OutboundDraft
from libs.mongo.client import MongoUnavailable
from libs.requests.kinds import BY_TYPE, body_of, item_schemas
from libs.runtime.ids import new_id
from libs.web.door import away
from libs.web.errors import ApiError, FieldProblem, Invalid
from services.edge.idempotency import KEY_LIMIT, check_same, fingerprint, item_key, namespaced
from services.edge.messages import Asked, MessageIntake, unclear
from services.edge.metrics import ACCEPTED
from services.edge.views import accepted

MOST = 500  # messages a call: with the body's limit of 1 MB some 2 KB each
PATH = "/messages/bulk"

Row = dict[str, Any]


class BulkBody(BaseModel):
    """`POST /messages/bulk`: a list of messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    messages: Annotated[
        list[Any],
        Field(
            min_length=1, max_length=MOST,
            description=f"Each is the body of its endpoint with `type` ({', '.join(BY_TYPE)}; text where it is left "
            "out), and may have an `idempotency_key` of its own.",
            json_schema_extra=lambda schema: schema.update(items={"anyOf": item_schemas(KEY_LIMIT)}),
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Item:
    """One message of a list on its way: prepared, or refused already."""

    asked: Asked
    draft: OutboundDraft | None = None
    refusal: ApiError | None = None


class BulkIntake:
    """Takes each message of a list the way that one alone takes, in the bulk lane."""

    def __init__(self, messages: MessageIntake) -> None:
        self._messages = messages

    async def accept(self, asked: Asked, items: Sequence[Any]) -> list[Row]:
        """Return one answer per message, in order.

        All are stored together once all are prepared, with ids in order: what goes to one person goes in that order.
        """
        prepared = await asyncio.gather(*(self._prepare(_asked(asked), place, it) for place, it in enumerate(items)))
        return list(await asyncio.gather(*(self._finish(item) for item in prepared)))

    async def _prepare(self, asked: Asked, place: int, item: Any) -> _Item:
        try:
            fields = _fields(place, item)
            asked = asked.under(_key(asked, place, fields))
            return _Item(asked, draft=await self._messages.prepare(asked, body_of(fields)))
        except MongoUnavailable:
            return _Item(asked, refusal=away())
        except ApiError as refusal:
            return _Item(asked, refusal=refusal)

    async def _finish(self, item: _Item) -> Row:
        try:
            return _row(item.asked, await self._stored(item))
        except MongoUnavailable:
            refusal: ApiError = away()
        except OutcomeUnknown:
            refusal = unclear()
        except ApiError as error:
            refusal = error
        return {"status": refusal.status} | refusal.body(item.asked.correlation_id)

    async def _stored(self, item: _Item) -> Stored:
        refusal = item.refusal
        if item.draft is not None:
            try:
                return await self._messages.store(item.asked, item.draft)
            except ApiError as error:
                refusal = error
        assert refusal is not None  # noqa: S101  # for the type checker: an item is prepared or refused
        return await self._messages.first_or(item.asked, refusal)


def _row(asked: Asked, stored: Stored) -> Row:
    row: Row = {"status": 202, "message": accepted(stored.document)}
    if stored.replayed:
        check_same(stored.document, asked.idempotency)
        return row | {"replayed": True}
    ACCEPTED.labels(stored.document["lane"], "rest").inc()
    return row


def _fields(place: int, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        words = "Must be an object."
        raise Invalid(words, code="invalid_field", errors=[FieldProblem(f"messages.{place}", words)])
    return dict(item)


def _asked(asked: Asked) -> Asked:
    return Asked(asked.tenant, asked.mode, asked.correlation_id, asked.idempotency, new_id(), Lane.BULK)


def _key(asked: Asked, place: int, fields: dict[str, Any]) -> Idempotency | None:
    """Return the message's own key, or one made of the call's key and its place: a repeat meets each message again."""
    if "idempotency_key" in fields:
        key = namespaced(item_key(fields.pop("idempotency_key")), test=asked.mode == TEST)
    elif (whole := asked.idempotency) is not None:
        key = f"{whole.key}\x1f{place}"
    else:
        return None
    return Idempotency(key, fingerprint("POST", PATH, json.dumps(fields, sort_keys=True).encode()))

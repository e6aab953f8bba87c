"""Many messages in one call: each accepted or refused for itself, all of them in one commit."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from libs.events.messages import Lane
from libs.ledger.intake import OutcomeUnknown
from libs.ledger.record import Idempotency
from libs.mongo.client import MongoUnavailable
from libs.runtime.ids import new_id
from libs.web.door import away
from libs.web.errors import ApiError, FieldProblem, Invalid
from services.edge.idempotency import check_same, fingerprint, item_key
from services.edge.kinds import BY_TYPE, body_of, item_schemas
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
            json_schema_extra=lambda schema: schema.update(items={"anyOf": item_schemas()}),
        ),
    ]  # fmt: skip


class BulkIntake:
    """Takes each message of a list the way that one alone takes, in the bulk lane."""

    def __init__(self, messages: MessageIntake) -> None:
        self._messages = messages

    async def accept(self, asked: Asked, items: Sequence[Any]) -> list[Row]:
        """Return one answer per message, in order. The ids are in order too, and with them what is sent first."""
        return list(await asyncio.gather(*(self._one(_asked(asked), place, it) for place, it in enumerate(items))))

    async def _one(self, asked: Asked, place: int, item: Any) -> Row:
        try:
            return await self._accept(asked, place, item)
        except MongoUnavailable:
            refusal: ApiError = away()
        except OutcomeUnknown:
            refusal = unclear()
        except ApiError as error:
            refusal = error
        return {"status": refusal.status} | refusal.body(asked.correlation_id)

    async def _accept(self, asked: Asked, place: int, item: Any) -> Row:
        if not isinstance(item, dict):
            words = "Must be an object."
            raise Invalid(words, code="invalid_field", errors=[FieldProblem(f"messages.{place}", words)])
        fields = dict(item)
        asked = asked.under(_key(asked.idempotency, place, fields))
        stored = await self._messages.accept(asked, body_of(fields))
        row: Row = {"status": 202, "message": accepted(stored.document)}
        if stored.replayed:
            check_same(stored.document, asked.idempotency)
            return row | {"replayed": True}
        ACCEPTED.labels(stored.document["lane"], "rest").inc()
        return row


def _asked(asked: Asked) -> Asked:
    return Asked(asked.tenant, asked.mode, asked.correlation_id, asked.idempotency, new_id(), Lane.BULK)


def _key(whole: Idempotency | None, place: int, fields: dict[str, Any]) -> Idempotency | None:
    """Return the message's own key, or one made of the call's key and its place: a repeat meets each message again."""
    if "idempotency_key" in fields:
        key = item_key(fields.pop("idempotency_key"))
    elif whole is not None:
        key = f"{whole.key}\x1f{place}"
    else:
        return None
    return Idempotency(key, fingerprint("POST", PATH, json.dumps(fields, sort_keys=True).encode()))

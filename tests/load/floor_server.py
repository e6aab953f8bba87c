"""The floors as servers: bare ASGI apps that do only what cannot be left out.

python -m tests.load.floor_server accept|webhook|graph PORT MONGO KAFKA TENANT
"""

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from libs.events.messages import Lane
from libs.ledger.contacts import ContactReader
from libs.ledger.record import OutboundDraft
from libs.mongo.client import Mongo
from libs.runtime.clock import SystemClock
from libs.runtime.gather import Gather
from libs.runtime.ids import new_id

LINGER, MOST = 0.0025, 256  # the same groups as edge's
SECRET = b"floor"


class Accept:
    """Reads a body, finds people and inserts records in groups as edge does, answers 202."""

    def __init__(self, mongo: str, _: str, tenant: str) -> None:
        self._contacts = ContactReader(Mongo(mongo, "wabus"))
        self._mongo = Mongo(mongo, "floor")
        self._gather: Gather[dict[str, Any], dict[str, Any]] = Gather(self._flush, linger=LINGER, most=MOST)
        self._record = _record() | {"tenant": tenant}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        body = json.loads((await receive())["body"])
        document = await self._gather(self._record | {"_id": new_id(), "recipient": body["to"]})
        await _answer(send, 202, json.dumps({"id": document["_id"]}).encode())

    async def _flush(self, documents: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        await self._contacts.find((document["tenant"], document["recipient"]) for document in documents)
        await self._mongo.collection("messages").insert_many(documents, ordered=False)
        return documents


def _record() -> dict[str, Any]:
    """Return a record as edge stores it: the commit is the same."""
    now = SystemClock().now()
    content = {"type": "text", "text": {"body": "hello"}}
    return OutboundDraft(
        new_id(), new_id(), "102290129340398", "106540352242922", "+15552000001", content, Lane.INTERACTIVE, now, now,
        contact_id=new_id(), conversation_id=new_id(), correlation_id=new_id(),
    ).document()  # fmt: skip


class Webhook:
    """Reads a body, checks its HMAC, produces it raw, answers 200."""

    def __init__(self, _: str, kafka: str, __: str) -> None:
        self._kafka = kafka
        self._producer: Any = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        raw = (await receive())["body"]
        given = next(value for name, value in scope["headers"] if name == b"x-hub-signature-256")
        expected = b"sha256=" + hmac.digest(SECRET, raw, hashlib.sha256).hex().encode()
        if not hmac.compare_digest(given, expected):
            await _answer(send, 401, b"")
            return
        async with self._starting:
            if self._producer is None:
                self._producer = AIOKafkaProducer(bootstrap_servers=self._kafka, enable_idempotence=True, linger_ms=0)
                await self._producer.start()
        await self._producer.send_and_wait("meta.webhooks.v1", raw, key=b"1")
        await _answer(send, 200, b"")


class Graph:
    """Answers every POST as Graph does."""

    def __init__(self, *_: str) -> None:
        self._answer = json.dumps({"messages": [{"id": "wamid.HBgLMTU1NTAwMDAwMDAVAgARGBI="}]}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        await receive()
        await _answer(send, 200, self._answer)


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Run one of them."""
    kind, port, mongo, kafka, tenant = sys.argv[1:6]
    kinds: dict[str, Any] = {"accept": Accept, "webhook": Webhook, "graph": Graph}
    app = kinds[kind](mongo, kafka, tenant)
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), loop="uvloop", http="httptools", lifespan="off", log_level="critical",
        access_log=False, proxy_headers=False, server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request

from libs.directory.entries import AccountEntry, NumberEntry
from libs.directory.reach import Reach
from libs.graph.client import GraphClient
from libs.graph.media import GraphMedia
from libs.mongo.client import MongoUnavailable
from libs.web.errors import Conflict
from libs.web.multipart import FormUpload
from services.edge.auth import Caller
from services.edge.errors import MediaGone, NoSuchMedia, NoSuchNumber
from services.edge.media import MediaDesk
from tests.support.reaching import reach_to

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALLER = Caller("t", "k", "live", frozenset())
HOST = "https://lookaside.fbsbx.com/a"
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n'


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        """Return the one moment."""
        return NOW

    def monotonic(self) -> float:
        """Return the one moment."""
        return 0.0


class World:
    """One tenant with one number; what it uploaded and received; Meta, who notes what she is asked."""

    def __init__(self) -> None:
        self.uploaded: dict[str, dict[str, Any]] = {}
        self.received: dict[str, dict[str, Any]] = {}
        self.sandbox = self.connected = True
        self.stores = True
        self.asked: list[str] = []
        self.clock = Still()

    def desk(self) -> MediaDesk:
        """Return a desk in this world."""
        transport = httpx.MockTransport(self.meta)
        base = "https://graph.facebook.com"
        media = GraphMedia(GraphClient(base, "v25.0", transport), base, "v25.0", transport=transport)
        return MediaDesk(media, self, self, self, self.clock)

    async def meta(self, request: httpx.Request) -> httpx.Response:
        """Answer as Graph does."""
        self.asked.append(f"{request.method} {request.url.path}")
        await request.aread()
        if request.method == "GET":
            return httpx.Response(200, json={"url": HOST, "mime_type": "image/png", "sha256": "00", "file_size": 3})
        return httpx.Response(200, json={"id": "77", "success": True})

    async def numbers_now(self, tenant: str) -> Sequence[NumberEntry]:
        """Return the number."""
        return [NumberEntry("1", "t", "2", "connected", 80, None)]

    async def reach(self, tenant: str, mode: str) -> Reach:
        """Return what a key reaches of it."""
        return reach_to("2", "1", sandbox=self.sandbox, mode=mode)

    async def account_now(self, tenant: str, waba_id: str) -> AccountEntry | None:
        """Return the account while it is connected."""
        account = AccountEntry("t", "2", "active", SecretStr("EAA"), None, "2", None, False, self.sandbox, None)
        return account if self.connected else None

    async def add(self, tenant: str, media_id: str, facts: dict[str, Any], now: datetime) -> None:
        """Note a file, or be away."""
        if not self.stores:
            raise MongoUnavailable(nothing_written=True)
        self.uploaded[media_id] = facts

    async def get(self, tenant: str, media_id: str) -> dict[str, Any] | None:
        """Return what was uploaded."""
        return self.uploaded.get(media_id)

    async def remove(self, tenant: str, media_id: str) -> None:
        """Forget a file."""
        self.uploaded.pop(media_id, None)

    async def with_media(self, tenant: str, media_id: str) -> dict[str, Any] | None:
        """Return what was received."""
        return self.received.get(media_id)

    def knows(self, *, uploaded: timedelta | None = None, received: timedelta | None = None) -> None:
        """Let the tenant have a file that it uploaded or received so long ago."""
        place = {"phone_number_id": "1", "waba_id": "2"}
        if uploaded is not None:
            self.uploaded["77"] = place | {"expires_at": NOW - uploaded + timedelta(days=30)}
        if received is not None:
            self.received["77"] = place | {"at": NOW - received}


@pytest.fixture
def world() -> World:
    return World()


def form() -> FormUpload:
    body = FORM + b"%PDF-1.7\r\n--x--\r\n"

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    return FormUpload(Request(scope, receive), ["phone_number_id"])


@pytest.mark.parametrize(
    "age",
    [
        {"uploaded": timedelta(days=29, hours=23)}, {"received": timedelta(days=6, hours=23)},
        {"uploaded": timedelta(days=1), "received": timedelta(days=20)},
    ],
)  # fmt: skip
async def test_a_file_is_given_while_meta_keeps_it(world: World, age: dict[str, timedelta]) -> None:
    world.knows(**age)
    facts, place = await world.desk().facts(CALLER, "77")
    assert (facts.url, place.phone_number_id) == (HOST, "1")


@pytest.mark.parametrize("age", [{"uploaded": timedelta(days=30)}, {"received": timedelta(days=7)}])
async def test_a_file_that_has_expired_is_not_asked_for(world: World, age: dict[str, timedelta]) -> None:
    world.knows(**age)
    with pytest.raises(MediaGone):
        await world.desk().facts(CALLER, "77")
    assert world.asked == []


@pytest.mark.parametrize("media_id", ["77", "../77", "7" * 33, "x", "", "\u0667"])
async def test_a_file_that_nobody_of_the_tenant_has_is_unknown(world: World, media_id: str) -> None:
    for call in (world.desk().facts, world.desk().delete):
        with pytest.raises(NoSuchMedia):
            await call(CALLER, media_id)
    assert world.asked == []


async def test_a_file_of_an_account_that_is_not_connected_waits_for_it(world: World) -> None:
    world.knows(received=timedelta(0))
    world.connected = False
    with pytest.raises(Conflict):
        await world.desk().facts(CALLER, "77")


async def test_a_test_key_reaches_no_file_of_a_live_account(world: World) -> None:
    world.knows(uploaded=timedelta(0))
    world.sandbox = False
    caller, desk = Caller("t", "k", "test", frozenset()), world.desk()
    for call in (desk.facts, desk.delete):
        with pytest.raises(NoSuchMedia):
            await call(caller, "77")
    with pytest.raises(NoSuchNumber):
        await desk.begin(caller, form())
    assert world.asked == []


async def test_a_file_that_cannot_be_noted_is_deleted_at_meta_again(world: World) -> None:
    world.stores = False
    desk = world.desk()
    upload = await desk.begin(CALLER, form())
    with pytest.raises(MongoUnavailable):
        await desk.store(CALLER, upload)
    assert world.asked == ["POST /v25.0/1/media", "DELETE /v25.0/77"]
    world.stores = True
    stored = await desk.store(CALLER, await desk.begin(CALLER, form()))
    assert (stored["media_id"], stored["size"], stored["expires_at"]) == ("77", 8, NOW + timedelta(days=30))

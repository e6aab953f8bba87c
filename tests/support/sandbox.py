"""The sandbox in the test's own event loop, on a port of the system's, and a receiver of its webhooks."""

import asyncio
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from aiohttp import web
from pydantic import SecretStr

from libs.runtime.application import Application
from libs.runtime.http_deadlines import DeadlineHttpProtocol
from services.sandbox.app import create_app
from services.sandbox.settings import Settings

APP_ID, APP_SECRET, VERIFY_TOKEN = "1000200030004000", "shh-app-secret", "verify-me"
QUICK = {"sent": 0.01, "delivered": 0.01, "read": 0.01, "read_share": 0, "answer": 0.01}
DEADLINE = 10.0  # seconds that anything awaited in these tests may take


async def until(condition: Callable[[], Any], what: str = "the condition", seconds: float = DEADLINE) -> Any:
    """Return the condition's first true value; raises AssertionError at the deadline."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        await asyncio.sleep(0.005)
    return value


class Receiver:
    """A callback: answers handshakes, keeps every webhook, and refuses as many as it is told to."""

    def __init__(self) -> None:
        self.secret, self.verify_token = APP_SECRET, VERIFY_TOKEN
        self.bodies: list[bytes] = []
        self.badly_signed: list[bytes] = []
        self.attempts = 0
        self.refuse = 0
        self.url = ""

    async def hear(self, request: web.Request) -> web.Response:
        """Take a webhook, or refuse it."""
        body = await request.read()
        self.attempts += 1
        expected = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
            self.badly_signed.append(body)
            return web.Response(status=401)
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=503)
        self.bodies.append(body)
        return web.Response()

    async def consent(self, request: web.Request) -> web.Response:
        """Answer the handshake."""
        if request.query.get("hub.verify_token") != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Return every change that came, in order, with its account as `waba_id`."""
        found = []
        for body in self.bodies:
            for entry in json.loads(body)["entry"]:
                found += [change | {"waba_id": entry["id"]} for change in entry["changes"]]
        return found

    def of(self, field: str) -> list[dict[str, Any]]:
        """Return the values of one field."""
        return [change["value"] for change in self.changes if change["field"] == field]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """Return every status that came."""
        return [status for value in self.of("messages") for status in value.get("statuses", [])]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return every inbound message that came."""
        return [message for value in self.of("messages") for message in value.get("messages", [])]


@asynccontextmanager
async def receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of the system's, or on one it had before."""
    heard = Receiver()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/webhooks/whatsapp", heard.hear)
    app.router.add_get("/webhooks/whatsapp", heard.consent)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0][:2]
    heard.url = f"http://{host}:{port}/webhooks/whatsapp"
    try:
        yield heard
    finally:
        await runner.cleanup()


class Box:
    """A running sandbox, its control side, and one account to work with."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url, self.http = url, http
        self.account: dict[str, Any] = {}

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Make a control call that must succeed, and return its answer."""
        answer = await self.http.request(method, f"/_sandbox{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def connect(self, subscribe: bool = True, **wish: Any) -> dict[str, Any]:
        """Make an account, subscribe its app, and work with it from now on."""
        self.account = await self.control("POST", "/accounts", wish)
        if subscribe:
            await self.graph("POST", f"/{self.waba_id}/subscribed_apps")
        return self.account

    @property
    def waba_id(self) -> str:
        """Return the account's id."""
        return str(self.account["waba_id"])

    @property
    def number(self) -> str:
        """Return the id of the account's first number."""
        return str(self.account["phone_numbers"][0]["phone_number_id"])

    async def graph(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Call the Graph API with the account's token."""
        headers = {"Authorization": f"Bearer {options.pop('token', self.account.get('access_token'))}"}
        if body is not None:
            options["json"] = body
        return await self.http.request(method, f"/v25.0{path}", headers=headers, **options)

    async def send(self, body: dict[str, Any], to: str = "15550000001") -> httpx.Response:
        """Send a message; `messaging_product` and `to` are added."""
        return await self.graph("POST", f"/{self.number}/messages", {"messaging_product": "whatsapp", "to": to} | body)

    async def text(self, text: str = "hello", to: str = "15550000001", **more: Any) -> httpx.Response:
        """Send a text."""
        return await self.send({"type": "text", "text": {"body": text}} | more, to)

    async def writes(self, user: str = "15550000001", **more: Any) -> Any:
        """Let a user write, which opens the window."""
        body = {"phone_number_id": self.number, "from": user, "type": "text", "text": {"body": "hi"}} | more
        return await self.control("POST", "/inbound", body)

    async def sends(self) -> list[dict[str, Any]]:
        """Return the whole accepted log."""
        rows = await self.control("GET", "/sends?limit=10000")
        return list(rows["data"])


def settings_for(state: Path, webhook_url: str, **more: Any) -> Settings:
    """Return settings of a sandbox for tests."""
    return Settings(
        log_hash_key=SecretStr("0123456789abcdef"),
        sandbox_state=state,
        sandbox_webhook_url=webhook_url,
        sandbox_seed=7,
        app_id=APP_ID,
        app_secret=SecretStr(APP_SECRET),
        verify_token=SecretStr(VERIFY_TOKEN),
        **more,
    )


@asynccontextmanager
async def serving(app: Application) -> AsyncIterator[str]:
    """Serve an application on a port of the system's, with its parts started; yield its address."""
    # asyncio switches Nagle's delay off only where the protocol is named: 40 ms a call otherwise
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app.http, http=DeadlineHttpProtocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    for part in app.parts:
        await part.start()
    task = asyncio.create_task(server._serve(sockets=[listener]))
    await until(lambda: server.started, "the server's start")
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True  # a held connection (accept_no_answer) is no reason to wait
        await task
        for part in reversed(app.parts):
            await part.stop()


@asynccontextmanager
async def sandbox(state: Path, webhook_url: str, **more: Any) -> AsyncIterator[Box]:
    """Run a sandbox with quick timing."""
    app = create_app(settings_for(state, webhook_url, **more))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=DEADLINE) as http:
        box = Box(url, http)
        await box.control("PUT", "/timing", QUICK)
        yield box

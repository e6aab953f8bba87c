"""What the sandbox remembers over a restart, and over its sudden death."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx

from tests.support.sandbox import APP_ID, APP_SECRET, DEADLINE, VERIFY_TOKEN, Box, Receiver, sandbox, until


async def test_a_restart_forgets_nothing(tmp_path: Path, heard: Receiver) -> None:
    async with sandbox(tmp_path, heard.url) as box:
        account = await box.connect()
        await box.writes(name="Ann")
        await box.text("before")
        await box.control("POST", "/faults", {"kind": "error", "code": 131000, "to": "15550000009"})
        await box.control("PUT", "/limits", {"pair_rate": False})
        await box.control("PUT", "/clock", {"offset_seconds": 3600})
        await until(lambda: len(heard.statuses) == 2 and heard.messages)
        assert (await box.control("GET", "/webhooks"))["pending"] == 0
    count = heard.attempts
    async with sandbox(tmp_path, heard.url) as again:
        again.account = account
        assert [row["body"]["text"]["body"] for row in await again.sends()] == ["before"]
        assert (await again.text("after")).status_code == 200
        assert [row["seq"] for row in await again.sends()] == [1, 2]
        assert (await again.text(to="15550000009")).status_code == 500
        assert (await again.control("GET", "/limits"))["pair_rate"] is False
        assert (await again.control("GET", "/clock"))["offset_seconds"] == 3600
        assert (await again.control("GET", "/phones/15550000001"))["name"] == "Ann"
        await until(lambda: heard.attempts == count + 2)
        assert heard.statuses[-1]["status"] == "delivered"


async def test_webhooks_that_were_not_taken_come_after_a_restart(tmp_path: Path, heard: Receiver) -> None:
    heard.refuse = 1_000_000
    async with sandbox(tmp_path, heard.url) as box:
        await box.connect()
        await box.writes()
        await box.text()
        await until(lambda: heard.attempts >= 2)
    heard.refuse = 0
    async with sandbox(tmp_path, heard.url):
        await until(lambda: heard.messages and {s["status"] for s in heard.statuses} == {"sent", "delivered"})


async def test_what_was_answered_survives_kill_minus_nine(tmp_path: Path, heard: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "WABUS_HTTP_PORT": str(port),
        "WABUS_LOG_HASH_KEY": "0123456789abcdef",
        "WABUS_SANDBOX_STATE": str(tmp_path),
        "WABUS_SANDBOX_WEBHOOK_URL": heard.url,
        "WABUS_APP_ID": APP_ID,
        "WABUS_APP_SECRET": APP_SECRET,
        "WABUS_VERIFY_TOKEN": VERIFY_TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sandbox", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    answered: list[str] = []
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE) as http:
            await until_up(http)
            box = Box(str(http.base_url), http)
            await box.connect(throughput=1000)
            await asyncio.gather(
                *(send_until_dead(box, f"1555000{n:04d}", answered) for n in range(8)), kill(process, answered)
            )
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    async with sandbox(tmp_path, heard.url) as again:
        logged = [row["wamid"] for row in await again.sends()]
        assert set(answered) <= set(logged)
        assert len(logged) == len(set(logged))
        failed = await until(lambda: {s["id"] for s in heard.statuses} >= set(logged) and heard.statuses)
        assert {status["status"] for status in failed} == {"failed"}


async def until_up(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await http.get("/healthz")
                return
            except httpx.ConnectError:
                await asyncio.sleep(0.05)


async def send_until_dead(box: Box, user: str, answered: list[str]) -> None:
    while True:
        try:
            answer = await box.text(to=user)
        except httpx.TransportError:
            return
        if answer.status_code == 200:
            answered.append(answer.json()["messages"][0]["id"])


async def kill(process: asyncio.subprocess.Process, answered: list[str]) -> None:
    await until(lambda: len(answered) >= 100)
    process.send_signal(signal.SIGKILL)

"""The floors: the same work by the barest program that does it, in the same run, on the same servers."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import aiohttp
import httpx

from deploy.local.ports import free_port
from libs.graph.send import GraphSender, payload
from tests.load.client import drive, text_body
from tests.load.cost import cpu_seconds
from tests.load.floor_server import SECRET
from tests.support.running import API, Number, Stack, until

COUNT = 2_000  # requests a measurement
WARM = 2_000  # before the first
PAIRS = 9  # of measurements, ours and the floor's: single ones differ by a third on a machine that others use too

Costs = tuple[float, float]  # CPU microseconds of ours and of the floor


def measure(stack: Stack, numbers: Sequence[Number], connections: int) -> dict[str, Costs]:
    """Measure what edge's accept, the outbound POST and edge's webhook cost, each next to its floor."""
    for name in ("sender", "tracker"):
        stack.cli("stop", name)
    with _server("accept", stack) as (pid, url):
        accept = _alternate(
            lambda count: _edge_accept(stack, numbers, connections, count),
            lambda count: _posts(pid, url, connections, count, lambda i: _text(numbers, i)),
        )
    with _server("webhook", stack) as (pid, url):
        webhook = _alternate(
            lambda count: _edge_webhook(stack, numbers[0], connections, count),
            lambda count: _webhooks(pid, url, SECRET.decode(), numbers[0].id, connections, count),
        )
    with _server("graph", stack) as (_, url):
        outbound = _alternate(
            lambda count: asyncio.run(_our_posts(url, connections, count)),
            lambda count: asyncio.run(_bare_posts(url, connections, count)),
        )
    return {"edge": accept, "outbound POST": outbound, "webhook": webhook}


def _alternate(ours: Callable[[int], float], floor: Callable[[int], float]) -> Costs:
    """Measure in pairs, so that a machine whose speed drifts does not favour one; -> the medians."""
    ours(WARM), floor(WARM)
    pairs = [(ours(COUNT), floor(COUNT)) for _ in range(PAIRS)]
    return statistics.median(mine for mine, _ in pairs), statistics.median(bare for _, bare in pairs)


def _edge_accept(stack: Stack, numbers: Sequence[Number], connections: int, count: int) -> float:
    headers = {"Authorization": f"Bearer {stack.key}"}
    pid, url = stack.info["pids"]["edge"], stack.info["edge"] + API + "/messages"
    return _posts(pid, url, connections, count, lambda i: _text(numbers, i), headers)


def _text(numbers: Sequence[Number], i: int) -> bytes:
    """Return the i-th text: both look up the same people, who have windows with all numbers."""
    return text_body(numbers[i % len(numbers)].id, f"+1555200{i % 400:04d}", "hello")


def _edge_webhook(stack: Stack, number: Number, connections: int, count: int) -> float:
    url = stack.info["edge"] + "/webhooks/whatsapp"
    return _webhooks(stack.info["pids"]["edge"], url, stack.info["app_secret"], number.id, connections, count)


def _webhooks(pid: int, url: str, secret: str, number: str, connections: int, count: int) -> float:
    raw = json.dumps({
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp", "metadata": {"phone_number_id": number},
            "statuses": [{"id": "wamid." + "A" * 60, "status": "sent", "timestamp": "1750030073",
                          "recipient_id": "15552000001", "biz_opaque_callback_data": "0" * 36}],
        }}]}],
    }).encode()  # fmt: skip
    signature = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return _posts(pid, url, connections, count, lambda _: raw, {"X-Hub-Signature-256": signature})


def _posts(
    pid: int,
    url: str,
    connections: int,
    count: int,
    body: Callable[[int], bytes],
    headers: dict[str, str] | None = None,
) -> float:
    before = cpu_seconds(pid)
    result = asyncio.run(drive(url, headers or {}, count, connections, body, keep=False))
    assert set(result.statuses) <= {200, 202}, result.statuses
    return (cpu_seconds(pid) - before) / count * 1e6


async def _our_posts(url: str, connections: int, count: int) -> float:
    sender = GraphSender(url, "v25.0")
    await sender.start()
    content = json.dumps({"type": "text", "text": {"body": "hello"}})
    try:
        return await _timed(
            connections, count, lambda i: sender.send("1", "token", payload(f"{i:036d}", "+15552000001", content), 10.0)
        )
    finally:
        await sender.stop()


async def _bare_posts(url: str, connections: int, count: int) -> float:
    body = json.dumps({"messaging_product": "whatsapp", "to": "+15552000001", "biz_opaque_callback_data": "0" * 36,
                       "type": "text", "text": {"body": "hello"}}).encode()  # fmt: skip
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=400), headers=headers) as session:

        async def post(_: int) -> None:
            async with session.post(f"{url}/v25.0/1/messages", data=body) as answer:
                json.loads(await answer.read())

        return await _timed(connections, count, post)


async def _timed(connections: int, count: int, post: Callable[[int], object]) -> float:
    numbers = iter(range(count))

    async def work() -> None:
        for i in numbers:
            await post(i)  # type: ignore[misc]  # a coroutine of either kind

    before = time.process_time()
    await asyncio.gather(*(work() for _ in range(connections)))
    return (time.process_time() - before) / count * 1e6


@contextlib.contextmanager
def _server(kind: str, stack: Stack) -> Iterator[tuple[int, str]]:
    port = free_port()
    servers = [stack.info[name] for name in ("mongo", "kafka", "tenant")]
    command = [sys.executable, "-m", "tests.load.floor_server", kind, str(port), *servers]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _listens(url), f"the floor {kind} listens", 20)
        yield process.pid, url
    finally:
        process.terminate()
        process.wait(20)


def _listens(url: str) -> bool:
    try:
        httpx.head(url, timeout=5)
    except httpx.RemoteProtocolError:
        return True
    except httpx.HTTPError:
        return False
    return True

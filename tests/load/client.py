"""A load generator that costs little: keep-alive connections, each one request after the other, times noted."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Result:
    """What a run saw: statuses, the answers' bodies, and the seconds each request took."""

    statuses: dict[int, int] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    started_at: float = 0.0  # seconds since the epoch
    wall: float = 0.0

    def percentile(self, share: float) -> float:
        """Return the time in milliseconds that `share` of the requests did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


async def drive(
    url: str, headers: dict[str, str], count: int, connections: int, body: Callable[[int], bytes], keep: bool = True,
    sign: Callable[[bytes], str] | None = None, every: float = 0.0,
) -> Result:  # fmt: skip
    """POST `count` bodies over `connections` kept-alive connections: one `every` so many seconds, or as fast as answers
    come. `sign` gives a body's own header line.
    """
    parts = urlsplit(url)
    head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    started, result = time.perf_counter(), Result(started_at=time.time())
    numbers = ((number, started + number * every) for number in range(count))
    workers = [
        _worker(parts.hostname or "", parts.port or 80, head, numbers, body, result, keep, sign)
        for _ in range(connections)
    ]
    await asyncio.gather(*workers)
    result.wall = time.perf_counter() - started
    return result


async def _worker(
    host: str, port: int, head: str, numbers: Iterator[tuple[int, float]], body: Callable[[int], bytes],
    result: Result, keep: bool, sign: Callable[[bytes], str] | None,
) -> None:  # fmt: skip
    reader, writer = await asyncio.open_connection(host, port)
    try:
        for number, at in numbers:  # one iterator, shared by all workers
            if (early := at - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            raw = body(number)
            own = f"{sign(raw)}\r\n" if sign is not None else ""
            began = time.perf_counter()
            writer.write(f"{head}{own}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
            status, answer = await _answer(reader)
            result.seconds.append(time.perf_counter() - began)
            result.statuses[status] = result.statuses.get(status, 0) + 1
            if keep:
                result.bodies.append(answer)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lower = head.lower()
    place = lower.find(b"content-length:")
    length = int(lower[place + 15 : lower.index(b"\r\n", place)]) if place >= 0 else 0
    return status, await reader.readexactly(length) if length else b""


def text_body(phone_number_id: str, to: str, text: str) -> bytes:
    """Return the body of a text message."""
    return json.dumps({"phone_number_id": phone_number_id, "to": to, "text": text}).encode()

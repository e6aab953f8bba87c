"""How the command line gives orders to a running supervisor: one JSON line each way over a socket in its directory.

Orders: `{"do": "status"}`, `{"do": "settle"}` (answers when all is ready), `{"do": "restart" | "halt", "name": ...}`,
`{"do": "down"}`. Answers: `{"ok": true, ...}` or `{"error": "one sentence"}`.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.local.errors import StackRefused

ANSWER_WITHIN = 180.0  # seconds: a restart may stop for 30 s and then wait 120 s until it is ready

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@contextlib.asynccontextmanager
async def serving(path: Path, handle: Handler) -> AsyncIterator[None]:
    """Take orders at `path` while the block runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await _answer(handle, await reader.readline())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            pass  # who asked went away; the order was carried out all the same
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, sock=_listening(path))
    try:
        yield
    finally:
        server.close()


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of a run that crashed; the directory's lock says that nobody listens there
    listening = socket.socket(socket.AF_UNIX)
    with _short_path(path) as short:
        listening.bind(short)
    path.chmod(0o600)
    return listening


async def _answer(handle: Handler, line: bytes) -> dict[str, Any]:
    try:
        return {"ok": True} | await handle(json.loads(line))
    except StackRefused as refused:
        return {"error": str(refused)}
    except (ValueError, KeyError) as error:
        return {"error": f"an order that cannot be read: {error!r}"}


def order(path: Path, **what: Any) -> dict[str, Any]:
    """Give an order and wait for its answer; raises StackRefused with the supervisor's own sentence."""
    try:
        with socket.socket(socket.AF_UNIX) as connection, _short_path(path) as short:
            connection.settimeout(ANSWER_WITHIN)
            connection.connect(short)
            connection.sendall(json.dumps(what).encode() + b"\n")
            line = connection.makefile("rb").readline()
    except FileNotFoundError:
        raise StackRefused(f"no stack runs in {path.parent}: `wabus up` starts one") from None
    except TimeoutError:
        raise StackRefused(f"the supervisor did not answer within {ANSWER_WITHIN:.0f} s") from None
    except OSError as error:
        raise StackRefused(f"the supervisor in {path.parent} cannot be reached: {error.strerror}") from error
    answer: dict[str, Any] = json.loads(line) if line else {"error": "the supervisor ended before it answered"}
    if "error" in answer:
        raise StackRefused(answer["error"])
    return answer


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    # A socket's path may have 107 bytes at most, a state directory's is as long as it likes: go there and say less.
    with contextlib.chdir(path.parent):
        yield path.name

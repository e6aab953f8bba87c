"""Faults on calls that are no sends: those whose fault names a part of the `path` (`message_templates`, `/media`)."""

import asyncio
import socket
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.sandbox.faults import Fault, Faults
from services.sandbox.graph_http import Answering, Handler, error_response
from services.sandbox.routes.messages import broken, chosen

SLOW = 5.0  # seconds that a slow call takes where its fault does not say


class FaultyCalls:
    """Wraps the routes: an error or a 5xx comes instead of the call's effect, silence and resets come after it."""

    def __init__(self, faults: Faults, answering: Answering) -> None:
        self._faults = faults
        self._answering = answering

    def __call__(self, handler: Handler) -> Handler:
        """Wrap one route."""
        answered = self._answering(handler)

        async def route(request: Request) -> Response:
            if not self._faults.all:
                return await answered(request)
            if (error := self._strike("error", request)) is not None:
                return error_response(chosen(error))
            if (fault := self._strike("http_5xx", request)) is not None:
                body, status, kind = broken(fault)
                return Response(body, status, media_type=kind.decode())
            response = await answered(request)
            if (slow := self._strike("slow", request)) is not None:
                await asyncio.sleep(slow.number("seconds", SLOW))
            if self._strike("accept_no_answer", request) is not None:
                await _until_gone(request)
            elif self._strike("accept_then_reset", request) is not None:
                _reset(request)
            return response

        return route

    def _strike(self, kind: str, request: Request) -> Fault | None:
        return self._faults.strike(kind, path=f"{request.method} {request.scope['path']}")


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _reset(request: Request) -> None:
    """Cut the connection with a TCP reset: closing with a linger of zero seconds sends one."""
    transport: Any = request.receive.__self__.transport  # type: ignore[attr-defined]  # uvicorn's own method
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

"""The control side's knobs: faults, timing, limits, the clock, the dice."""

import random
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.behaviour import Limits, Timing
from services.sandbox.clock import SandboxClock
from services.sandbox.faults import Faults
from services.sandbox.pricing_analytics import Books, read_prices
from services.sandbox.routes.control import wish_of
from services.sandbox.store import Store


class KnobRoutes:
    """Reads and changes how the sandbox behaves; everything is kept."""

    def __init__(
        self, store: Store, faults: Faults, timing: Timing, limits: Limits, clock: SandboxClock, dice: random.Random,
        books: Books,
    ) -> None:  # fmt: skip
        self._store, self._faults, self._timing, self._limits = store, faults, timing, limits
        self._clock, self._dice, self._books = clock, dice, books

    async def faults(self, request: Request) -> Response:
        """GET /_sandbox/faults: in force, with how often each has fired."""
        return JSONResponse({"data": [fault.shown() for fault in self._faults.all.values()]})

    async def add_fault(self, request: Request) -> Response:
        """POST /_sandbox/faults."""
        fault = self._faults.add(await wish_of(request))
        return JSONResponse(fault.shown())

    async def clear_faults(self, request: Request) -> Response:
        """DELETE /_sandbox/faults: all of them."""
        for fault_id in list(self._faults.all):
            self._remove(fault_id)
        return JSONResponse({"data": []})

    async def remove_fault(self, request: Request) -> Response:
        """DELETE /_sandbox/faults/{id}."""
        fault_id = request.path_params["fault_id"]
        if not fault_id.isdigit() or int(fault_id) not in self._faults.all:
            raise HTTPException(404, "no such fault")
        return JSONResponse(self._remove(int(fault_id)))

    def _remove(self, fault_id: int) -> dict[str, Any]:
        fault = self._faults.remove(fault_id)
        self._store.remove("Fault", str(fault_id))
        return fault.shown() if fault else {}

    async def timing(self, request: Request) -> Response:
        """GET and PUT /_sandbox/timing; `seed` starts the dice anew."""
        if request.method == "PUT":
            wish = await wish_of(request)
            self._timing.change(wish)
            if "seed" in wish:
                self._dice.seed(wish["seed"])
            self._store.put("Setting", "timing", self._timing.shown())
        return JSONResponse(self._timing.shown())

    async def limits(self, request: Request) -> Response:
        """GET and PUT /_sandbox/limits."""
        if request.method == "PUT":
            self._limits.change(await wish_of(request))
            self._store.put("Setting", "limits", self._limits.shown())
        return JSONResponse(self._limits.shown())

    async def prices(self, request: Request) -> Response:
        """GET and PUT /_sandbox/prices: what `pricing_analytics` tells of cost."""
        if request.method == "PUT":
            self._books.prices = read_prices(await wish_of(request))
            self._store.put("Setting", "prices", self._books.prices)
        return JSONResponse(self._books.prices)

    async def clock(self, request: Request) -> Response:
        """GET and PUT /_sandbox/clock."""
        if request.method == "PUT":
            self._clock.set(await wish_of(request))
            self._store.put("Setting", "clock", {"offset_seconds": self._clock.offset})
        return JSONResponse(self._clock.shown())

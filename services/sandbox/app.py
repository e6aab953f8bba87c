"""The sandbox put together: the only place that builds its parts."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import asdict

from libs.observability.http import operational_routes
from libs.runtime.application import Application
from services.sandbox.accounts import Accounts
from services.sandbox.behaviour import Limits, Timing
from services.sandbox.clock import SandboxClock
from services.sandbox.courier import Courier
from services.sandbox.delivery import Deliveries
from services.sandbox.faults import Faults
from services.sandbox.graph_http import Answering
from services.sandbox.media import MediaShelf
from services.sandbox.messages import Messages
from services.sandbox.model import App
from services.sandbox.people import People
from services.sandbox.pricing_analytics import Books, read_prices
from services.sandbox.rates import Rates
from services.sandbox.routes.accounts import AccountRoutes
from services.sandbox.routes.apps import AppRoutes
from services.sandbox.routes.control import ControlRoutes
from services.sandbox.routes.door import Door, control_routes, graph_routes
from services.sandbox.routes.faulty import FaultyCalls
from services.sandbox.routes.knobs import KnobRoutes
from services.sandbox.routes.messages import MessagesRoute
from services.sandbox.routes.objects import ObjectRoutes
from services.sandbox.routes.page import PageRoutes
from services.sandbox.routes.templates import MediaRoutes, TemplateRoutes
from services.sandbox.routes.uploads import UploadRoutes
from services.sandbox.settings import Settings
from services.sandbox.store import Store
from services.sandbox.templates import Templates
from services.sandbox.watching import Watching
from services.sandbox.world import World


def create_app(settings: Settings) -> Application:
    """Build the sandbox from its settings; what an earlier run kept is read here."""
    store, clock, dice = Store(settings.sandbox_state), SandboxClock(), random.Random(settings.sandbox_seed)
    timing, limits = _kept_behaviour(store, clock)
    shared = App(
        settings.app_id, settings.app_secret.get_secret_value(), "Wabus", settings.sandbox_webhook_url,
        settings.verify_token.get_secret_value(),
    )  # fmt: skip
    world, courier = World(store, clock, shared), Courier()
    faults = Faults(dice, store.load("Fault"), lambda fault: store.put("Fault", str(fault.id), asdict(fault)))
    deliveries = Deliveries(world, store, faults, dice, courier)
    media = MediaShelf(world, clock, settings.sandbox_state / "media")
    people = People(world, store, clock, deliveries, media)
    rates = Rates(limits, store, clock.now())
    messages = Messages(world, store, clock, deliveries, people, faults, rates, timing, limits, dice)
    templates = Templates(world, clock, deliveries, _after_review(timing, dice))
    accounts = Accounts(world, clock, deliveries, dice)
    control = ControlRoutes(world, store, accounts, templates, messages, people, deliveries)
    books = Books(store, read_prices(store.settings().get("prices", {})))
    knobs = KnobRoutes(store, faults, timing, limits, clock, dice, books)
    graph = graph_routes(
        FaultyCalls(faults, Answering(world, store, rates, clock)),
        ObjectRoutes(world, courier, templates, media, books, clock),
        AccountRoutes(world, clock, courier, limits),
        AppRoutes(world, clock),
        TemplateRoutes(world, templates),
        MediaRoutes(world, media),
        UploadRoutes(world),
    )
    door = Door(MessagesRoute(world, messages, faults))
    app = Application("sandbox", door, [_StorePart(store), deliveries, messages])
    watching = Watching(people, accounts, deliveries, store)
    watching.stopping = lambda: app.stopping
    ours = [*PageRoutes(watching).routes(), *control_routes(store, control, knobs)]
    door.mount([*operational_routes(app.readiness), *ours, *graph])
    return app


def _kept_behaviour(store: Store, clock: SandboxClock) -> tuple[Timing, Limits]:
    kept = {"timing": {}, "limits": {}, "clock": {"offset_seconds": 0.0}} | store.settings()
    timing, limits = Timing(), Limits()
    timing.change(kept["timing"])
    limits.change(kept["limits"])
    clock.set(kept["clock"])
    return timing, limits


def _after_review(timing: Timing, dice: random.Random) -> Callable[[Callable[[], None]], None]:
    """Return what calls back once Meta would have reviewed a template, if it reviews by itself at all."""

    def later(approve: Callable[[], None]) -> None:
        if timing.review is not None:
            asyncio.get_running_loop().call_later(timing.review.draw(dice), approve)

    return later


class _StorePart:
    """The store's life: it starts first and stops last."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def start(self) -> None:
        """The file is open already."""

    async def stop(self) -> None:
        """Commit what is queued."""
        self._store.close()

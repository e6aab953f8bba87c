"""The composition root of the campaigns service."""

import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from zlib import crc32

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.events.topics import (
    ACCOUNTS_CHANGED,
    CAMPAIGNS_COMMANDS,
    CONTACTS_FORGOTTEN,
    MESSAGES_STATUS,
    TEMPLATES_CHANGED,
)
from libs.kafka.batches import BatchConsumer
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.lanes import LaneConsumer
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.kafka.subscription import NOBODY_WAITS
from libs.ledger import contacts, record
from libs.ledger.budget import Budget
from libs.ledger.claims import Claims
from libs.ledger.contacts import ContactReader
from libs.ledger.intake import Intake
from libs.ledger.reader import MessageReader
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.mongo.leases import Lease
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.web.api import create_api
from libs.web.calls import calls_router
from libs.web.door import Door
from services.campaigns import import_store, recipient_store, store
from services.campaigns.announcer import Announcer
from services.campaigns.audience import Audience
from services.campaigns.commands import Commands
from services.campaigns.consent import refusal
from services.campaigns.fan_out import FanOut
from services.campaigns.forgetting import Forgotten
from services.campaigns.import_store import ImportStore
from services.campaigns.imports import Imports
from services.campaigns.launcher import Launcher
from services.campaigns.move_store import RecipientMoves
from services.campaigns.opt_outs import OptOuts
from services.campaigns.pace import Pace
from services.campaigns.planning import Planner
from services.campaigns.progress import Progress
from services.campaigns.queueing import Queueing
from services.campaigns.recipient_routes import RecipientRoutes
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.retrying import Retrying
from services.campaigns.routes import CampaignRoutes
from services.campaigns.settings import Settings
from services.campaigns.steering import Steering
from services.campaigns.store import CampaignStore
from services.campaigns.take_back import TakeBack
from services.campaigns.targets import Targets
from services.campaigns.watching import Watching

BASE = "/api/v1/whatsapp"
GROUP = "campaigns"
GROUP_OF_FORGOTTEN = "campaigns-forgotten"  # of its own: it waits for what is queued, and nothing waits for it
LEASE = timedelta(seconds=10)  # without renewal: a fan-out that died is followed by another one
SHARDS = 16  # documents that a campaign's counters are spread over: more than there are processes


class _Campaigns:
    """Everything the service is made of, in the order it is built."""

    def __init__(self, settings: Settings) -> None:
        self.clock = SystemClock()
        owner = f"{socket.gethostname()}-{os.getpid()}"
        self.mongo = Mongo.of(settings)
        self.bus = Bus(KafkaConnection.of(settings), f"campaigns-{owner}")
        self.directory = Directory(self.mongo, None, self.clock)
        campaigns, recipients = CampaignStore(self.mongo), RecipientStore(self.mongo)
        shard = crc32(owner.encode()) % SHARDS
        asked, fanned, told = (RecipientMoves(self.mongo, f"{shard}-{who}") for who in ("api", "fan-out", "status"))
        targets, people = Targets(self.directory), ContactReader(self.mongo)
        self.intake = Intake(self.mongo, refusal)
        messages, budget = MessageReader(self.mongo), Budget(self.mongo)
        self.fan_out = FanOut(
            campaigns, recipients, fanned, targets,
            Queueing(fanned, self.intake, messages, self.bus, self.clock),
            TakeBack(campaigns, recipients, fanned, Claims(self.mongo), messages, self.clock),
            Pace(budget, self.clock, settings.campaigns_ahead.total_seconds()),
            Steering(campaigns, targets, OptOuts(people, recipients, self.clock), self.clock),
            Lease(self.mongo, "campaigns-fan-out", owner, LEASE), self.clock, settings.campaigns_round_every,
        )  # fmt: skip
        audience = Audience(campaigns, asked, targets, self.clock)
        imports = Imports(ImportStore(self.mongo), audience, self.clock)
        planner = Planner(recipients, people, budget, self.clock)
        retrying = Retrying(campaigns, recipients, asked, self.clock)
        launcher = Launcher(campaigns, recipients, retrying, audience, imports, targets, planner, self.clock)
        commands = Commands(launcher, audience, campaigns, self.bus, self.clock)
        self.commands = self._lanes(CAMPAIGNS_COMMANDS, GROUP, commands.take)
        self.forgotten = self._lanes(
            CONTACTS_FORGOTTEN, GROUP_OF_FORGOTTEN, Forgotten(campaigns, recipients, asked).take
        )
        self.announcer = Announcer(
            campaigns, recipients, self.bus, Lease(self.mongo, "campaigns-announcer", owner, LEASE), self.clock
        )
        self.watching = Watching(campaigns, recipients, self.clock)
        self.calls = [
            *RecipientRoutes(launcher, audience, imports, recipients).calls(),
            *CampaignRoutes(launcher, recipients, self.watching).calls(),
        ]
        self.consumer = self._consumer(settings, Progress(recipients, told, messages))

    def _lanes(self, topic: str, group: str, handle: Callable[[Record], Awaitable[object]]) -> LaneConsumer:
        letters = DeadLetterPolicy(service="campaigns")
        return LaneConsumer(
            self.bus, topics=[topic], group=group, lane_of=lambda it: it.key, handle=handle, dead_letters=letters
        )

    def _consumer(self, settings: Settings, progress: Progress) -> BatchConsumer:
        session = int(settings.campaigns_session_timeout.total_seconds() * 1000)
        fetch = replace(NOBODY_WAITS, session_timeout_ms=session)
        return BatchConsumer(
            self.bus, topics=[MESSAGES_STATUS], group=GROUP, handle=progress.take,
            dead_letters=DeadLetterPolicy(service="campaigns"),
            membership=Membership(fetch=fetch),
        )  # fmt: skip


def create_app(settings: Settings) -> Application:
    """Build the campaigns service from its settings."""
    built = _Campaigns(settings)
    api = create_api("Wabus campaigns", "Campaigns, behind edge.", docs_url=None, redoc_url=None)
    secret = settings.internal_secret.get_secret_value()
    api.include_router(calls_router(f"{BASE}/campaigns", built.calls, secret))
    listener = DirectoryListener(built.directory)
    application = Application(
        "campaigns",
        Door(api, behind_edge=True),
        parts=[
            built.mongo,
            IndexBuilder(
                built.mongo,
                store.INDEXES,
                recipient_store.INDEXES,
                import_store.INDEXES,
                record.INDEXES,
                contacts.INDEXES,
            ),
            built.bus,
            BroadcastConsumer(built.bus, topics=[ACCOUNTS_CHANGED, TEMPLATES_CHANGED], handle=listener.handle),
            built.intake,
            built.consumer,
            built.commands,
            built.forgotten,
            built.fan_out,
            built.announcer,
        ],
        checks={
            "mongo": built.mongo.reachable,
            "kafka": built.bus.reachable,
            "consumer": built.consumer.healthy,
            "commands": built.commands.healthy,
            "forgotten": built.forgotten.healthy,
        },
    )
    built.watching.stopping = lambda: application.stopping
    api.routes.extend(operational_routes(application.readiness))
    return application

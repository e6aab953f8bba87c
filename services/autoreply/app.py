"""The composition root of autoreply."""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.events.topics import ACCOUNTS_CHANGED, MESSAGES_INBOUND, MESSAGES_STATUS
from libs.kafka.batches import BatchConsumer, Rejected
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.kafka.subscription import FetchSettings
from libs.ledger.contacts import ContactReader
from libs.ledger.conversations import ConversationReader
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.reader import MessageReader
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.web.api import create_api
from libs.web.calls import calls_router
from libs.web.door import Door
from services.autoreply import bot_store, talk_store
from services.autoreply.agents import AgentWatch
from services.autoreply.answering import Answering
from services.autoreply.bot_store import BotStore
from services.autoreply.bots import Bots
from services.autoreply.handover import Handover
from services.autoreply.routes import BotRoutes, HandoverRoutes
from services.autoreply.settings import Settings
from services.autoreply.talk_store import TalkStore

BASE = "/api/v1/whatsapp"
GROUP, GROUP_OF_AGENTS = "autoreply", "autoreply-agents"
QUICK = FetchSettings()
# The broker answers as soon as there is something: how long a fetch waits is only how often an idle one is asked.
CALM = FetchSettings(batch_timeout_ms=250, wait_ms=5_000)

Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Rejected]]]


def create_app(settings: Settings) -> Application:
    """Build autoreply from its settings."""
    clock, mongo = SystemClock(), Mongo(settings.mongo_url.get_secret_value(), settings.mongo_database)
    bus = Bus(settings.kafka_bootstrap, f"autoreply-{socket.gethostname()}-{os.getpid()}")
    directory, bots, talks = Directory(mongo, None, clock), BotStore(mongo), TalkStore(mongo)
    answering = Answering(
        directory, bots, talks, ContactReader(mongo), MessageReader(mongo), OptOutWordsBook(mongo, clock), bus, clock,
        settings.autoreply_stale_after,
    )  # fmt: skip
    watch = AgentWatch(directory, talks, settings.autoreply_silent_for)
    consumer = _consumer(settings, bus, MESSAGES_INBOUND, GROUP, answering.take, QUICK)
    agents = _consumer(settings, bus, MESSAGES_STATUS, GROUP_OF_AGENTS, watch.take, CALM)
    api = create_api("Wabus autoreply", "Bots, behind edge.", docs_url=None, redoc_url=None)
    secret = settings.internal_secret.get_secret_value()
    handover = HandoverRoutes(Handover(talks, bus, clock), ConversationReader(mongo))
    api.include_router(calls_router(f"{BASE}/bots", BotRoutes(Bots(bots, directory, clock), talks).calls(), secret))
    api.include_router(calls_router(f"{BASE}/conversations", handover.calls(), secret))
    application = Application(
        "autoreply",
        Door(api, behind_edge=True),
        parts=[
            mongo,
            IndexBuilder(mongo, bot_store.INDEXES, talk_store.indexes(settings.autoreply_kept)),
            bus,
            BroadcastConsumer(bus, topics=[ACCOUNTS_CHANGED], handle=DirectoryListener(directory).handle),
            consumer,
            agents,
        ],
        checks={
            "mongo": mongo.reachable,
            "kafka": bus.reachable,
            "consumer": consumer.healthy,
            "agents": agents.healthy,
        },
    )
    api.routes.extend(operational_routes(application.readiness))
    return application


def _consumer(
    settings: Settings, bus: Bus, topic: str, group: str, handle: Handle, fetch: FetchSettings
) -> BatchConsumer:
    session = int(settings.autoreply_session_timeout.total_seconds() * 1000)
    membership = Membership(fetch=replace(fetch, session_timeout_ms=session))
    letters = DeadLetterPolicy(service="autoreply")
    return BatchConsumer(
        bus, topics=[topic], group=group, handle=handle, dead_letters=letters, membership=membership
    )  # fmt: skip

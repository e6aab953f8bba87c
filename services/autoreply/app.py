"""The composition root of autoreply."""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.directory.vault import Vault
from libs.egress.client import Egress
from libs.events.topics import ACCOUNTS_CHANGED, MESSAGES_INBOUND, MESSAGES_REJECTED, MESSAGES_STATUS
from libs.kafka.batches import BatchConsumer, Rejected
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.kafka.subscription import NOBODY_WAITS, FetchSettings
from libs.ledger.consent import ConsentLog
from libs.ledger.contacts import ContactReader
from libs.ledger.conversations import ConversationReader
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.reader import MessageReader
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from libs.web.api import create_api
from libs.web.calls import calls_router
from libs.web.door import Door
from services.autoreply import bot_store, spending_store, talk_store, turn_store
from services.autoreply.agents import AgentWatch
from services.autoreply.answering import Answering
from services.autoreply.bot_secrets import Secrets
from services.autoreply.bot_store import BotStore
from services.autoreply.bots import Bots
from services.autoreply.carrying_out import CarryingOut
from services.autoreply.handover import Handover
from services.autoreply.places import Places
from services.autoreply.routes import BotRoutes, HandoverRoutes
from services.autoreply.settings import Settings
from services.autoreply.spending_store import SpendingStore
from services.autoreply.talk_store import TalkStore
from services.autoreply.thinkers import Thinkers
from services.autoreply.thinking import LEASE, Thinking
from services.autoreply.turn_store import TurnStore
from services.autoreply.turn_taking import TurnTaking
from services.autoreply.turns import Turns

BASE = "/api/v1/whatsapp"
GROUP, GROUP_OF_AGENTS = "autoreply", "autoreply-agents"
LONGEST_CALL = timedelta(seconds=60)  # of a bot that thinks, whatever it says of itself
QUICK = FetchSettings()

Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Rejected]]]


class _Autoreply:
    """Everything autoreply is made of, in the order it is built."""

    def __init__(self, settings: Settings) -> None:
        self.clock = SystemClock()
        self.mongo = Mongo.of(settings)
        self.bus = Bus(KafkaConnection.of(settings), f"autoreply-{socket.gethostname()}-{os.getpid()}")
        self.directory, self.talks = Directory(self.mongo, None, self.clock), TalkStore(self.mongo)
        self.egress = Egress(settings.egress_limits, LONGEST_CALL)
        self.spending, bots = SpendingStore(self.mongo), BotStore(self.mongo)
        vault = Vault(settings.encryption_keys.get_secret_value())
        secrets = Secrets(vault, settings.egress_limits)
        carrying_out, turns = CarryingOut(self.talks, self.bus, self.clock), TurnStore(self.mongo, new_id(), LEASE)
        contacts, messages = ContactReader(self.mongo), MessageReader(self.mongo)
        taking = TurnTaking(
            self.directory, bots, self.talks, contacts, messages, ConsentLog(self.mongo),
            Thinkers(self.egress, secrets, self.spending, self.clock), carrying_out, self.clock,
            settings.autoreply_stale_after,
        )  # fmt: skip
        places = Places(
            settings.autoreply_thinking_at_once, settings.autoreply_thinking_per_tenant,
            settings.autoreply_thinking_per_bot,
        )  # fmt: skip
        self.thinking = Thinking(turns, taking, self.clock, places)
        answering = Answering(
            self.directory, bots, self.talks, contacts, messages, OptOutWordsBook(self.mongo, self.clock),
            Turns(turns, self.clock, self.thinking.due_in), carrying_out, self.clock, settings.autoreply_stale_after,
        )  # fmt: skip
        watch = AgentWatch(self.directory, self.talks, settings.autoreply_silent_for)
        self.consumer = _consumer(settings, self.bus, [MESSAGES_INBOUND], GROUP, answering.take, QUICK)
        watched = [MESSAGES_STATUS, MESSAGES_REJECTED]
        self.agents = _consumer(settings, self.bus, watched, GROUP_OF_AGENTS, watch.take, NOBODY_WAITS)
        self.bots = Bots(bots, self.directory, secrets, self.clock)


def create_app(settings: Settings) -> Application:
    """Build autoreply from its settings."""
    built = _Autoreply(settings)
    mongo, bus = built.mongo, built.bus
    api = create_api("Wabus autoreply", "Bots, behind edge.", docs_url=None, redoc_url=None)
    secret = settings.internal_secret.get_secret_value()
    handover = HandoverRoutes(Handover(built.talks, bus, built.clock), ConversationReader(mongo), built.directory)
    bots = BotRoutes(built.bots, built.talks, built.spending, built.clock)
    api.include_router(calls_router(f"{BASE}/bots", bots.calls(), secret))
    api.include_router(calls_router(f"{BASE}/conversations", handover.calls(), secret))
    indexes = [bot_store.INDEXES, talk_store.indexes(settings.autoreply_kept), turn_store.INDEXES]
    application = Application(
        "autoreply",
        Door(api, behind_edge=True),
        parts=[
            mongo,
            IndexBuilder(mongo, *indexes, spending_store.INDEXES),
            bus,
            built.egress,
            BroadcastConsumer(bus, topics=[ACCOUNTS_CHANGED], handle=DirectoryListener(built.directory).handle),
            built.thinking,
            built.consumer,
            built.agents,
        ],
        checks={
            "mongo": mongo.reachable,
            "kafka": bus.reachable,
            "consumer": built.consumer.healthy,
            "agents": built.agents.healthy,
        },
    )
    api.routes.extend(operational_routes(application.readiness))
    return application


def _consumer(
    settings: Settings, bus: Bus, topics: Sequence[str], group: str, handle: Handle, fetch: FetchSettings
) -> BatchConsumer:
    session = int(settings.autoreply_session_timeout.total_seconds() * 1000)
    membership = Membership(fetch=replace(fetch, session_timeout_ms=session))
    letters = DeadLetterPolicy(service="autoreply")
    return BatchConsumer(
        bus, topics=topics, group=group, handle=handle, dead_letters=letters, membership=membership
    )  # fmt: skip

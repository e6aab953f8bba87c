"""The tracker's composition root."""

import os
import socket

from starlette.applications import Starlette

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.events.topics import ACCOUNTS_CHANGED, META_WEBHOOKS
from libs.kafka.batches import BatchConsumer
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.group import Membership
from libs.kafka.subscription import FetchSettings
from libs.ledger import consent, contacts, record
from libs.ledger.flow import Flow
from libs.ledger.inbound import InboundStore
from libs.ledger.moves import Moves
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.people import People
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from services.tracker import store
from services.tracker.acquaintances import Acquaintances
from services.tracker.flow_notes import FlowNotes
from services.tracker.handlers import WebhookHandlers
from services.tracker.inbox import Inbox
from services.tracker.service import StatusTracker
from services.tracker.settings import Settings
from services.tracker.store import MisfitStore

GROUP = "tracker"


def create_app(settings: Settings, *, bus: Bus | None = None) -> Application:
    """Build the tracker from its settings; tests may hand in a bus of their own."""
    clock = SystemClock()
    mongo = Mongo.of(settings)
    bus = bus or Bus(KafkaConnection.of(settings), f"tracker-{socket.gethostname()}-{os.getpid()}")
    directory = Directory(mongo, None, clock)
    acquaintances, misfits = Acquaintances(People(mongo), clock), MisfitStore(mongo)
    inbox = Inbox(directory, acquaintances, InboundStore(mongo), misfits, OptOutWordsBook(mongo, clock), clock)
    tracker = StatusTracker(directory, Moves(mongo), acquaintances, misfits, clock)
    notes = FlowNotes(Flow(mongo), clock, settings.tracker_note_every)
    handlers = WebhookHandlers(inbox, tracker, bus, notes, clock)
    session = int(settings.tracker_session_timeout.total_seconds() * 1000)
    consumer = BatchConsumer(
        bus,
        topics=[META_WEBHOOKS],
        group=GROUP,
        handle=handlers.take,
        dead_letters=DeadLetterPolicy(service="tracker"),
        membership=Membership(fetch=FetchSettings(session_timeout_ms=session)),
    )
    notes.watch(consumer.places_now)
    listener = DirectoryListener(directory)
    application = Application(
        "tracker",
        Starlette(),
        parts=[
            mongo,
            IndexBuilder(mongo, record.INDEXES, contacts.INDEXES, consent.INDEXES, store.INDEXES),
            bus,
            BroadcastConsumer(bus, topics=[ACCOUNTS_CHANGED], handle=listener.handle),
            consumer,
            notes,
        ],
        checks={"mongo": mongo.reachable, "kafka": bus.reachable, "consumer": consumer.healthy},
    )
    application.http.routes.extend(operational_routes(application.readiness))
    return application

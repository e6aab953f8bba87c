"""The sender's composition root."""

import os
import socket
from datetime import timedelta

from starlette.applications import Starlette

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.directory.vault import Vault
from libs.events.topics import ACCOUNTS_CHANGED, OUTBOUND_BULK, OUTBOUND_INTERACTIVE
from libs.graph.send import GraphSender
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.group import Membership
from libs.kafka.lanes import LaneConsumer
from libs.kafka.subscription import FetchSettings
from libs.ledger import budget, contacts, record
from libs.ledger.budget import Budget
from libs.ledger.claims import Claims
from libs.ledger.contacts import ContactReader
from libs.ledger.due import DueRecords
from libs.ledger.flow import Flow
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.mongo.leases import Lease
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from services.sender.budget import BudgetDesk
from services.sender.desk import Desk
from services.sender.handlers import WakeUpHandlers, lane_of
from services.sender.reconcile import Reconciler
from services.sender.service import Sender
from services.sender.settings import Settings
from services.sender.settler import Settler
from services.sender.stops import AccountStops
from services.sender.sweeper import Sweeper

GROUP = "sender"
SWEEPER_LEASE = timedelta(seconds=10)  # without renewal: a dead sweeper is replaced well before a record is missed


def create_app(settings: Settings, *, bus: Bus | None = None, graph: GraphSender | None = None) -> Application:
    """Build the sender from its settings; tests may hand in a bus or a Graph side of their own."""
    clock = SystemClock()
    owner = f"{socket.gethostname()}-{os.getpid()}"
    mongo = Mongo.of(settings)
    bus = bus or Bus(KafkaConnection.of(settings), f"sender-{owner}")
    directory = Directory(mongo, Vault(settings.encryption_keys.get_secret_value()), clock)
    claims, due = Claims(mongo), DueRecords(mongo)
    settler = Settler(claims, bus, clock)
    desk = Desk(claims, ContactReader(mongo), BudgetDesk(Budget(mongo)), clock, settings.sender_lease)
    graph = graph or GraphSender(settings.graph_url, settings.graph_version)
    sender = Sender(
        directory, desk, claims, settler, graph, AccountStops(bus, clock), clock, settings.sender_lease,
        settings.sender_window, settings.sender_stopped_wait,
    )  # fmt: skip
    reconciler = Reconciler(
        due, Flow(mongo), directory, settler, bus, settings.sender_lease, settings.sender_reconcile_wait,
        settings.sender_no_flow_limit, settings.sender_look_every,
    )  # fmt: skip
    lease = Lease(mongo, "sweeper", owner, SWEEPER_LEASE)
    consumer = _consumer(settings, bus, WakeUpHandlers(sender))
    application = Application(
        "sender",
        Starlette(),
        parts=[
            mongo,
            IndexBuilder(mongo, record.INDEXES, contacts.INDEXES, budget.INDEXES),
            bus,
            graph,
            BroadcastConsumer(bus, topics=[ACCOUNTS_CHANGED], handle=DirectoryListener(directory).handle),
            settler,
            desk,
            Sweeper(due, settler, reconciler, bus, lease, clock, settings.sender_sweep_every),
            consumer,
        ],
        checks={"mongo": mongo.reachable, "kafka": bus.reachable, "consumer": consumer.healthy},
    )
    application.http.routes.extend(operational_routes(application.readiness))
    return application


def _consumer(settings: Settings, bus: Bus, handlers: WakeUpHandlers) -> LaneConsumer:
    session = int(settings.sender_session_timeout.total_seconds() * 1000)
    return LaneConsumer(
        bus,
        topics=[OUTBOUND_INTERACTIVE, OUTBOUND_BULK],
        group=GROUP,
        lane_of=lane_of,
        handle=handlers.wake,
        window=settings.sender_window,
        dead_letters=DeadLetterPolicy(service="sender", on_dead_letter=handlers.bury),
        membership=Membership(fetch=FetchSettings(session_timeout_ms=session), aligned=True, on_revoke=handlers.let_go),
    )

"""The composition root of analytics."""

import os
import socket
from dataclasses import replace
from datetime import timedelta

from libs.directory.directory import Directory
from libs.directory.vault import Vault
from libs.events.topics import MESSAGES_INBOUND, MESSAGES_STATUS
from libs.graph.client import GraphClient
from libs.graph.pricing import GraphPricing
from libs.kafka.batches import BatchConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.membership import Membership
from libs.kafka.subscription import NOBODY_WAITS
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.mongo.leases import Lease
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from libs.web.api import create_api
from libs.web.calls import calls_router
from libs.web.door import Door
from services.analytics import history_store, line_store, reconciliation_store, sums_store
from services.analytics.books import Books
from services.analytics.freshness import Freshness
from services.analytics.history_store import HistoryStore
from services.analytics.ingest import Ingest
from services.analytics.layer_store import LayerStore
from services.analytics.line_store import LineStore
from services.analytics.reconciler import Reconciler
from services.analytics.reconciliation_routes import ReconciliationRoutes
from services.analytics.reconciliation_store import ReconciliationStore
from services.analytics.replies import Replies
from services.analytics.retention import Retention
from services.analytics.routes import AnalyticsRoutes
from services.analytics.service import Analyst
from services.analytics.settings import Settings
from services.analytics.sums_store import SumsStore

BASE = "/api/v1/whatsapp"
GROUP = "analytics"
TOPICS = (MESSAGES_STATUS, MESSAGES_INBOUND)
TURN = timedelta(minutes=2)  # longer than a call of Graph's may take
MOST_RECORDS = 5_000  # in one unit of work: after an outage figures are behind by one step, not by many small ones


def create_app(settings: Settings) -> Application:
    """Build analytics from its settings."""
    clock, mongo = SystemClock(), Mongo.of(settings)
    bus = Bus(KafkaConnection.of(settings), f"analytics-{socket.gethostname()}-{os.getpid()}")
    history, sums, lines, layers = HistoryStore(mongo), SumsStore(mongo), LineStore(mongo), LayerStore(mongo)
    books = Books(sums, lines, clock)
    directory = Directory(mongo, Vault(settings.encryption_keys.get_secret_value()), clock)
    graph, comparisons = GraphClient(settings.graph_url, settings.graph_version), ReconciliationStore(mongo)
    consumer = _consumer(settings, bus, Ingest(mongo, history, sums, lines, layers, books, clock))
    analyst, turn = Analyst(sums, lines, layers), Lease(mongo, "analytics-reconciler", new_id(), TURN)
    comparison = ReconciliationRoutes(analyst, comparisons, directory, clock)
    calls = [*AnalyticsRoutes(analyst, directory, clock).calls(), *comparison.calls()]
    api = create_api("Wabus analytics", "What happened and what it cost, behind edge.", docs_url=None, redoc_url=None)
    api.include_router(calls_router(f"{BASE}/analytics", calls, settings.internal_secret.get_secret_value()))
    reconciler = Reconciler(
        directory, GraphPricing(graph), sums, layers, comparisons, turn, clock, settings.analytics_reconcile_every
    )
    indexes = IndexBuilder(
        mongo, history_store.INDEXES, sums_store.INDEXES, line_store.INDEXES, reconciliation_store.INDEXES
    )  # fmt: skip
    application = Application(
        "analytics",
        Door(api, behind_edge=True),
        parts=[
            mongo,
            indexes,
            bus,
            graph,
            consumer,
            Freshness(consumer, sums, clock, settings.analytics_look_every),
            Replies(mongo, history, sums, layers, books, clock, settings.analytics_look_every),
            Retention(history, layers, clock, settings.analytics_history_kept),
            reconciler,
        ],
        checks={"mongo": mongo.reachable, "kafka": bus.reachable, "consumer": consumer.healthy},
    )
    api.routes.extend(operational_routes(application.readiness))
    return application


def _consumer(settings: Settings, bus: Bus, ingest: Ingest) -> BatchConsumer:
    session = int(settings.analytics_session_timeout.total_seconds() * 1000)
    fetch = replace(NOBODY_WAITS, session_timeout_ms=session, max_records=MOST_RECORDS)
    return BatchConsumer(
        bus, topics=TOPICS, group=GROUP, handle=ingest.take, dead_letters=DeadLetterPolicy(service="analytics"),
        membership=Membership(fetch=fetch),
    )  # fmt: skip

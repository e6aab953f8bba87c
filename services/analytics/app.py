"""The composition root of analytics."""

import os
import socket

from libs.events.topics import MESSAGES_INBOUND, MESSAGES_STATUS
from libs.kafka.batches import BatchConsumer
from libs.kafka.bus import Bus
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.membership import Membership
from libs.kafka.subscription import FetchSettings
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.web.api import create_api
from libs.web.calls import calls_router
from libs.web.door import Door
from services.analytics import history_store, sums_store
from services.analytics.freshness import Freshness
from services.analytics.history_store import HistoryStore
from services.analytics.ingest import Ingest
from services.analytics.layers import LayerStore
from services.analytics.replies import Replies
from services.analytics.retention import Retention
from services.analytics.routes import AnalyticsRoutes
from services.analytics.service import Analyst
from services.analytics.settings import Settings
from services.analytics.sums_store import SumsStore

BASE = "/api/v1/whatsapp"
GROUP = "analytics"
TOPICS = (MESSAGES_STATUS, MESSAGES_INBOUND)
FETCH_WAIT_MS = 5_000  # the broker answers as soon as there is something: this is only how often an idle one is asked


def create_app(settings: Settings) -> Application:
    """Build analytics from its settings."""
    clock, mongo = SystemClock(), Mongo(settings.mongo_url.get_secret_value(), settings.mongo_database)
    bus = Bus(settings.kafka_bootstrap, f"analytics-{socket.gethostname()}-{os.getpid()}")
    history, sums, layers = HistoryStore(mongo), SumsStore(mongo), LayerStore(mongo)
    session = int(settings.analytics_session_timeout.total_seconds() * 1000)
    fetch = FetchSettings(session_timeout_ms=session, batch_timeout_ms=50, wait_ms=FETCH_WAIT_MS)
    consumer = BatchConsumer(
        bus, topics=TOPICS, group=GROUP, handle=Ingest(mongo, history, sums, layers, clock).take,
        dead_letters=DeadLetterPolicy(service="analytics"), membership=Membership(fetch=fetch),
    )  # fmt: skip
    every = settings.analytics_look_every
    calls, secret = (
        AnalyticsRoutes(Analyst(sums, layers, clock), clock).calls(),
        settings.internal_secret.get_secret_value(),
    )
    api = create_api("Wabus analytics", "What happened and what it cost, behind edge.", docs_url=None, redoc_url=None)
    api.include_router(calls_router(f"{BASE}/analytics", calls, secret))
    application = Application(
        "analytics",
        Door(api, behind_edge=True),
        parts=[
            mongo,
            IndexBuilder(mongo, history_store.INDEXES, sums_store.INDEXES),
            bus,
            consumer,
            Freshness(consumer, sums, clock, every),
            Replies(mongo, history, sums, layers, clock, every),
            Retention(history, clock, settings.analytics_history_kept),
        ],
        checks={"mongo": mongo.reachable, "kafka": bus.reachable, "consumer": consumer.healthy},
    )
    api.routes.extend(operational_routes(application.readiness))
    return application

"""The notifier's composition root."""

import os
import socket

from libs.directory.directory import Directory
from libs.directory.vault import Vault
from libs.egress.client import Egress
from libs.events.topics import (
    ACCOUNTS_CHANGED,
    CONVERSATIONS_CHANGED,
    MESSAGES_INBOUND,
    MESSAGES_STATUS,
    TEMPLATES_CHANGED,
)
from libs.kafka.batches import BatchConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.membership import Membership
from libs.kafka.subscription import UNHURRIED_WAIT_MS, FetchSettings
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
from services.notifier import delivery_store, endpoint_store
from services.notifier.census import Census
from services.notifier.delivery_store import DeliveryStore
from services.notifier.dispatcher import Dispatcher
from services.notifier.domain import Patience
from services.notifier.endpoint_store import EndpointStore
from services.notifier.endpoints import Endpoints
from services.notifier.fan_out import FanOut
from services.notifier.handlers import EventHandlers
from services.notifier.postman import Postman
from services.notifier.retirement import Retirement
from services.notifier.rounds import Rounds
from services.notifier.routes import EndpointRoutes
from services.notifier.settings import Settings
from services.notifier.subscriptions import Subscriptions

BASE = "/api/v1/whatsapp"
GROUP = "notifier"
TOPICS = (MESSAGES_STATUS, MESSAGES_INBOUND, TEMPLATES_CHANGED, ACCOUNTS_CHANGED, CONVERSATIONS_CHANGED)


class _Notifier:
    """Everything the notifier is made of, in the order it is built."""

    def __init__(self, settings: Settings) -> None:
        self.clock = SystemClock()
        self.mongo = Mongo.of(settings)
        self.bus = Bus(KafkaConnection.of(settings), f"notifier-{socket.gethostname()}-{os.getpid()}")
        vault = Vault(settings.encryption_keys.get_secret_value())
        self.egress = Egress(settings.egress_limits, settings.notifier_timeout)
        endpoints, deliveries = EndpointStore(self.mongo), DeliveryStore(self.mongo)
        subscriptions = Subscriptions(endpoints, self.clock)
        directory = Directory(self.mongo, None, self.clock)
        fan_out = FanOut(
            subscriptions, endpoints, deliveries, directory, self.clock, settings.notifier_oldest,
            settings.notifier_kept, lambda: self.dispatcher.wake(),
        )  # fmt: skip
        patience = Patience(
            settings.notifier_retries, settings.notifier_circuit_first, settings.notifier_circuit_longest,
            settings.notifier_disable_after,
        )  # fmt: skip
        rounds = Rounds(
            endpoints, deliveries, Postman(self.egress, self.clock),
            Retirement(endpoints, deliveries, subscriptions, fan_out, self.clock), vault, patience, self.clock,
            owner=new_id(), at_once=settings.notifier_per_endpoint, timeout=settings.notifier_timeout,
        )  # fmt: skip
        self.dispatcher = Dispatcher(
            endpoints, rounds, self.clock, places=settings.notifier_endpoints_at_once,
            look_every=settings.notifier_look_every, timeout=settings.notifier_timeout,
        )  # fmt: skip
        self.census = Census(endpoints, deliveries, self.clock)
        self.consumer = self._consumer(EventHandlers(subscriptions, MessageReader(self.mongo), fan_out), settings)
        self.endpoints = Endpoints(
            endpoints, deliveries, subscriptions, fan_out, directory, vault, settings.egress_limits, self.clock
        )

    def _consumer(self, handlers: EventHandlers, settings: Settings) -> BatchConsumer:
        session = int(settings.notifier_session_timeout.total_seconds() * 1000)
        fetch = FetchSettings(session_timeout_ms=session, gather_ms=50, wait_ms=UNHURRIED_WAIT_MS)
        return BatchConsumer(
            self.bus, topics=TOPICS, group=GROUP, handle=handlers.take,
            dead_letters=DeadLetterPolicy(service="notifier"), membership=Membership(fetch=fetch),
        )  # fmt: skip


def create_app(settings: Settings) -> Application:
    """Build the notifier from its settings."""
    built = _Notifier(settings)
    calls, secret = EndpointRoutes(built.endpoints).calls(), settings.internal_secret.get_secret_value()
    api = create_api("Wabus notifier", "Webhooks to the customer, behind edge.", docs_url=None, redoc_url=None)
    api.include_router(calls_router(f"{BASE}/webhook_endpoints", calls, secret))
    application = Application(
        "notifier",
        Door(api, behind_edge=True),
        parts=[
            built.mongo,
            IndexBuilder(built.mongo, endpoint_store.INDEXES, delivery_store.INDEXES),
            built.bus,
            built.egress,
            built.dispatcher,
            built.consumer,
            built.census,
        ],
        checks={"mongo": built.mongo.reachable, "kafka": built.bus.reachable, "consumer": built.consumer.healthy},
    )
    api.routes.extend(operational_routes(application.readiness))
    return application

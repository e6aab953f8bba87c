"""The templates service's composition root."""

import os
import socket

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.directory.vault import Vault
from libs.events.topics import ACCOUNTS_CHANGED, TEMPLATES_COMMANDS
from libs.graph.client import GraphClient
from libs.graph.media import GraphMedia
from libs.graph.templates import GraphTemplates
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.lanes import LaneConsumer
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.web.api import create_api
from libs.web.calls import calls_router
from libs.web.door import Door
from services.templates import store
from services.templates.accounts import Accounts
from services.templates.author import TemplateAuthor
from services.templates.handlers import TemplateHandlers
from services.templates.requests import SyncRequests
from services.templates.retries import Retries
from services.templates.routes.reading import ReadingRoutes
from services.templates.routes.writing import WritingRoutes
from services.templates.samples import Samples
from services.templates.service import TemplateKeeper
from services.templates.settings import Settings
from services.templates.store import JobStore, TemplateStore

BASE = "/api/v1/whatsapp"
GROUP = "templates"


def create_app(settings: Settings) -> Application:
    """Build the templates service from its settings."""
    clock = SystemClock()
    mongo = Mongo.of(settings)
    bus = Bus(KafkaConnection.of(settings), f"templates-{socket.gethostname()}-{os.getpid()}")
    directory = Directory(mongo, Vault(settings.encryption_keys.get_secret_value()), clock)
    graph = GraphClient(settings.graph_url, settings.graph_version)
    templates, jobs = TemplateStore(mongo), JobStore(mongo)
    keeper = TemplateKeeper(templates, jobs, directory, graph, bus, clock)
    consumer = LaneConsumer(
        bus, topics=[TEMPLATES_COMMANDS], group=GROUP, lane_of=lambda record: record.key,
        handle=TemplateHandlers(keeper).take, dead_letters=DeadLetterPolicy(service="templates"),
    )  # fmt: skip
    accounts, media = Accounts(directory), GraphMedia(graph, settings.graph_url, settings.graph_version)
    author = TemplateAuthor(templates, jobs, accounts, GraphTemplates(graph), keeper, clock)
    writing = WritingRoutes(author, Samples(accounts, graph, media))
    api = create_api("Wabus templates", "Templates, behind edge.", docs_url=None, redoc_url=None)
    reading = ReadingRoutes(templates, jobs, SyncRequests(jobs, accounts, bus, clock), accounts)
    calls, secret = [*writing.calls(), *reading.calls()], settings.internal_secret.get_secret_value()
    api.include_router(calls_router(f"{BASE}/templates", calls, secret))
    application = Application(
        "templates",
        Door(api, behind_edge=True),
        parts=[
            mongo,
            IndexBuilder(mongo, store.INDEXES),
            bus,
            graph,
            media,
            BroadcastConsumer(bus, topics=[ACCOUNTS_CHANGED], handle=DirectoryListener(directory).handle),
            consumer,
            Retries(keeper, settings.templates_retry_every),
        ],
        checks={"mongo": mongo.reachable, "kafka": bus.reachable, "consumer": consumer.healthy},
    )
    api.routes.extend(operational_routes(application.readiness))
    return application

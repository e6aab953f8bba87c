"""Edge's composition root: the only place that builds its brokers, clients and stores."""

import socket
from datetime import timedelta
from typing import Any

from libs.directory.directory import Directory
from libs.directory.listener import DirectoryListener
from libs.directory.vault import Vault
from libs.events.topics import ACCOUNTS_CHANGED, ACCOUNTS_COMMANDS, MESSAGES_REQUESTED, TEMPLATES_CHANGED
from libs.graph.client import GraphClient
from libs.graph.media import GraphMedia
from libs.graph.numbers import GraphNumbers
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.lanes import LaneConsumer
from libs.ledger import consent, contacts, record
from libs.ledger.claims import Claims
from libs.ledger.consent import ConsentLog
from libs.ledger.contact_book import ContactBook
from libs.ledger.conversations import ConversationReader
from libs.ledger.flow import Flow
from libs.ledger.forgetting import Forgetting
from libs.ledger.intake import Intake
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.people import People
from libs.ledger.reader import MessageReader
from libs.ledger.talks import TalkReader
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.mongo.leases import Lease
from libs.observability.http import operational_routes
from libs.runtime.application import Application
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from libs.web.api import create_api
from libs.web.door import Door
from services.edge import (
    account_store,
    audit_store,
    dead_letter_store,
    erasure_store,
    idempotency_store,
    key_store,
    media_store,
    onboarding_store,
)
from services.edge.account_store import AccountStore
from services.edge.account_updates import AccountUpdates
from services.edge.addresses import CallerAddress
from services.edge.announcements import Announcements
from services.edge.audit import AuditTrail
from services.edge.audit_store import AuditStore
from services.edge.auth import Authenticator, Limits
from services.edge.bulk import BulkIntake
from services.edge.cancellations import Cancellations
from services.edge.census import Census
from services.edge.commands import SendCommands
from services.edge.common_things import CommonThings
from services.edge.credentials import Credentials, is_sandbox
from services.edge.dead_letter_cursors import Cursors
from services.edge.dead_letter_store import DeadLetterStore
from services.edge.dead_letters import DeadLetters
from services.edge.erasure_store import ErasureStore
from services.edge.erasures import Erasures
from services.edge.forward import Forwarder
from services.edge.handlers import CommandHandlers
from services.edge.idempotency import IdempotencyGuard
from services.edge.idempotency_store import IdempotencyStore
from services.edge.interruptions import Interruptions
from services.edge.key_store import KeyStore
from services.edge.keys import Keys
from services.edge.last_used import LastUsed
from services.edge.media import MediaDesk
from services.edge.media_store import MediaStore
from services.edge.messages import MessageIntake
from services.edge.met_people import MetPeople
from services.edge.number_desk import NumberDesk
from services.edge.onboarding import Onboarding
from services.edge.onboarding_store import OnboardingStore
from services.edge.openapi import ApiDocument
from services.edge.opt_outs import OptOuts
from services.edge.policy import refusal
from services.edge.public_certificate import PublicCertificate
from services.edge.receipts import Receipts
from services.edge.refresh import NumberRefresh
from services.edge.resources import add_forwarding, owned
from services.edge.routes.accounts import AccountRoutes
from services.edge.routes.audit import AuditRoutes
from services.edge.routes.consent import ConsentRoutes
from services.edge.routes.contacts import ContactRoutes
from services.edge.routes.dead_letters import DeadLetterRoutes
from services.edge.routes.endpoint import Endpoint
from services.edge.routes.erasures import ErasureRoutes
from services.edge.routes.hot import MessageRoutes, WebhookRoutes
from services.edge.routes.internal import InternalRoutes
from services.edge.routes.keys import KeyRoutes
from services.edge.routes.media import MediaRoutes
from services.edge.routes.message_acts import MessageActRoutes
from services.edge.routes.messages import MessageReadRoutes
from services.edge.routes.numbers import NumberRoutes
from services.edge.settings import Settings
from services.edge.targets import Targets
from services.edge.typing_notices import TypingNotices
from services.edge.waiting import WaitingCap
from services.edge.wakeups import WakeUps
from services.edge.webhooks import WebhookDoor

BASE = "/api/v1/whatsapp"
GROUP = "edge"
ERASURE_LEASE = timedelta(seconds=6)  # two edges at once would do no harm, only work
REFRESH_LEASE = timedelta(minutes=3)  # longer than a round of twenty accounts of a slow Meta


class _Edge:
    """Everything edge is made of, in the order it is built."""

    def __init__(self, settings: Settings, bus: Bus, intake: type[Intake]) -> None:
        self.clock, self.bus, self.mongo = SystemClock(), bus, Mongo.of(settings)
        vault, announcements = Vault(settings.encryption_keys.get_secret_value()), Announcements(self.bus, self.clock)
        self.directory = Directory(self.mongo, vault, self.clock)
        keys, accounts = KeyStore(self.mongo), AccountStore(self.mongo, vault)
        self.census = Census(accounts, self.bus, self.mongo)
        self.certificate = PublicCertificate(settings.public_url)
        self.last_used = LastUsed(keys, self.clock, settings.edge_last_used_every)
        self.keys = Keys(keys, self.directory, announcements, self.clock)
        addresses = CallerAddress(settings.edge_trusted_proxies)
        self.auth = Authenticator(
            self.directory, Limits.of(settings, self.clock), addresses, self.last_used, self.clock
        )
        self.audit_kept, audit_log = settings.edge_audit_kept, AuditStore(self.mongo)
        self.trail = AuditTrail(audit_log, addresses, self.clock)
        self.audit = AuditRoutes(audit_log, keys, self.directory)
        self.guard = IdempotencyGuard(IdempotencyStore(self.mongo, vault), self.clock)
        self.graph = GraphClient(settings.graph_url, settings.graph_version)
        reader = MessageReader(self.mongo)
        messages = self._message_intake(settings, intake, reader)
        self.interruptions = Interruptions(Flow(self.mongo), self.clock)
        self.cancellations = Cancellations(
            reader, Claims(self.mongo), self.directory, self.wakeups, self.bus, self.clock
        )
        self.webhook_door = self._webhook_door(settings)
        self.webhooks = WebhookRoutes(self.webhook_door)
        self.forwarder = Forwarder(self.auth, self.guard, self.trail, settings.internal_secret.get_secret_value())
        receipts = Receipts(reader, self.directory, self.graph, self.clock)
        self.typing = TypingNotices(receipts, self.clock)
        self.endpoints: list[Endpoint] = [
            *MessageRoutes(messages, BulkIntake(messages)).endpoints(BASE),
            *MessageReadRoutes(reader, ContactBook(self.mongo), TalkReader(self.mongo), self.directory).endpoints(BASE),
            *self._media_routes(settings, reader),
            *self._account_routes(settings, vault, accounts, announcements),
            *self._admin_routes(settings, vault),
            *self._people_routes(settings),
            *MessageActRoutes(receipts, self.cancellations, self.guard).endpoints(BASE),
        ]
        updates = AccountUpdates(accounts, self.directory, announcements, self.trail, self.clock)
        self.handlers = CommandHandlers(SendCommands(messages, self.bus, self.clock), self.typing, updates)

    def _message_intake(self, settings: Settings, intake: type[Intake], reader: MessageReader) -> MessageIntake:
        self.intake = intake(self.mongo, refusal)
        self.wakeups = WakeUps(self.bus, self.clock)
        self.waiting = WaitingCap(reader, settings.edge_waiting_per_tenant, settings.edge_waiting_in_all)
        return MessageIntake(
            self.directory, self.intake, self.wakeups, self.waiting, Targets(reader, self.directory), self.clock,
            settings.edge_first_look,
        )  # fmt: skip

    def _account_routes(
        self, settings: Settings, vault: Vault, accounts: AccountStore, announcements: Announcements
    ) -> list[Endpoint]:
        runs = OnboardingStore(self.mongo, vault)
        self.onboarding = Onboarding(
            self.graph, accounts, runs, self.directory, announcements, Credentials.of(settings), self.clock
        )
        turn = Lease(self.mongo, "edge-refresh", new_id(), REFRESH_LEASE)
        self.refresh = NumberRefresh(
            self.graph, accounts, self.directory, announcements, turn, self.clock, settings.edge_refresh_every
        )
        numbers = NumberDesk(accounts, self.directory, GraphNumbers(self.graph), self.refresh, announcements)
        return [
            *AccountRoutes(self.onboarding, runs, accounts, self.directory, self.guard).endpoints(BASE),
            *NumberRoutes(numbers).endpoints(BASE),
        ]

    def _admin_routes(self, settings: Settings, vault: Vault) -> list[Endpoint]:
        letters = DeadLetters(self.bus, DeadLetterStore(self.mongo), Cursors(vault), self.clock)
        self.dead_letters = DeadLetterRoutes(letters, self.guard, CommonThings(self.directory, is_sandbox(settings)))
        keys = KeyRoutes(self.keys, self.guard)
        return [*keys.endpoints(BASE), *self.dead_letters.endpoints(BASE), *self.audit.endpoints(BASE)]

    def _media_routes(self, settings: Settings, reader: MessageReader) -> list[Endpoint]:
        hosts = settings.edge_media_hosts.split(",")
        self.media = GraphMedia(self.graph, settings.graph_url, settings.graph_version, hosts)
        desk = MediaDesk(self.media, self.directory, MediaStore(self.mongo), reader, self.clock)
        return MediaRoutes(desk, self.guard).endpoints(BASE)

    def _people_routes(self, settings: Settings) -> list[Endpoint]:
        book, log, reader = ContactBook(self.mongo), ConsentLog(self.mongo), ConversationReader(self.mongo)
        turn = Lease(self.mongo, "edge-erasures", new_id(), ERASURE_LEASE)
        self.erasures = Erasures(
            ErasureStore(self.mongo), Forgetting(self.mongo), book, reader, self.directory, self.cancellations,
            self.bus, turn, self.clock, settings.edge_forget_settles,
        )  # fmt: skip
        opt_outs, words = OptOuts(People(self.mongo), log, book, self.clock), OptOutWordsBook(self.mongo, self.clock)
        met, common = MetPeople(book, reader), CommonThings(self.directory, is_sandbox(settings))
        return [
            *ConsentRoutes(opt_outs, met, words, self.directory, common, self.guard).endpoints(BASE),
            *ContactRoutes(met, book, log, reader, TalkReader(self.mongo), self.directory, self.clock).endpoints(BASE),
            *ErasureRoutes(self.erasures, common, self.guard).endpoints(BASE),
        ]

    def _webhook_door(self, settings: Settings) -> WebhookDoor:
        secrets = [settings.app_secret.get_secret_value()]
        if settings.app_secret_previous is not None:
            secrets.append(settings.app_secret_previous.get_secret_value())
        return WebhookDoor(
            self.bus, self.directory, self.interruptions, self.clock, secrets, settings.verify_token.get_secret_value(),
            settings.edge_webhook_deadline.total_seconds(),
        )  # fmt: skip

    def parts(self) -> list[Any]:
        """Return the parts in the order they start."""
        letters, listener = DeadLetterPolicy(service="edge"), DirectoryListener(self.directory)
        return [
            self.mongo,
            IndexBuilder(
                self.mongo, record.INDEXES, contacts.INDEXES, consent.INDEXES, account_store.INDEXES, key_store.INDEXES,
                idempotency_store.INDEXES, media_store.INDEXES, onboarding_store.INDEXES, dead_letter_store.INDEXES,
                erasure_store.INDEXES, audit_store.INDEXES, audit_store.indexes(self.audit_kept),
            ),
            self.bus,
            self.graph,
            self.media,
            self.forwarder,
            BroadcastConsumer(self.bus, topics=[ACCOUNTS_CHANGED, TEMPLATES_CHANGED], handle=listener.handle),
            self.last_used,
            self.waiting,
            self.wakeups,
            self.cancellations,
            self.webhook_door,
            self.intake,
            self.onboarding,
            self.refresh,
            self.erasures,
            self.typing,
            self.census,
            self.certificate,
            LaneConsumer(
                self.bus, topics=[MESSAGES_REQUESTED], group=GROUP, lane_of=lambda it: it.key,
                handle=self.handlers.send_message, dead_letters=letters,
            ),
            LaneConsumer(
                self.bus, topics=[ACCOUNTS_COMMANDS], group=GROUP, lane_of=lambda it: it.key,
                handle=self.handlers.account_command, dead_letters=letters,
            ),
            self.interruptions,
        ]  # fmt: skip


def create_app(settings: Settings, *, bus: Bus | None = None, intake: type[Intake] = Intake) -> Application:
    """Build edge from its settings; tests may hand in a bus and an intake of their own."""
    edge = _Edge(
        settings,
        bus or Bus(KafkaConnection.of(settings), f"edge-{socket.gethostname()}"),
        intake,
    )
    api = create_api(
        "Wabus", "WhatsApp Business for many tenants, behind one `cm_` key.", openapi_url=None, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    resources = owned(settings, BASE)
    for endpoint in edge.endpoints:
        endpoint.register(api, edge.auth, edge.trail)
    add_forwarding(api, edge.forwarder, resources)
    internal = InternalRoutes(edge.keys, edge.trail, edge.clock, settings.internal_secret.get_secret_value())
    internal.register(api, [*edge.dead_letters.for_our_tools(), *edge.audit.for_our_tools()])
    api.add_route("/webhooks/whatsapp/{account}", edge.webhooks.handshake, ["GET"], include_in_schema=False)
    api.add_route("/webhooks/whatsapp/{account}", edge.webhooks.take, ["POST"], include_in_schema=False)
    if settings.edge_docs:
        document = ApiDocument(api, edge.forwarder, resources)
        api.add_route("/openapi.json", document.get, ["GET"], include_in_schema=False)
        api.add_route("/docs", document.page, ["GET"], include_in_schema=False)
    application = Application("edge", Door(api, _hot(edge)), edge.parts(), checks={"mongo": edge.mongo.reachable})
    shown = operational_routes(application.readiness)
    api.routes.extend(shown if settings.edge_metrics else shown[:2])
    return application


def _hot(edge: _Edge) -> dict[tuple[str, str], Any]:
    hot = {
        (it.method, it.path): it.guarded(edge.auth, edge.trail)
        for it in edge.endpoints
        if it.path.startswith(f"{BASE}/messages")
    }
    hot = {place: handler for place, handler in hot.items() if "{" not in place[1]}
    hot["POST", "/webhooks/whatsapp"] = edge.webhooks.take
    hot["GET", "/webhooks/whatsapp"] = edge.webhooks.handshake
    return hot

"""Connecting an account by hand: credentials checked with Graph, stored encrypted, webhooks subscribed, announced."""

import contextlib
from typing import Any

import structlog

from libs.directory.directory import Directory
from libs.graph.client import GraphClient
from libs.graph.errors import GraphRefused, GraphUnavailable
from libs.kafka.bus import BusUnavailable
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from libs.web.errors import ApiError, FieldProblem, Invalid, UpstreamFailed, UpstreamSlow
from services.edge.account_store import AccountStore, Document, Taken
from services.edge.announcements import Announcements
from services.edge.credentials import Credentials, TokenRefused, check_token
from services.edge.errors import NumberTaken
from services.edge.meta_facts import account_facts, number_facts

ANNOUNCE_EVERY = 5.0  # seconds between looks for connections that could not be announced at once
WEBHOOK_PATH = "/webhooks/whatsapp"

log = structlog.get_logger()


class Onboarding(Periodic):
    """A part: connects WhatsApp Business Accounts. Every step may be repeated: the same call after a failure goes on.

    Round by round it announces the connections that could not be announced at once.
    """

    def __init__(
        self,
        graph: GraphClient,
        store: AccountStore,
        directory: Directory,
        announcements: Announcements,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        super().__init__(ANNOUNCE_EVERY, at_once=False)
        self._graph = graph
        self._store = store
        self._directory = directory
        self._announcements = announcements
        self._credentials = credentials
        self._clock = clock

    async def manual(
        self, tenant: str, waba_id: str, phone_number_id: str, token: str, app_secret: str | None
    ) -> tuple[Document, Document, bool]:
        """Connect an account with a system user's token; -> account, number, whether the number is new.

        Raises Invalid (naming the field) for credentials that do not fit, NumberTaken, UpstreamFailed, UpstreamSlow.
        """
        with _meta("token"):
            foreign = await check_token(self._graph, self._credentials, token, app_secret, waba_id)
        with _meta("account"):
            facts = account_facts(await self._graph.account(waba_id, token))
            number = await self._number(waba_id, phone_number_id, token)
        now = self._clock.now()
        try:
            account = await self._store.prepare(tenant, waba_id, token, app_secret if foreign else None, now)
        except Taken:
            raise _taken() from None
        try:
            with _meta("subscribe"):
                await self._subscribe(account, token, foreign)
            created = await self._store.take_number(tenant, waba_id, number, now)
        except Taken:
            await self._store.abandon(account["_id"])
            raise _taken() from None
        except ApiError:
            await self._store.abandon(account["_id"])
            raise
        facts["sandbox"] = self._credentials.sandbox
        active = await self._store.activate(account["_id"], tenant, facts, now) or account
        self._directory.forget(tenant=tenant, waba_id=waba_id, phone_number_id=phone_number_id)
        await self._announce(active)
        return active, number, created

    async def _number(self, waba_id: str, phone_number_id: str, token: str) -> Document:
        numbers = await self._graph.numbers(waba_id, token)
        found = next((number for number in numbers if str(number.get("id")) == phone_number_id), None)
        if found is None:
            raise _invalid("phone_number_id", "number_not_in_account", "The account has no number with this id.")
        return number_facts(found)

    async def _subscribe(self, account: Document, token: str, foreign: bool) -> None:
        callback = None
        if foreign:  # another app's webhooks are signed with another secret: they get a path of their own
            callback = f"{self._credentials.public_url}{WEBHOOK_PATH}/{account['_id']}"
        await self._graph.subscribe(account["waba_id"], token, callback, self._credentials.verify_token)

    async def _announce(self, account: Document) -> None:
        try:
            await self._announcements.connected(account)
        except BusUnavailable:
            log.warning("connection_not_announced_yet", waba_id=account["waba_id"], tenant=account["tenant"])
            return
        await self._store.announced(account["_id"])

    async def _round(self) -> None:
        for account in await self._store.to_announce():
            await self._announce(account)


class _meta(contextlib.AbstractContextManager[None]):  # reads as a statement
    """Turns what Graph says in a step into our refusal, naming the step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        more = {"step": self._step}
        if isinstance(error, TokenRefused):
            raise _invalid(error.param, error.code, error.words) from None
        if isinstance(error, GraphRefused):
            told = error.error.message_error(error.error.verdict).meta
            meta: dict[str, Any] | None = told.model_dump(exclude_none=True) if told else None
            words = f"Meta refused the step {self._step}: {error.error.title}"
            if error.error.verdict.retryable:
                raise UpstreamFailed(words, code="meta_failed", meta=meta, more=more) from None
            raise Invalid(words, code="meta_refused", meta=meta, more=more) from None
        if isinstance(error, GraphUnavailable):
            words = f"Meta did not answer in the step {self._step}; nothing was connected. Try again."
            raise (UpstreamSlow if error.slow else UpstreamFailed)(words, more=more) from None


def _invalid(param: str, code: str, words: str) -> Invalid:
    return Invalid(words, code=code, param=param, errors=[FieldProblem(param, words)])


def _taken() -> NumberTaken:
    return NumberTaken("The number or its account is connected by another tenant.", param="phone_number_id")

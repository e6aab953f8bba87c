"""Connecting accounts, by hand or by Embedded Signup: credentials checked with Graph, webhooks subscribed, the number
registered where Meta asks for it, all of it stored, and announced. Each step is recorded; the same call goes on.
"""

import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from libs.directory.directory import Directory
from libs.graph.client import GraphClient
from libs.graph.errors import GraphRefused
from libs.graph.numbers import GraphNumbers
from libs.kafka.bus import BusUnavailable
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from libs.runtime.periodic import Periodic
from libs.web.errors import ApiError
from services.edge.account_store import AccountStore, Document, Taken
from services.edge.announcements import Announcements
from services.edge.credentials import Credentials, check_token, granted_accounts
from services.edge.errors import NoSuchAccount, NumberTaken, OnboardingRunning, check_reach
from services.edge.meta_facts import account_facts, needs_registration, number_facts
from services.edge.meta_steps import invalid, meta_step
from services.edge.onboarding_store import OnboardingStore, Run, Running

ANNOUNCE_EVERY = 5.0  # seconds between looks for connections that could not be announced at once
WEBHOOK_PATH = "/webhooks/whatsapp"
PIN_MISMATCH = 133005  # Meta: the number has a two-step PIN already, and it is another one

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be connected, with what, and by a key of which mode.

    `waba_id` None: whichever granted account has the number.
    """

    tenant: str
    phone_number_id: str
    waba_id: str | None = None
    app_secret: str | None = None
    pin: str | None = None
    mode: str = "live"


@dataclass(frozen=True, slots=True)
class Connected:
    """What came of it; `created` where the number was not the tenant's before."""

    account: Document
    number: Document
    created: bool
    onboarding_id: str


class Onboarding(Periodic):
    """A part: connects and disconnects WhatsApp Business Accounts.

    Round by round it announces the connections that could not be announced at once.
    """

    def __init__(
        self,
        graph: GraphClient,
        store: AccountStore,
        runs: OnboardingStore,
        directory: Directory,
        announcements: Announcements,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        super().__init__(ANNOUNCE_EVERY, at_once=False)
        self._graph = graph
        self._numbers = GraphNumbers(graph)
        self._store = store
        self._runs = runs
        self._directory = directory
        self._announcements = announcements
        self._credentials = credentials
        self._clock = clock

    async def manual(self, wish: Wish, token: str) -> Connected:
        """Connect an account with a system user's token.

        Raises Invalid (naming the field) for credentials that do not fit, SandboxOnly (for a test key), NumberTaken,
        OnboardingRunning, UpstreamFailed, UpstreamSlow; all name the step.
        """
        check_reach(wish.mode, self._credentials.sandbox)
        run_id = derived_id("onboarding", wish.tenant, wish.waba_id or "", wish.phone_number_id)
        async with self._taken_up(run_id, wish, "manual") as run:
            return await self._connect(run, wish, token)

    async def exchange(self, wish: Wish, code: str) -> Connected:
        """Complete Embedded Signup: exchange Meta's code for a token, then connect with it. Raises as `manual`.

        Source: a code works once and for 30 seconds, so the token is kept until the account has it, and the same code
        again goes on with that.
        """
        check_reach(wish.mode, self._credentials.sandbox)
        run_id = derived_id("onboarding", wish.tenant, hashlib.sha256(code.encode()).hexdigest())
        async with self._taken_up(run_id, wish, "exchange") as run:
            if run.done and (before := await self._connected_before(run, wish)) is not None:
                return before
            if run.token is None:
                async with self._step(run, "exchange"):
                    ours = self._credentials
                    token = await self._graph.exchange_code(ours.app_id, ours.app_secret, code)
                    await self._runs.keep_token(run, token)
            return await self._connect(run, wish, run.token or "")

    async def disconnect(self, tenant: str, waba_id: str, mode: str = "live") -> None:
        """Disconnect an account: nothing is sent any more and its credentials are forgotten.

        Raises NoSuchAccount, also for what a key of this mode does not reach.

        Meta is told last, and its silence changes nothing: webhooks for a number that nobody has are dropped.
        """
        entry = await self._directory.account_now(tenant, waba_id)
        if not (await self._directory.reach(tenant, mode)).has_account(waba_id):
            raise _no_account()
        numbers = [number["_id"] for number in await self._store.numbers_of(waba_id)]
        if not await self._store.disconnect(tenant, waba_id, self._clock.now()):
            raise _no_account()
        await self._runs.forget(tenant, waba_id)
        for number in numbers:
            self._directory.forget(tenant=tenant, waba_id=waba_id, phone_number_id=number)
        with contextlib.suppress(BusUnavailable):  # caches end by themselves within five seconds
            for number in numbers:
                await self._announcements.changed(
                    tenant, "number", "disconnected", waba_id=waba_id, phone_number_id=number
                )
            await self._announcements.changed(tenant, "account", "disconnected", waba_id=waba_id)
        if entry is not None and (token := entry.access_token.get_secret_value()):
            with contextlib.suppress(ApiError), meta_step("unsubscribe"):
                await self._graph.unsubscribe(waba_id, token)

    # -- the steps

    async def _connect(self, run: Run, wish: Wish, token: str) -> Connected:
        async with self._step(run, "token"):
            waba_id = wish.waba_id or await self._account_with(wish.phone_number_id, token)
            foreign = await check_token(self._graph, self._credentials, token, wish.app_secret, waba_id)
        await self._check_ours(wish, waba_id)
        await self._runs.found(run, waba_id)
        async with self._step(run, "account"):
            facts = account_facts(await self._graph.account(waba_id, token))
            said = await self._number(waba_id, wish.phone_number_id, token)
        now = self._clock.now()
        try:
            account = await self._store.prepare(wish.tenant, waba_id, token, wish.app_secret if foreign else None, now)
        except Taken:
            raise _taken() from None
        try:
            created = await self._take(run, wish, account, said, token, foreign)
        except ApiError:
            await self._store.abandon(account["_id"])
            raise
        facts |= {"sandbox": self._credentials.sandbox, "refreshed_at": now}
        active = await self._store.activate(account["_id"], wish.tenant, facts, now) or account
        await self._runs.passed(run, "connect", self._clock.now())
        await self._runs.finish(run, self._clock.now())
        self._directory.forget(tenant=wish.tenant, waba_id=waba_id, phone_number_id=wish.phone_number_id)
        await self._announce(active)
        number = await self._store.number(wish.tenant, wish.phone_number_id) or number_facts(said)
        return Connected(active, number, created, run.id)

    async def _check_ours(self, wish: Wish, waba_id: str) -> None:
        """Raise SandboxOnly where a test key would connect what is, or was, connected as a live account.

        It would become its; one that was keeps its kind, so that it could do nothing with it.
        """
        reach = await self._directory.reach(wish.tenant, wish.mode)
        if not reach.others:
            return
        known = await self._store.known(wish.tenant, waba_id, wish.phone_number_id)
        check_reach(wish.mode, all(map(reach.has_account, known)))

    async def _take(self, run: Run, wish: Wish, account: Document, said: Document, token: str, foreign: bool) -> bool:
        """Subscribe to the prepared account, register its number where Meta asks for it, store it; -> whether new."""
        async with self._step(run, "subscribe"):
            await self._subscribe(account, token, foreign)
        if needs_registration(said):
            async with self._step(run, "register"):
                said = await self._register(run, wish, account["waba_id"], token)
        facts, now = number_facts(said), self._clock.now()
        try:
            return await self._store.take_number(wish.tenant, account["waba_id"], facts, now, run.pin)
        except Taken:
            raise _taken() from None

    async def _account_with(self, phone_number_id: str, token: str) -> str:
        """Return which of the accounts that the token was granted for has the number, the newest first."""
        granted = await granted_accounts(self._graph, self._credentials, token)
        for waba_id in granted:
            numbers = await self._graph.numbers(waba_id, token)
            if any(str(number.get("id")) == phone_number_id for number in numbers):
                return waba_id
        words = "None of the accounts that were shared has a number with this id."
        raise invalid("phone_number_id", "number_not_in_account", words)

    async def _number(self, waba_id: str, phone_number_id: str, token: str) -> Document:
        numbers = await self._graph.numbers(waba_id, token)
        found = next((number for number in numbers if str(number.get("id")) == phone_number_id), None)
        if found is None:
            raise invalid("phone_number_id", "number_not_in_account", "The account has no number with this id.")
        return found

    async def _subscribe(self, account: Document, token: str, foreign: bool) -> None:
        callback = None
        if foreign:  # another app's webhooks are signed with another secret: they get a path of their own
            callback = f"{self._credentials.public_url}{WEBHOOK_PATH}/{account['_id']}"
        await self._graph.subscribe(account["waba_id"], token, callback, self._credentials.verify_token)

    async def _register(self, run: Run, wish: Wish, waba_id: str, token: str) -> Document:
        """Register the number with the PIN given, kept from before, or drawn; -> the number as Meta has it now."""
        known = await self._store.number(wish.tenant, wish.phone_number_id)
        pin = wish.pin or run.pin or (self._store.pin_of(known) if known else None) or f"{secrets.randbelow(10**6):06d}"
        await self._runs.keep_pin(run, pin)
        try:
            await self._numbers.register(wish.phone_number_id, token, pin)
        except GraphRefused as refused:
            if refused.error.code != PIN_MISMATCH:
                raise
            words = "The number has a two-step PIN already: send it as `pin`."
            raise invalid("pin", "two_step_pin_mismatch", words, {"step": "register"}) from None
        return await self._number(waba_id, wish.phone_number_id, token)

    # -- around them

    @contextlib.asynccontextmanager
    async def _taken_up(self, run_id: str, wish: Wish, way: str) -> AsyncIterator[Run]:
        try:
            run = await self._runs.begin(
                run_id, wish.tenant, way, wish.phone_number_id, self._clock.now(), sandbox=self._credentials.sandbox
            )
        except Running:
            raise OnboardingRunning("The same onboarding is still running.", retry_after=1) from None
        try:
            yield run
        except ApiError as refusal:
            refusal.more = refusal.more | {"onboarding_id": run_id}
            raise
        finally:
            await self._runs.release(run)

    @contextlib.asynccontextmanager
    async def _step(self, run: Run, name: str) -> AsyncIterator[None]:
        try:
            with meta_step(name):
                yield
        except ApiError as refusal:
            refusal.more = refusal.more | {"step": name}
            await self._runs.failed(run, name, refusal.message_error().model_dump(), self._clock.now())
            raise
        await self._runs.passed(run, name, self._clock.now())

    async def _connected_before(self, run: Run, wish: Wish) -> Connected | None:
        """Return what an onboarding that is done had connected, where it still is. Raises SandboxOnly."""
        await self._check_ours(wish, run.waba_id or "")
        account = await self._store.account(wish.tenant, run.waba_id or "")
        number = await self._store.number(wish.tenant, wish.phone_number_id)
        if account is None or number is None:
            return None
        return Connected(account, number, created=False, onboarding_id=run.id)

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


def _no_account() -> NoSuchAccount:
    return NoSuchAccount("You have no connected account with this id.", param="waba_id")


def _taken() -> NumberTaken:
    return NumberTaken("The number or its account is connected by another tenant.", param="phone_number_id")

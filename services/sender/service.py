"""Sending: for each conversation that has work, its oldest message, at its number's pace, exactly once."""

import asyncio
from datetime import timedelta
from typing import Any, Protocol

import structlog

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry, NumberEntry
from libs.events.messages import Lane, MessageError, MessageStatus
from libs.graph.errors import Policy
from libs.graph.send import Accepted, NotConnected, SendOutcome, Unknown, payload
from libs.graph.send import Refused as GraphRefusal
from libs.ledger.claims import Claims, Settlement, Thread
from libs.observability import tracing
from libs.runtime.clock import Clock
from services.sender.circuit import Circuit
from services.sender.decisions import Decision, Stop, decide
from services.sender.desk import Desk, Granted, OverBudget, Refused, Wanted, outdated
from services.sender.metrics import (
    ATTEMPTS,
    BUCKET_WAIT,
    CLAIMS_LOST,
    DEFERRED,
    GATE_WAIT,
    NUMBER_OUTCOMES,
    POST_SECONDS,
    REFUSALS,
)
from services.sender.pacing import NumberPacer, Pacers, Parked
from services.sender.pairs import Pairs
from services.sender.patience import patiently
from services.sender.settler import Settled, Settler

IN_LANE = 30.0  # seconds that a message waits in its lane; longer waits are stored and released by the sweeper
RECHECK = 1.0  # seconds after which what was read before a wait is read again

Document = dict[str, Any]
log = structlog.get_logger()


class Graph(Protocol):
    """What the sender needs of the Graph API."""

    async def send(self, phone_number_id: str, token: str, body: bytes, timeout: float) -> SendOutcome:
        """POST one message."""
        ...


class Stops(Protocol):
    """Where the sender says that an account or number cannot send."""

    async def stop(self, record: Document, stop: Stop, code: str, meta_code: int) -> None:
        """Ask for the account or number to be stopped."""
        ...


class Sender:
    """Works through conversations; a conversation's lane is worked by one task at a time."""

    def __init__(
        self,
        directory: Directory,
        desk: Desk,
        claims: Claims,
        settler: Settler,
        graph: Graph,
        stops: Stops,
        clock: Clock,
        lease: timedelta,
        window: int,
        stopped_wait: timedelta,
    ) -> None:
        self._directory = directory
        self._desk = desk
        self._claims = claims
        self._settler = settler
        self._graph = graph
        self._stops = stops
        self._clock = clock
        self._half_lease = lease.total_seconds() / 2
        self._stopped_wait = stopped_wait.total_seconds()
        self._pacers = Pacers(clock, window)
        self._pairs = Pairs(clock)
        self._circuit = Circuit(clock)

    async def work(self, tenant: str, conversation_id: str, lane: Lane) -> None:
        """Send what the conversation has in this lane, oldest first, until nothing may go now.

        Raises LetGo while nothing is claimed and the number is being handed to another sender.
        """
        thread: Thread = (tenant, conversation_id, lane)
        while True:
            record = await patiently(lambda: self._desk.oldest(thread), "oldest")
            if record is None or not await self._advance(record, lane):
                return

    def let_go(self) -> None:
        """Partitions are moving: those who wait for a slot let go of their messages."""
        self._pacers.let_go()

    async def fail(self, tenant: str, conversation_id: str, lane: Lane) -> None:
        """End the conversation's oldest message: handling it failed again and again by a bug of ours."""
        thread: Thread = (tenant, conversation_id, lane)
        record = (await patiently(lambda: self._claims.oldest([thread]), "oldest"))[thread]
        if record is not None and record["state"] == MessageStatus.QUEUED.value:
            words = "The message could not be processed because of an error on our side."
            error = MessageError(type="api_error", code="internal_error", message=words)
            await self._settler.end(record, MessageStatus.FAILED, error)

    async def _advance(self, record: Document, lane: Lane) -> bool:
        """Deal with the oldest message; -> whether to look for the next one now."""
        now = self._clock.now()
        if record["state"] != MessageStatus.QUEUED.value or record["rank"]:
            return False  # somebody died over it, or is at it: the sweeper finds out before anything else goes
        if record["expires_at"] <= now:
            return await self._end(record, Refused.EXPIRED)
        not_before = record.get("not_before")
        if not_before is not None and not_before > now:
            wait = (not_before - now).total_seconds()
            if wait > RECHECK:
                return False  # stored: the sweeper releases it
            await asyncio.sleep(wait)
        found = await patiently(lambda: self._sendable(record), "directory")
        if found is None:
            return await self._defer(record, self._stopped_wait, "stopped")
        if "send_at" in record and (refused := await patiently(lambda: self._outdated(record), "template")) is not None:
            return await self._end(record, refused)
        account, number = found
        pacer = self._pacers.of(number.phone_number_id, number.throughput)
        if (delay := self._pairs.delay(number.phone_number_id, record["contact_id"])) > 0:
            return await self._defer(record, delay, "pair")
        try:
            await self._slot(pacer, lane)
        except Parked as parked:
            return await self._defer(record, parked.delay, "number")
        return await self._claim(record, account, pacer)

    async def _slot(self, pacer: NumberPacer, lane: Lane) -> None:
        await self._circuit.pass_through()
        asked = self._clock.monotonic()
        await pacer.slot(lane, IN_LANE)
        BUCKET_WAIT.labels(lane.value).observe(self._clock.monotonic() - asked)

    async def _sendable(self, record: Document) -> tuple[AccountEntry, NumberEntry] | None:
        tenant = record["tenant"]
        number = self._directory.peek_number(tenant, record["phone_number_id"])
        number = number or await self._directory.number(tenant, record["phone_number_id"])
        account = await self._directory.account(tenant, record["waba_id"])
        if number is None or account is None or not number.active or not account.active:
            return None
        return account, number

    async def _outdated(self, record: Document) -> Refused | None:
        """Look at the template of a message that was put off: it may have changed since the message was accepted."""
        if (kind := record.get("template")) is None:
            return None
        entries = await self._directory.templates(record["tenant"], record["waba_id"], kind["name"])
        return outdated(record, next((it for it in entries if it.language == kind["language"]), None))

    async def _claim(self, record: Document, account: AccountEntry, pacer: NumberPacer) -> bool:
        grant = await patiently(lambda: self._desk.claim(Wanted(record, account)), "claim")
        if isinstance(grant, Granted):
            return await self._post(record, account, grant, pacer)
        if isinstance(grant, OverBudget):
            return await self._defer(record, (grant.until - self._clock.now()).total_seconds(), "portfolio_limit")
        if grant is Refused.TAKEN:
            CLAIMS_LOST.inc()
            return True
        return await self._end(record, grant)

    async def _post(self, record: Document, account: AccountEntry, granted: Granted, pacer: NumberPacer) -> bool:
        claim = granted.claim
        claimed = self._clock.monotonic()
        await pacer.gate.pass_through(Lane(record["lane"]))
        started = self._clock.monotonic()
        GATE_WAIT.observe(started - claimed)
        outcome: SendOutcome
        trace = None
        if started - granted.asked > self._half_lease:
            CLAIMS_LOST.inc()  # we were stopped in between: nothing was written, so it is safe to say so
            outcome = NotConnected()
        else:
            outcome, trace = await self._ask(record, account, claim.attempt)
            POST_SECONDS.observe(self._clock.monotonic() - started)
            ATTEMPTS.labels(type(outcome).__name__.lower()).inc()
        decision = decide(outcome, claim.attempt, self._stopped_wait)
        wait = self._learn(record, decision, pacer, answered=not isinstance(outcome, NotConnected))
        now = self._clock.now()
        settlement = Settlement(
            claim,
            decision.status,
            now,
            wamid=decision.wamid,
            error=decision.error if decision.status is MessageStatus.FAILED else None,
            not_before=now + timedelta(seconds=wait),
            next_look=claim.lease_until,
        )
        await self._settler.settle(Settled(record, settlement, trace))
        if decision.stop is not None and decision.error is not None:
            await self._stops.stop(record, decision.stop, decision.error.code, decision.meta_code)
        return decision.status is not MessageStatus.UNKNOWN and wait <= RECHECK

    async def _ask(self, record: Document, account: AccountEntry, attempt: int) -> tuple[SendOutcome, str | None]:
        """POST it; -> what came of it, and the step of the record's trace that this was."""
        body = payload(record["_id"], record["recipient"], record["content"])
        token = account.access_token.get_secret_value()
        parent = record.get("trace")
        if parent is None:
            return await self._graph.send(record["phone_number_id"], token, body, self._half_lease), None
        about = {
            "wabus.message_id": record["_id"], "wabus.tenant": record["tenant"], "wabus.attempt": attempt,
            "wabus.lane": record["lane"],
        }  # fmt: skip
        with tracing.begin("POST message to Graph", "client", parent, about) as span:
            outcome = await self._graph.send(record["phone_number_id"], token, body, self._half_lease)
            span.note({"wabus.outcome": type(outcome).__name__.lower()})
            if not isinstance(outcome, Accepted):
                span.failed(_why(outcome))
        return outcome, span.traceparent

    def _learn(self, record: Document, decision: Decision, pacer: NumberPacer, answered: bool) -> float:
        """Tell the pacer, the pair and the circuit what the attempt showed; -> seconds before the next."""
        number, person = record["phone_number_id"], record["contact_id"]
        NUMBER_OUTCOMES.labels(number, _outcome(decision)).inc()
        if decision.status is MessageStatus.UNKNOWN or not answered:
            self._circuit.failed()
            return decision.wait
        self._circuit.answered()
        if decision.policy is not None:
            REFUSALS.labels(decision.policy.value).inc()
        if decision.policy is Policy.THROTTLE:
            pacer.throttled()
        elif decision.policy is Policy.PAIR:
            return self._pairs.refused(number, person)
        elif decision.status is MessageStatus.ACCEPTED:
            self._pairs.accepted(number, person)
        return decision.wait

    async def _defer(self, record: Document, delay: float, reason: str) -> bool:
        DEFERRED.labels(reason).inc()
        until = self._clock.now() + timedelta(seconds=max(delay, 0.05))
        await patiently(lambda: self._claims.defer([record], [until]), "defer")
        return False

    async def _end(self, record: Document, refused: Refused) -> bool:
        if refused is Refused.EXPIRED:
            await self._settler.end(record, MessageStatus.EXPIRED)
            return True
        words, param = _WORDS[refused]
        error = MessageError(type="invalid_request_error", code=refused.value, message=words, param=param)
        await self._settler.end(record, MessageStatus.FAILED, error)
        return True


def _why(outcome: SendOutcome) -> str:
    if isinstance(outcome, GraphRefusal):
        return str(outcome.error.code)
    return outcome.reason if isinstance(outcome, Unknown) else type(outcome).__name__.lower()


def _outcome(decision: Decision) -> str:
    if decision.policy is not None:
        return decision.policy.value
    return decision.status.value if decision.status is not MessageStatus.QUEUED else "not_connected"


_WORDS = {
    Refused.OUTSIDE_WINDOW: ("The customer service window closed before the message could be sent.", "to"),
    Refused.OPTED_OUT: ("The person opted out before the message could be sent.", "to"),
    Refused.TEMPLATE_GONE: ("The template was no longer approved when the message was due.", "template"),
    Refused.TEMPLATE_CHANGED: ("The template had changed when the message was due: its parameters do not fit.", None),
}

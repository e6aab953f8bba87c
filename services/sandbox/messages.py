"""Taking a message: checks, limits, fate, the accepted log, and the webhooks that follow."""

import asyncio
import json
import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from services.sandbox import metrics
from services.sandbox.behaviour import Limits, Timing
from services.sandbox.checks.message import CheckedMessage, check_message, check_read
from services.sandbox.checks.template_send import check_envelope, check_sendable, check_values
from services.sandbox.checks.template_shape import Shape, shape_of
from services.sandbox.clock import SandboxClock, iso
from services.sandbox.delivery import Deliveries, Owner, Parcel
from services.sandbox.errors import GraphError, refusal
from services.sandbox.fates import MEDIA_KINDS, Circumstances, Fate, Step, decide, media_problem
from services.sandbox.faults import Faults
from services.sandbox.identifiers import BUSINESS_SENT, country_of, wamid
from services.sandbox.model import Number, Person, Template, Thread
from services.sandbox.people import People
from services.sandbox.pricing import Price, price
from services.sandbox.rates import Rates
from services.sandbox.statuses import Letterhead, PlannedStatus, plan
from services.sandbox.store import ChargeRow, SendRow, Store
from services.sandbox.webhooks import Change, status_head
from services.sandbox.world import WINDOW, World

FREE_ENTRY = 72 * 3600.0  # seconds a free entry point stays open after the business's answer
REFERRAL_ANSWER = 24 * 3600.0  # seconds the business has to answer someone who came from an ad
READ_RANGE = 30 * 24 * 3600.0  # seconds back that a message may be marked as read
EARLY_WAIT = 2.0  # seconds the answer of a send waits for its early webhook
REJECTS_KEPT = 10_000  # refused sends that can be looked at; they are in memory


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an accepted message is answered with."""

    answer: dict[str, Any]
    first_webhook: "asyncio.Future[None] | None" = None


@dataclass(frozen=True, slots=True)
class Play:
    """What a fault makes of a send: the outcome that is logged, statuses before the answer, a failure to come."""

    outcome: str = "accepted"
    early: bool = False
    failure: int | None = None
    details: str | None = None


PLAIN = Play()


class Messages:
    """The send path. Everything that an answer relies on is on disk before `send` returns."""

    def __init__(
        self, world: World, store: Store, clock: SandboxClock, deliveries: Deliveries, people: People, faults: Faults,
        rates: Rates, timing: Timing, limits: Limits, dice: random.Random,
    ) -> None:  # fmt: skip
        self._world, self._store, self._clock = world, store, clock
        self._deliveries, self._people, self._faults, self._rates = deliveries, people, faults, rates
        self._timing, self._limits, self._dice = timing, limits, dice
        self._seq = store.last_seq()
        self._shapes: dict[tuple[str, float], Shape] = {}
        self._heads: dict[str, tuple[str, str]] = {}
        self._answers: set[asyncio.TimerHandle] = set()
        self.rejects: deque[dict[str, Any]] = deque(maxlen=REJECTS_KEPT)

    async def start(self) -> None:
        """Deliver what an earlier run accepted and did not finish telling."""
        for row in self._store.open_sends():
            number = self._world.numbers.get(row.number_id)
            if number is not None:
                self._schedule(row, number, [PlannedStatus(*step) for step in json.loads(row.plan)])

    async def stop(self) -> None:
        """Forget the answers that people were about to write; the plan of every send is on disk."""
        for timer in self._answers:
            timer.cancel()

    async def send(self, number: Number, body: dict[str, Any], raw: str, play: Play = PLAIN) -> Accepted:
        """Accept a message or raise the GraphError that Meta would; `raw` is the body as it came."""
        message = check_message(body)
        person = self._person(message)
        template = self._template(number, message) if message.type == "template" else None
        self._check_number(number, person, template)
        now = self._clock.now()
        self._rates.take(number, person.key, self._clock.machine())
        thread = self._answered(number, person, now)
        in_window = now < thread.last_inbound + WINDOW or now < thread.free_entry_until
        fate = self._fate(number, message, person, template, in_window, now)
        if play.failure is not None:
            fate = Fate([Step("failed", self._timing.sent.draw(self._dice), play.failure, play.details)])
        self._seq += 1
        row, statuses = self._row(number, message, person, template, thread, fate, now, raw, play)
        self._people.sees_typing(number.id, person.key, ended=True)
        self._store.add_send(row)
        await self._store.flushed()
        metrics.ACCEPTED.inc()
        parcel = self._schedule(row, number, statuses, play.early)
        if fate.answer is not None:
            self._answer_later(number, person, fate.answer, sum(step.delay for step in fate.steps))
        return Accepted(self._answer(number, message, person, row.wamid), parcel.first_try)

    def reject(self, number_id: str, body: dict[str, Any], error: GraphError) -> None:
        """Remember a refused send, apart from the accepted log."""
        metrics.REJECTED.inc()
        self.rejects.append({
            "at": iso(self._clock.now()), "phone_number_id": number_id, "to": body.get("to"), "type": body.get("type"),
            "body": body, "code": error.code, "subcode": error.subcode, "message": error.message,
            "details": error.details, "outcome": "rejected",
        })  # fmt: skip

    def writer_of(self, message_id: str) -> str | None:
        """Return the person who wrote a message."""
        row = self._store.inbound(message_id)
        return row.person if row is not None else None

    def mark_read(self, number: Number, body: dict[str, Any]) -> None:
        """Mark a user's message and all earlier ones of its thread as read."""
        message_id = check_read(body)
        row = self._store.inbound(message_id)
        if row is None or row.number_id != number.id or row.at < self._clock.now() - READ_RANGE:
            raise refusal(131009, "Param message_id is not the id of a message received in the last 30 days.")
        self._store.mark_read(row, self._clock.now())
        if body.get("typing_indicator") is not None:
            self._people.sees_typing(number.id, row.person)

    # -- steps of `send`

    def _person(self, message: CheckedMessage) -> Person:
        if not message.by_user_id:
            return self._world.person(message.person)
        key = self._world.person_of(message.person)
        return self._world.person(key) if key is not None else Person(message.person, hidden=True)

    def _template(self, number: Number, message: CheckedMessage) -> Template:
        name, language, components = check_envelope(message.content)
        template = check_sendable(self._world.template(number.waba_id, name, language), name, language)
        if message.by_user_id and template.category == "AUTHENTICATION":
            raise refusal(131062, "Authentication templates cannot be sent to a business-scoped user ID.")
        key = (template.id, template.updated_at)
        if key not in self._shapes:
            self._shapes[key] = shape_of(template.category, template.parameter_format, template.components)
        check_values(self._shapes[key], components)
        return template

    def _check_number(self, number: Number, person: Person, template: Template | None) -> None:
        account = self._world.accounts[number.waba_id]
        if not number.registered:
            raise refusal(133010, "Phone number is not registered on the Cloud API.")
        if account.ban_state == "DISABLE" or number.status == "BANNED":
            raise refusal(131031, "Business Account has been locked.")
        if template is not None and "RESTRICTED_BIZ_INITIATED_MESSAGING" in account.restrictions:
            raise refusal(368, "The WhatsApp Business Account is temporarily restricted from sending templates.")
        if template is None and "RESTRICTED_CUSTOMER_INITIATED_MESSAGING" in account.restrictions:
            raise refusal(368, "The WhatsApp Business Account is temporarily restricted from replying to messages.")
        if person.key == number.digits:
            raise refusal(131021, "The sender and the recipient are the same number.")
        if number.allowed is not None and person.key not in number.allowed:
            raise refusal(131030, "Recipient phone number not in allowed list: Add it and try again.")

    def _answered(self, number: Number, person: Person, now: float) -> Thread:
        """Return the thread; a message within a day of an ad's referral opens the free entry point."""
        thread = self._world.thread(number.id, person.key)
        if thread.referral_at and now < thread.referral_at + REFERRAL_ANSWER:
            thread.free_entry_until, thread.referral_at = now + FREE_ENTRY, 0.0
            thread.free_entry_id = f"{self._dice.getrandbits(128):032x}"
            self._world.save(thread)
        return thread

    def _fate(
        self,
        number: Number,
        message: CheckedMessage,
        person: Person,
        template: Template | None,
        open_: bool,
        now: float,
    ) -> Fate:
        portfolio = self._world.portfolios[number.portfolio_id]
        category = template.category.lower() if template is not None else None
        case = Circumstances(
            person=person.key,
            type=message.type,
            known=not person.hidden or person.key in self._world.people,
            category=category,
            window_open=open_,
            opted_out=number.portfolio_id in person.stopped_marketing,
            blocked=number.id in person.blocked,
            within_limit=category is None or open_ or self._rates.reach(portfolio, person.key, now),
            limit_code=self._limits.messaging_limit_code,
            within_cap=category != "marketing" or self._rates.market(portfolio, person.key, now),
            content_problem=self._content_problem(number, message, person),
            content={message.type: message.content},
        )
        return decide(case, self._timing, self._dice)

    def _content_problem(self, number: Number, message: CheckedMessage, person: Person) -> int | None:
        """Return the code of what Meta finds out only after it has accepted: media, the target of a reaction."""
        if message.type in MEDIA_KINDS:
            media = self._world.media.get(message.content.get("id") or "")
            fine = media is not None and media.waba_id == number.waba_id and media.expires_at > self._clock.now()
            mime_type = media.mime_type if media and fine else None
            if message.content.get("voice") and mime_type and not mime_type.startswith("audio/ogg"):
                return 131053  # a voice note is Ogg with Opus
            return media_problem(message.content.get("link"), mime_type, message.type)
        if message.type == "reaction" and not self._can_be_reacted_to(number, message.content["message_id"], person):
            return 131009
        return None

    def _can_be_reacted_to(self, number: Number, target: str, person: Person) -> bool:
        """Tell whether a message of this conversation has the id, is no reaction itself, and is not too old."""
        since = self._clock.now() - READ_RANGE
        written = self._store.inbound(target)
        if written is not None:
            ours = (written.number_id, written.person) == (number.id, person.key) and written.at >= since
            return ours and json.loads(written.message)["type"] != "reaction"
        sent = self._store.sent(person.key, target)
        return sent is not None and sent.number_id == number.id and sent.at >= since and sent.type != "reaction"

    def _row(
        self, number: Number, message: CheckedMessage, person: Person, template: Template | None, thread: Thread,
        fate: Fate, now: float, raw: str, play: Play,
    ) -> tuple[SendRow, list[PlannedStatus]]:  # fmt: skip
        category = template.category.lower() if template is not None else None
        service = category is None and message.type != "reaction"
        used = self._world.count_service(number, now) if service else 0
        worth = price(category, message.type, now < thread.last_inbound + WINDOW, thread, now, used)
        shuffled = self._faults.strike("webhooks_shuffled", number.id, person.key) is not None
        statuses = plan(fate.steps, worth, self._timing, self._dice, self._clock.machine(), play.early, shuffled)
        row = SendRow(
            self._seq, now, number.id, person.key, message.type, message.callback, wamid(person.key, BUSINESS_SENT),
            play.outcome, raw, json.dumps(statuses), 1,
        )  # fmt: skip
        self._charge(number, person, worth, statuses)
        return row, statuses

    def _charge(self, number: Number, person: Person, worth: Price, statuses: list[PlannedStatus]) -> None:
        """Note what the message costs, unless it is never delivered."""
        delivered = next((it for it in statuses if it.status in ("delivered", "read")), None)
        if delivered is not None:
            at, country = int(delivered.happens + self._clock.offset), country_of(person.key)
            waba_id, sender = number.waba_id, number.digits
            self._store.add_charge(ChargeRow(self._seq, waba_id, at, sender, country, worth.category, worth.kind))

    def _schedule(self, row: SendRow, number: Number, statuses: list[PlannedStatus], watched: bool = False) -> Parcel:
        person = self._world.person(row.person)
        letterhead = Letterhead(
            row.wamid, person.key, person.hidden or not person.key.isdigit(),
            self._world.scoped_id(number.portfolio_id, person), row.callback,
        )  # fmt: skip
        machine, offset, owner = self._clock.machine(), self._clock.offset, Owner("sends", row.seq)
        head = f'{self._head(number)},"contacts":[{letterhead.contact()}]'
        parcels = []
        for status in statuses:
            change = Change(number.waba_id, "messages", head, letterhead.write(status, offset), number.id, row.person)
            parcels.append(self._deliveries.schedule(change, max(0.0, status.due - machine), owner, watched))
            watched = False
        return parcels[0]

    def _head(self, number: Number) -> str:
        known = self._heads.get(number.id)
        if known is None or known[0] != number.display:
            known = self._heads[number.id] = (number.display, status_head(number))
        return known[1]

    def _answer_later(self, number: Number, person: Person, answer: dict[str, Any], after: float) -> None:
        wish = {"phone_number_id": number.id, "from_user_id" if person.hidden else "from": person.key, **answer}
        delay = after + self._timing.answer.draw(self._dice)
        timer: asyncio.TimerHandle = asyncio.get_running_loop().call_later(delay, lambda: self._write(timer, wish))
        self._answers.add(timer)

    def _write(self, timer: asyncio.TimerHandle, wish: dict[str, Any]) -> None:
        self._answers.discard(timer)
        self._people.write(wish)

    def _answer(self, number: Number, message: CheckedMessage, person: Person, message_id: str) -> dict[str, Any]:
        contact = {"input": message.typed}
        if not person.hidden:
            contact["wa_id"] = person.key
        contact["user_id"] = self._world.scoped_id(number.portfolio_id, person)
        sent = {"id": message_id}
        if message.type == "template":
            sent["message_status"] = "accepted"
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]}


async def first_webhook(accepted: Accepted) -> None:
    """Wait until the first status of a message was tried, at most two seconds: it overtakes the answer."""
    if accepted.first_webhook is not None:
        await asyncio.wait([accepted.first_webhook], timeout=EARLY_WAIT)

"""The way in of a message: the same for REST calls and for commands of internal producers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from libs.directory.directory import Directory
from libs.directory.entries import NumberEntry, TemplateEntry
from libs.events.messages import Lane
from libs.graph.places import REQUIRED, Problem
from libs.graph.template_parameters import problems
from libs.ledger.contacts import MARKETING
from libs.ledger.intake import Intake, Stored
from libs.ledger.recipients import is_user_id
from libs.ledger.record import Idempotency, OutboundDraft
from libs.observability import tracing
from libs.requests.bodies import AUTHENTICATION_TTL, DEFAULT_TTL, MessageBody, TemplateBody
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.bodies import MOST_PROBLEMS
from libs.web.errors import ApiError, FieldProblem, Invalid, OutcomeUnclear
from services.edge.errors import NoSuchTemplate, TemplateMisfit, TemplateNotApproved
from services.edge.numbers import sendable
from services.edge.schedule import put_off_until
from services.edge.targets import Targets
from services.edge.waiting import WaitingCap
from services.edge.wakeups import WakeUps

AUTHENTICATION = "AUTHENTICATION"
APPROVED = "APPROVED"


class Asked(NamedTuple):
    """Who asks for a message, and how the asking is known: the request's id, its key, and the id and lane it fixes."""

    tenant: str
    mode: str
    correlation_id: str
    idempotency: Idempotency | None = None
    message_id: str | None = None
    lane: Lane | None = None

    def under(self, idempotency: Idempotency | None) -> "Asked":
        """Return the same asking under another key."""
        return self._replace(idempotency=idempotency)


def unclear() -> OutcomeUnclear:
    """Return the answer where nobody can tell whether the message was stored."""
    words = "The message may or may not have been stored. Ask again with the same Idempotency-Key."
    return OutcomeUnclear(words, retry_after=2)


class MessageIntake:
    """Checks a message against number, template, window and consent, stores it, and wakes the sender."""

    def __init__(
        self,
        directory: Directory,
        intake: Intake,
        wakeups: WakeUps,
        waiting: WaitingCap,
        targets: Targets,
        clock: Clock,
        first_look: timedelta,
    ) -> None:
        self._directory = directory
        self._intake = intake
        self._wakeups = wakeups
        self._waiting = waiting
        self._targets = targets
        self._clock = clock
        self._first_look = first_look

    async def accept(self, request: Asked, body: MessageBody) -> Stored:
        """Accept a message of any kind; raises ApiError where it may not be sent or does not fit."""
        try:
            return await self.store(request, await self.prepare(request, body))
        except ApiError as refusal:
            return await self.first_or(request, refusal)

    async def first_or(self, request: Asked, refusal: ApiError) -> Stored:
        """Give the first answer again where the same key was accepted before, whatever speaks against it by now."""
        first = await self._intake.first(request.tenant, request.idempotency) if request.idempotency else None
        if first is None:
            raise refusal
        return first

    async def prepare(self, request: Asked, body: MessageBody) -> OutboundDraft:
        """Check all that needs no look at the person: the body, number, template, time and target."""
        if found := body.problems():
            raise _unfit(found)
        number, _ = await sendable(self._directory, request.tenant, request.mode, body.phone_number_id)
        template = None
        if isinstance(body, TemplateBody):
            template = await self._template(request.tenant, number.waba_id, body)
        draft = self._draft(request, number, body, template, self._clock.now())
        if body.target is not None:
            field, message_id = body.target
            target = await self._targets.find(request.tenant, request.mode, body, field, message_id, draft.created_at)
            draft.content = body.aimed(draft.content, target.wamid)
            draft.reply_to = message_id
            draft.same_as = (field, target.conversation_id) if target.conversation_id else None
        return draft

    async def store(self, request: Asked, draft: OutboundDraft) -> Stored:
        """Store a message that was prepared, if window and consent allow it, and wake the sender."""
        self._waiting.check(request.tenant)
        stored = await self._intake.accept(draft)
        if not stored.replayed and draft.send_at is None:
            self._waiting.added(request.tenant)
            self._wakeups.add(stored.document)
        return stored

    def _draft(
        self, request: Asked, number: NumberEntry, body: MessageBody, template: TemplateEntry | None, now: datetime
    ) -> OutboundDraft:
        category = template.category if template is not None else None
        send_at = put_off_until(body.send_at, now) if body.send_at is not None else None
        ttl = AUTHENTICATION_TTL if category == AUTHENTICATION else DEFAULT_TTL
        return OutboundDraft(
            message_id=request.message_id or new_id(),
            tenant=request.tenant,
            waba_id=number.waba_id,
            phone_number_id=number.phone_number_id,
            recipient=body.to,
            content=body.content(),
            lane=request.lane or (Lane.BULK if category == MARKETING else Lane.INTERACTIVE),
            created_at=now,
            expires_at=(send_at or now) + (timedelta(seconds=body.ttl) if body.ttl else ttl),
            template=_told(template) if template is not None else None,
            client_ref=body.client_ref,
            idempotency=request.idempotency,
            correlation_id=request.correlation_id,
            first_look=self._first_look,
            send_at=send_at,
            trace=tracing.current(),
        )

    async def _template(self, tenant: str, waba_id: str, body: TemplateBody) -> TemplateEntry:
        entries = await self._directory.templates(tenant, waba_id, body.template)
        template = next((entry for entry in entries if entry.language == body.language), None)
        if template is None:
            there = ", ".join(sorted(entry.language for entry in entries))
            hint = f" It exists in {there}." if there else " Sync the templates if it is new."
            raise NoSuchTemplate(f"There is no such template in this language.{hint}", param="template")
        if template.status != APPROVED:
            words = f"The template is {template.status}; only an approved one can be sent."
            raise TemplateNotApproved(words, param="template", more={"template_status": template.status})
        if found := problems(template.components, template.parameter_format, body.components):
            raise TemplateMisfit(
                f"{found[0].path}: {found[0].message}",
                param=found[0].path,
                errors=[FieldProblem(problem.path, problem.message) for problem in found],
            )
        if template.category == AUTHENTICATION and is_user_id(body.to):
            words = "One-time codes go to phone numbers only."
            raise Invalid(words, code="recipient_not_allowed", param="to", errors=[FieldProblem("to", words)])
        return template


def _told(template: TemplateEntry) -> dict[str, str]:
    return {"name": template.name, "language": template.language, "category": template.category}


def _unfit(found: Sequence[Problem]) -> Invalid:
    first = found[0]
    return Invalid(
        f"{first.path}: {first.message}",
        code="missing_field" if first.message == REQUIRED else "invalid_field",
        param=first.path,
        errors=[FieldProblem(problem.path, problem.message) for problem in found[:MOST_PROBLEMS]],
    )

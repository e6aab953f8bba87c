"""The way in of a message: the same for REST calls and for commands of internal producers."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, NamedTuple

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry, NumberEntry, TemplateEntry
from libs.events.messages import Lane
from libs.graph.template_parameters import problems
from libs.ledger.contacts import MARKETING
from libs.ledger.intake import Intake, Stored
from libs.ledger.record import Idempotency, OutboundDraft
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.errors import ApiError, FieldProblem, Invalid
from services.edge.bodies import AUTHENTICATION_TTL, DEFAULT_TTL, MessageBody, TemplateBody, TextBody
from services.edge.errors import (
    NoSuchNumber,
    NoSuchTemplate,
    NumberCannotSend,
    SandboxOnly,
    TemplateMisfit,
    TemplateNotApproved,
)
from services.edge.recipients import is_user_id
from services.edge.waiting import WaitingCap
from services.edge.wakeups import WakeUps

AUTHENTICATION = "AUTHENTICATION"
APPROVED = "APPROVED"


class Asked(NamedTuple):
    """Who asks for a message, and how the asking is known: the request's id, its key, and the id it fixes."""

    tenant: str
    mode: str
    correlation_id: str
    idempotency: Idempotency | None = None
    message_id: str | None = None


class MessageIntake:
    """Checks a message against number, template, window and consent, stores it, and wakes the sender."""

    def __init__(
        self,
        directory: Directory,
        intake: Intake,
        wakeups: WakeUps,
        waiting: WaitingCap,
        clock: Clock,
        first_look: timedelta,
    ) -> None:
        self._directory = directory
        self._intake = intake
        self._wakeups = wakeups
        self._waiting = waiting
        self._clock = clock
        self._first_look = first_look

    async def text(self, request: Asked, body: TextBody) -> Stored:
        """Accept a text; raises ApiError where it may not be sent."""
        return await self._once(request, self._text(request, body))

    async def template(self, request: Asked, body: TemplateBody) -> Stored:
        """Accept a template; raises ApiError where it may not be sent or its components do not fit."""
        return await self._once(request, self._template_message(request, body))

    async def _once(self, request: Asked, accepting: Awaitable[Stored]) -> Stored:
        """Give the first answer again where the same key was accepted before, whatever speaks against it by now."""
        try:
            return await accepting
        except ApiError:
            first = await self._intake.first(request.tenant, request.idempotency) if request.idempotency else None
            if first is None:
                raise
            return first

    async def _text(self, request: Asked, body: TextBody) -> Stored:
        number = await self._number(request, body.phone_number_id)
        draft = self._draft(request, number, body, Lane.INTERACTIVE, DEFAULT_TTL)
        return await self._store(request, draft)

    async def _template_message(self, request: Asked, body: TemplateBody) -> Stored:
        number = await self._number(request, body.phone_number_id)
        template = await self._template(request.tenant, number.waba_id, body)
        if template.category == AUTHENTICATION and is_user_id(body.to):
            words = "One-time codes go to phone numbers only."
            raise Invalid(words, code="recipient_not_allowed", param="to", errors=[FieldProblem("to", words)])
        marketing = template.category == MARKETING
        ttl = AUTHENTICATION_TTL if template.category == AUTHENTICATION else DEFAULT_TTL
        draft = self._draft(request, number, body, Lane.BULK if marketing else Lane.INTERACTIVE, ttl)
        draft.template = {"name": body.template, "language": body.language, "category": template.category}
        return await self._store(request, draft)

    async def _store(self, request: Asked, draft: OutboundDraft) -> Stored:
        self._waiting.check(request.tenant)
        stored = await self._intake.accept(draft)
        if not stored.replayed:
            self._waiting.added(request.tenant)
            self._wakeups.add(stored.document)
        return stored

    def _draft(
        self, request: Asked, number: NumberEntry, body: MessageBody, lane: Lane, ttl: timedelta
    ) -> OutboundDraft:
        now = self._clock.now()
        content: dict[str, Any] = body.content()  # type: ignore[attr-defined]  # each body kind has one
        return OutboundDraft(
            message_id=request.message_id or new_id(),
            tenant=request.tenant,
            waba_id=number.waba_id,
            phone_number_id=number.phone_number_id,
            recipient=body.to,
            content=content,
            lane=lane,
            created_at=now,
            expires_at=now + (timedelta(seconds=body.ttl) if body.ttl else ttl),
            client_ref=body.client_ref,
            idempotency=request.idempotency,
            correlation_id=request.correlation_id,
            first_look=self._first_look,
        )

    async def _number(self, request: Asked, phone_number_id: str) -> NumberEntry:
        directory, tenant = self._directory, request.tenant
        number = directory.peek_number(tenant, phone_number_id) or await directory.number(tenant, phone_number_id)
        if number is None:
            raise NoSuchNumber("You have no connected number with this id.", param="phone_number_id")
        account = await directory.account(tenant, number.waba_id)
        if account is None:
            raise NoSuchNumber("You have no connected number with this id.", param="phone_number_id")
        _check_sendable(request, number, account)
        return number

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
        return template


def _check_sendable(request: Asked, number: NumberEntry, account: AccountEntry) -> None:
    if request.mode == "test" and not account.sandbox:
        raise SandboxOnly("A test key reaches only sandbox accounts.")
    for state, reason in ((account.active, account.stop_reason), (number.active, number.stop_reason)):
        if not state:
            words = f"The number cannot send now: {reason or 'it is not connected'}."
            raise NumberCannotSend(words, param="phone_number_id", more={"reason": reason})

"""Templates: created, listed, edited, deleted, and reviewed, with the webhooks that Meta sends."""

from collections.abc import Callable
from typing import Any

from services.sandbox.checks.shapes import one_of, required
from services.sandbox.checks.template_create import (
    CATEGORIES,
    check_components,
    check_language,
    check_name,
    check_ttl,
)
from services.sandbox.clock import SandboxClock
from services.sandbox.delivery import Deliveries
from services.sandbox.errors import GraphError, bad_parameter, refusal, template_problem, unknown_object
from services.sandbox.identifiers import graph_id
from services.sandbox.model import Template, Token
from services.sandbox.webhooks import Change, encode
from services.sandbox.world import World

COUNT = 6000  # templates of an account (verified business)
CREATIONS = 100  # per hour and account
BLOCKED = 30 * 24 * 3600.0  # seconds the name of a deleted approved template stays blocked
EDITS, EDIT_SPAN, EDIT_GAP = 10, 30 * 24 * 3600.0, 24 * 3600.0  # of an approved template: ten in 30 days, one a day
PAUSES = (("FIRST_PAUSE", "3 hours"), ("SECOND_PAUSE", "6 hours"))


class Templates:
    """The templates of all accounts."""

    def __init__(
        self, world: World, clock: SandboxClock, deliveries: Deliveries, later: Callable[[Callable[[], None]], None]
    ) -> None:
        self._world, self._clock, self._deliveries, self._later = world, clock, deliveries, later
        self._created: dict[str, list[float]] = {}
        self._blocked: dict[tuple[str, str, str], float] = {}

    def owned(self, token: Token, template_id: str, method: str) -> Template:
        """Return a template that the token reaches; raises GraphError 100/33 otherwise."""
        template = self._world.templates.get(template_id)
        if template is None or template.waba_id not in token.waba_ids:
            raise unknown_object(method, template_id)
        return template

    def create(self, waba_id: str, body: dict[str, Any]) -> Template:
        """Create a template: it is PENDING until somebody (or the timing's `review`) decides."""
        template = self._checked(waba_id, body)
        self._count_creation(waba_id)
        self._world.save(template)
        self._later(lambda: self._approve(template.id))
        return template

    def install(self, waba_id: str, body: dict[str, Any]) -> Template:
        """Put a template there without Meta's checks: for tests that need many, in any state."""
        now = self._clock.now()
        template = Template(
            graph_id(), waba_id, str(body["name"]), str(body.get("language", "en_US")),
            str(body.get("category", "UTILITY")).upper(), list(body.get("components") or []),
            str(body.get("status", "APPROVED")).upper(), str(body.get("parameter_format", "POSITIONAL")).upper(),
            created_at=now, updated_at=now,
        )  # fmt: skip
        self._world.save(template)
        return template

    def _checked(self, waba_id: str, body: dict[str, Any]) -> Template:
        name = check_name(required(body, "", "name"))
        language = check_language(required(body, "", "language"))
        category = one_of(required(body, "", "category"), "category", CATEGORIES)
        parameter_format = one_of(
            body.get("parameter_format") or "POSITIONAL", "parameter_format", ("POSITIONAL", "NAMED")
        )
        components = check_components(category, parameter_format, required(body, "", "components"))
        ttl = check_ttl(body.get("message_send_ttl_seconds"), category)
        self._check_others(waba_id, name, language, category, components)
        now = self._clock.now()
        return Template(
            graph_id(), waba_id, name, language, category, _stored(components), "PENDING", parameter_format,
            ttl_seconds=ttl, created_at=now, updated_at=now,
        )  # fmt: skip

    def _check_others(self, waba_id: str, name: str, language: str, category: str, components: Any) -> None:
        """Check a new template against those that are there."""
        others = self._world.templates_of(waba_id)
        if len(others) >= COUNT:
            raise template_problem(
                2388019, "Template limit reached", "The account has reached its number of templates."
            )
        if self._blocked.get((waba_id, name, language), 0.0) > self._clock.now():
            raise template_problem(
                2388023,
                "Language is being deleted",
                f"New {language} content cannot be added while it is being deleted.",
            )
        if self._world.template(waba_id, name, language) is not None:
            raise template_problem(
                2388024, "Content already exists", f"There is already {language} content for this template."
            )
        same = next((other for other in others if other.name == name), None)
        if same is not None and same.category != category:
            raise GraphError(
                100,
                f"The category {category} doesn't match the one that's already associated with this template, "
                f"{same.category}.",
            )
        texts = _texts(components)
        if category != "AUTHENTICATION" and any(
            _texts(other.components) == texts for other in others if other.language == language
        ):
            raise template_problem(2388024, "Duplicate content", "Another template already has this body and footer.")

    def _count_creation(self, waba_id: str) -> None:
        now = self._clock.now()
        recent = [at for at in self._created.get(waba_id, ()) if at > now - 3600]
        if len(recent) >= CREATIONS:
            raise refusal(80007, "Too many templates were created within an hour.")
        self._created[waba_id] = [*recent, now]

    def edit(self, template: Template, body: dict[str, Any]) -> None:
        """Change components, category or time to live; the template is reviewed again."""
        if template.status not in ("APPROVED", "REJECTED", "PAUSED"):
            raise template_problem(
                2388039, "Status does not allow this", f"A template that is {template.status} cannot be edited."
            )
        category = template.category
        if body.get("category") is not None:
            category = one_of(body["category"], "category", CATEGORIES)
            if template.status == "APPROVED" and category != template.category:
                raise template_problem(
                    2388039, "Category is fixed", "The category of an approved template cannot be changed."
                )
        now = self._clock.now()
        if template.status == "APPROVED":
            self._count_edit(template, now)
        if body.get("components") is not None:
            template.components = _stored(check_components(category, template.parameter_format, body["components"]))
        template.ttl_seconds = check_ttl(body.get("message_send_ttl_seconds", template.ttl_seconds), category)
        template.category, template.status, template.updated_at = category, "PENDING", now
        self._world.save(template)
        self._later(lambda: self._approve(template.id))

    def _count_edit(self, template: Template, now: float) -> None:
        template.edits = [at for at in template.edits if at > now - EDIT_SPAN]
        if len(template.edits) >= EDITS or (template.edits and template.edits[-1] > now - EDIT_GAP):
            raise template_problem(
                2388039, "Edited too often", "An approved template can be edited once a day, ten times in 30 days."
            )
        template.edits.append(now)

    def delete(self, waba_id: str, name: str | None, template_id: str | None) -> None:
        """Delete one language (by id and name) or all languages of a name."""
        if not name and not template_id:
            raise bad_parameter("The parameter name is required.")
        found = [
            template
            for template in self._world.templates_of(waba_id)
            if (not name or template.name == name) and (not template_id or template.id == template_id)
        ]
        if not found:
            raise template_problem(2593002, "Message template not found", "The message template was not found.")
        if any(template.status == "DISABLED" for template in found):
            raise template_problem(2388039, "Status does not allow this", "A disabled template cannot be deleted.")
        for template in found:
            if template.status == "APPROVED":
                self._blocked[waba_id, template.name, template.language] = self._clock.now() + BLOCKED
            self._world.drop(template)

    # -- review

    def _approve(self, template_id: str) -> None:
        template = self._world.templates.get(template_id)
        if template is not None and template.status == "PENDING":
            self.review(template, {"action": "approve"})

    def review(self, template: Template, wish: dict[str, Any]) -> None:
        """Play a decision of Meta (approve, reject, pause and so on) with its webhook. Raises ValueError."""
        action = str(wish.get("action"))
        decide = {
            "approve": self._decide_approve, "reject": self._decide_reject, "pause": self._decide_pause,
            "unpause": self._decide_unpause, "disable": self._decide_disable, "delete": self._decide_delete,
            "recategorise": self._recategorise, "recategorize": self._recategorise, "quality": self._quality,
        }.get(action)  # fmt: skip
        if decide is None:
            raise ValueError("action is one of approve, reject, pause, unpause, disable, delete, recategorise, quality")
        template.updated_at = self._clock.now()
        decide(template, wish)
        if action != "delete":
            self._world.save(template)

    def _decide_approve(self, template: Template, wish: dict[str, Any]) -> None:
        previous, template.status, template.rejected_reason = template.category, "APPROVED", "NONE"
        if wish.get("category"):
            template.category = _category(wish)
        self._tell_status(template, "APPROVED", "NONE")
        if template.category != previous:
            template.previous_category = previous
            self._tell_category(template, {"previous_category": previous, "new_category": template.category})

    def _decide_reject(self, template: Template, wish: dict[str, Any]) -> None:
        template.status, template.rejected_reason = "REJECTED", str(wish.get("reason") or "INVALID_FORMAT")
        info = {"reason": template.rejected_reason, "recommendation": "Check the template and submit it again."}
        self._tell_status(template, "REJECTED", template.rejected_reason, rejection_info=info)

    def _decide_pause(self, template: Template, wish: dict[str, Any]) -> None:
        template.pauses += 1
        if template.pauses > len(PAUSES):  # the third time it is disabled
            self._decide_disable(template, wish)
            return
        title, span = PAUSES[template.pauses - 1]
        template.status = "PAUSED"
        text = f"Your WhatsApp message template has been paused for {span} because it had issues."
        self._tell_status(template, "PAUSED", "NONE", other_info={"title": title, "description": text})

    def _decide_unpause(self, template: Template, wish: dict[str, Any]) -> None:
        template.status = "APPROVED"
        info = {"title": "UNPAUSE", "description": "Your WhatsApp message template can be sent again."}
        self._tell_status(template, "APPROVED", "NONE", other_info=info)

    def _decide_disable(self, template: Template, wish: dict[str, Any]) -> None:
        template.status = "DISABLED"
        info = {"title": "DISABLED", "description": "Your WhatsApp message template has been disabled."}
        disable = {"disable_date": str(int(self._clock.now()))}
        self._tell_status(template, "DISABLED", "NONE", other_info=info, disable_info=disable)

    def _decide_delete(self, template: Template, wish: dict[str, Any]) -> None:
        self._world.drop(template)
        self._tell_status(template, "DELETED", "NONE")

    def _recategorise(self, template: Template, wish: dict[str, Any]) -> None:
        category = _category(wish)
        if wish.get("announced"):  # Meta announces some changes a day ahead
            template.correct_category = category
            at = int(self._clock.now()) + 24 * 3600
            self._tell_category(template, {"correct_category": category, "category_update_timestamp": at})
            return
        template.previous_category, template.category, template.correct_category = template.category, category, None
        self._tell_category(template, {"previous_category": template.previous_category, "new_category": category})

    def _quality(self, template: Template, wish: dict[str, Any]) -> None:
        previous, template.quality = template.quality, str(wish.get("quality", "GREEN")).upper()
        value = {"previous_quality_score": previous, "new_quality_score": template.quality}
        self._tell(template, "message_template_quality_update", value)

    def _tell_status(self, template: Template, event: str, reason: str, **more: Any) -> None:
        value = {"event": event, "reason": reason, "message_template_category": template.category, **more}
        self._tell(template, "message_template_status_update", value)

    def _tell_category(self, template: Template, value: dict[str, Any]) -> None:
        self._tell(template, "template_category_update", value)

    def _tell(self, template: Template, field: str, value: dict[str, Any]) -> None:
        named = {
            "message_template_id": int(template.id),  # a JSON number, unlike the API's own answers
            "message_template_name": template.name,
            "message_template_language": template.language,
        }
        self._deliveries.post(Change(template.waba_id, field, encode(named | value), time=int(self._clock.now())))


def _category(wish: dict[str, Any]) -> str:
    category = str(wish.get("category")).upper()
    if category not in CATEGORIES:
        raise ValueError(f"category is one of {', '.join(CATEGORIES)}")
    return category


def _stored(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return components as Meta reads them back: types in capitals, an OTP button as a URL button."""
    stored = []
    for part in components:
        kept = part | {"type": str(part["type"]).upper()}
        if kept["type"] == "BUTTONS":
            kept["buttons"] = [_stored_button(button) for button in part["buttons"]]
        stored.append(kept)
    return stored


def _stored_button(button: dict[str, Any]) -> dict[str, Any]:
    kind = str(button["type"]).upper()
    if kind != "OTP":
        return button | {"type": kind}
    url = "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"
    return {
        "type": "URL",
        "text": button.get("text", "Copy code"),
        "url": url,
        "example": [url.replace("{{1}}", "123456")],
    }


def _texts(components: list[dict[str, Any]]) -> tuple[Any, Any]:
    parts = {str(part.get("type")).upper(): part.get("text") for part in components}
    return parts.get("BODY"), parts.get("FOOTER")

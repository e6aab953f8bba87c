"""The language of templates: what to do about them, and what became of them."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from libs.events.model import Event
from libs.events.topics import TEMPLATES_CHANGED, TEMPLATES_COMMANDS


class SyncTemplates(Event):
    """Command: read all templates of the WABA from Meta. `job_id` is the job to report to, where somebody waits."""

    TOPICS: ClassVar[tuple[str, ...]] = (TEMPLATES_COMMANDS,)

    waba_id: str
    job_id: str | None = None
    reason: Literal["connected", "requested", "schedule"] = "requested"


class ApplyTemplateUpdate(Event):
    """Command: Meta said this about a template (a webhook's change, its field and value untouched)."""

    TOPICS: ClassVar[tuple[str, ...]] = (TEMPLATES_COMMANDS,)

    waba_id: str
    field: str
    value: dict[str, Any]
    at: datetime


class TemplateChanged(Event):
    """Event: our projection of a template changed. `change` says how; the fields are the state after it."""

    TOPICS: ClassVar[tuple[str, ...]] = (TEMPLATES_CHANGED,)

    template_id: str
    meta_id: str
    waba_id: str
    name: str
    language: str
    status: str
    category: str
    quality: str
    change: Literal["added", "changed", "removed"]
    reason: str | None = None
    at: datetime

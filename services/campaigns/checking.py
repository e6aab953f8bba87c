"""Whether a row is somebody whom a campaign can write to: decided row by row, without any I/O."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.directory.entries import TemplateEntry
from libs.graph.template_parameters import problems
from libs.ledger.contacts import alias
from libs.ledger.recipients import WORDS, normalised
from libs.web.errors import FieldProblem
from services.campaigns.recipient_store import new_row
from services.campaigns.variants import Split

MOST_TO = 160  # characters of a recipient
FIELDS = {"to", "components"}

Document = dict[str, Any]


class Checking:
    """Checks the rows of one campaign against the templates of its variants, named by the variant."""

    def __init__(self, campaign: Document, templates: Mapping[str, TemplateEntry], now: datetime) -> None:
        self._campaign = campaign
        self._templates = templates
        self._split = Split(campaign)
        self._now = now

    def row(self, raw: Any, path: str) -> tuple[Document | None, list[FieldProblem]]:
        """Return a recipient to add, or what is wrong with it; the paths begin with `path`, where it has one."""
        if not isinstance(raw, dict):
            return None, [FieldProblem(path or "row", "Must be an object with `to`.")]
        if unknown := sorted(set(raw) - FIELDS):
            return None, [FieldProblem(_below(path, unknown[0][:64]), "This field is not known.")]
        text = raw.get("to")
        to = normalised(text) if isinstance(text, str) and len(text) <= MOST_TO else None
        if to is None:
            return None, [FieldProblem(_below(path, "to"), WORDS)]
        own = raw.get("components")
        if own is not None and not (isinstance(own, list) and all(isinstance(each, dict) for each in own)):
            return None, [FieldProblem(_below(path, "components"), "Must be a list of objects.")]
        tenant = self._campaign["tenant"]
        row = new_row(self._campaign, alias(tenant, to).partition("|")[2], to, own, self._now)
        if (variant := self._split.of(row["_id"])) is None:
            return row, []  # held out: nothing is sent that its values would have to fit
        given, template = own if own is not None else variant.components or [], self._templates[variant.name]
        wrong = problems(template.components, template.parameter_format, given)
        return None if wrong else row, [FieldProblem(_below(path, each.path), each.message) for each in wrong]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

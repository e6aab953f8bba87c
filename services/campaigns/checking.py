"""Whether a row is somebody whom a campaign can write to: decided row by row, without any I/O."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from libs.directory.entries import TemplateEntry
from libs.graph.template_parameters import problems
from libs.ledger.contacts import alias
from libs.ledger.recipients import WORDS, normalised
from libs.web.bodies import DEPTH
from libs.web.errors import FieldProblem
from services.campaigns.recipient_store import new_row
from services.campaigns.variants import Split

MOST_TO = 160  # characters of a recipient
MOST_NUMBER = 2**63 - 1
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
            name = unknown[0][:64].encode(errors="replace").decode()
            return None, [FieldProblem(_below(path, name), "This field is not known.")]
        text = raw.get("to")
        to = normalised(text) if isinstance(text, str) and len(text) <= MOST_TO else None
        if to is None:
            return None, [FieldProblem(_below(path, "to"), WORDS)]
        own = raw.get("components")
        if own is not None and not (isinstance(own, list) and all(isinstance(each, dict) for each in own)):
            return None, [FieldProblem(_below(path, "components"), "Must be a list of objects.")]
        if own is not None and (words := unstorable(own)) is not None:
            return None, [FieldProblem(_below(path, "components"), words)]
        tenant = self._campaign["tenant"]
        row = new_row(self._campaign, alias(tenant, to).partition("|")[2], to, own, self._now)
        # Who is held out is checked as well: whether a row is right must not hang on the hash of its person.
        variant = self._split.of(row["_id"]) or self._split.variants[0]
        given, template = own if own is not None else variant.components or [], self._templates[variant.name]
        wrong = problems(template.components, template.parameter_format, given)
        return None if wrong else row, [FieldProblem(_below(path, each.path), each.message) for each in wrong]


def unstorable(value: Any, depth: int = 0) -> str | None:
    """Return why a value that JSON can hold cannot be kept as it is, None where it can."""
    if isinstance(value, str):
        return None if value.isascii() or _is_unicode(value) else "Holds text that is not valid Unicode."
    if isinstance(value, int):
        return None if -MOST_NUMBER <= value <= MOST_NUMBER else "Holds a number that is too large."
    if isinstance(value, float):
        return None if isfinite(value) else "Holds NaN or Infinity, which JSON does not have."
    if not isinstance(value, list | dict):
        return None
    if depth >= DEPTH:
        return f"May be nested at most {DEPTH} levels deep."
    if isinstance(value, dict) and any("\x00" in name or not _is_unicode(name) for name in value):
        return "Holds a field whose name is no text."
    each = value if isinstance(value, list) else value.values()
    return next((words for it in each if (words := unstorable(it, depth + 1)) is not None), None)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

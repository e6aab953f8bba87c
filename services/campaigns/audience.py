"""Who a campaign goes to: rows are checked one by one against the template, and added once per person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.directory.entries import TemplateEntry
from libs.graph.template_parameters import problems
from libs.ledger.contacts import alias
from libs.ledger.recipients import WORDS, normalised
from libs.runtime.clock import Clock
from libs.web.errors import FieldProblem
from services.campaigns.errors import wrong_field, wrong_state
from services.campaigns.metrics import IMPORTED
from services.campaigns.recipient_moves import CampaignMoved, RecipientMoves
from services.campaigns.recipient_store import new_row
from services.campaigns.states import CampaignStatus
from services.campaigns.store import CampaignStore
from services.campaigns.targets import Targets, version_of
from services.campaigns.variants import Split

BATCH = 500  # rows of one transaction
MOST_TOLD = 100  # bad rows named in an answer
MOST_TO = 160  # characters of a recipient

Document = dict[str, Any]


@dataclass
class Report:
    """What became of the rows of one call."""

    added: int = 0
    duplicates: int = 0
    invalid: int = 0
    errors: list[FieldProblem] = field(default_factory=list)

    def refused(self, found: Sequence[FieldProblem]) -> None:
        """Count a bad row."""
        self.invalid += 1
        self.errors += found[: max(MOST_TOLD - len(self.errors), 0)]


class Audience:
    """Adds recipients to drafts."""

    def __init__(self, campaigns: CampaignStore, recipients: RecipientMoves, targets: Targets, clock: Clock) -> None:
        self._campaigns = campaigns
        self._recipients = recipients
        self._targets = targets
        self._clock = clock

    async def add(self, campaign: Document, rows: Sequence[Any]) -> Report:
        """Check and add rows; bad ones are told, the others are added. Raises WrongState where it is no draft."""
        templates = await self._templates(campaign)
        report, seen, good = Report(), set[str](), list[Document]()
        now = self._clock.now()
        for place, raw in enumerate(rows):
            found: list[FieldProblem] = []
            row = self._read(campaign, templates, raw, f"recipients.{place}", now, found)
            if row is None:
                report.refused(found)
            elif row["_id"] in seen:
                report.duplicates += 1
            else:
                seen.add(row["_id"])
                good.append(row)
        for first in range(0, len(good), BATCH):
            await self._add(campaign, good[first : first + BATCH], report)
        await self._counted(campaign, templates, report)
        return report

    async def _templates(self, campaign: Document) -> dict[str, TemplateEntry]:
        """Return the templates that a campaign's rows are checked against, by variant."""
        return {
            each.name: await self._targets.chosen(
                campaign["tenant"], campaign["waba_id"], each.template["name"], each.template["language"]
            )
            for each in Split(campaign).variants
        }

    async def _add(self, campaign: Document, rows: list[Document], report: Report) -> None:
        try:
            added = await self._recipients.add(campaign, rows)
        except CampaignMoved:
            now = await self._campaigns.get(campaign["tenant"], campaign["_id"])
            status = CampaignStatus(now["status"]) if now else CampaignStatus.CANCELED
            raise wrong_state("add recipients to", status) from None
        report.added += added
        report.duplicates += len(rows) - added

    async def _counted(self, campaign: Document, templates: Mapping[str, TemplateEntry], report: Report) -> None:
        IMPORTED.labels("added").inc(report.added)
        IMPORTED.labels("duplicate").inc(report.duplicates)
        IMPORTED.labels("invalid").inc(report.invalid)
        changes = {
            "$inc": {"duplicates": report.duplicates, "invalid": report.invalid},
            "$addToSet": {"versions": {"$each": [version_of(template) for template in templates.values()]}},
        }
        await self._campaigns.move(campaign["tenant"], campaign["_id"], list(CampaignStatus), changes)

    def _read(
        self, campaign: Document, templates: Mapping[str, TemplateEntry], raw: Any, path: str, now: datetime,
        found: list[FieldProblem],
    ) -> Document | None:  # fmt: skip
        """Read one row; None where it is wrong, which is noted."""
        if not isinstance(raw, dict):
            found.append(FieldProblem(path, "Must be an object with `to`."))
            return None
        if unknown := sorted(set(raw) - {"to", "components"}):
            found.append(FieldProblem(f"{path}.{unknown[0]}", "This field is not known."))
            return None
        text = raw.get("to")
        to = normalised(text) if isinstance(text, str) and len(text) <= MOST_TO else None
        if to is None:
            found.append(FieldProblem(f"{path}.to", WORDS))
            return None
        own = raw.get("components")
        if own is not None and not (isinstance(own, list) and all(isinstance(each, dict) for each in own)):
            found.append(FieldProblem(f"{path}.components", "Must be a list of objects."))
            return None
        row = new_row(campaign, alias(campaign["tenant"], to).partition("|")[2], to, own, now)
        if (variant := Split(campaign).of(row["_id"])) is None:
            return row  # held out: nothing is sent that its values would have to fit
        given, template = own if own is not None else variant.components or [], templates[variant.name]
        wrong = problems(template.components, template.parameter_format, given)
        found += [FieldProblem(f"{path}.{each.path}", each.message) for each in wrong]
        return None if wrong else row


def check_default(template: TemplateEntry, components: Sequence[Document] | None) -> None:
    """Raise Invalid where the components for everybody do not fit the template."""
    if components is not None and (wrong := problems(template.components, template.parameter_format, list(components))):
        raise wrong_field(wrong[0].path, wrong[0].message, "template_parameters")

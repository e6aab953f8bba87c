"""Who a campaign goes to: rows are checked one by one against the template, and added once per person."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from libs.directory.entries import TemplateEntry
from libs.graph.template_parameters import problems
from libs.runtime.clock import Clock
from libs.web.errors import FieldProblem
from services.campaigns.checking import Checking, unstorable
from services.campaigns.errors import NoSuchCampaign, WrongState, wrong_field, wrong_state
from services.campaigns.metrics import IMPORTED
from services.campaigns.move_store import CampaignMoved, RecipientMoves
from services.campaigns.states import CampaignStatus
from services.campaigns.store import CampaignStore
from services.campaigns.targets import Targets, version_of
from services.campaigns.variants import Split

BATCH = 500  # rows of one transaction
BREATH = 100  # rows that are checked in one go: everybody else waits meanwhile
MOST_TOLD = 100  # bad rows named in an answer

Document = dict[str, Any]


@dataclass
class Report:
    """What became of the rows of one call; `lines` are those that the problems of a stream were found in."""

    added: int = 0
    duplicates: int = 0
    invalid: int = 0
    errors: list[FieldProblem] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def refused(self, found: Sequence[FieldProblem], line: int | None = None) -> None:
        """Count a bad row."""
        self.invalid += 1
        told = found[: max(MOST_TOLD - len(self.errors), 0)]
        self.errors += told
        self.lines += [line] * len(told) if line is not None else []


class Intent:
    """Rows of one call on their way into a campaign: checked, gathered, and added a batch at a time."""

    def __init__(self, audience: "Audience", campaign: Document, checking: Checking) -> None:
        self.report = Report()
        self._audience = audience
        self._campaign = campaign
        self._checking = checking
        self._rows: dict[str, Document] = {}

    def take(self, raw: Any, path: str = "", line: int | None = None) -> list[FieldProblem]:
        """Check a row and keep it, or count it as bad; -> what is wrong with it."""
        row, found = self._checking.row(raw, path)
        if row is None:
            self.report.refused(found, line)
        elif row["_id"] in self._rows:
            self.report.duplicates += 1
        else:
            self._rows[row["_id"]] = row
        return found

    @property
    def full(self) -> bool:
        """Whether it is time to add what is gathered."""
        return len(self._rows) >= BATCH

    async def add(self) -> None:
        """Add what is gathered. Raises WrongState where the campaign is no draft any more."""
        rows, self._rows = list(self._rows.values()), {}
        if rows:
            added = await self._audience.write(self._campaign, rows)
            self.report.added += added
            self.report.duplicates += len(rows) - added


class Audience:
    """Adds recipients to drafts."""

    def __init__(self, campaigns: CampaignStore, moves: RecipientMoves, targets: Targets, clock: Clock) -> None:
        self._campaigns = campaigns
        self._moves = moves
        self._targets = targets
        self._clock = clock

    async def add(self, campaign: Document, rows: Sequence[Any]) -> Report:
        """Check and add rows; bad ones are told, the others are added. Raises WrongState where it is no draft."""
        intent = await self.begin(campaign)
        try:
            for place, raw in enumerate(rows):
                intent.take(raw, f"recipients.{place}")
                if intent.full:
                    await intent.add()
                elif place % BREATH == 0:
                    await asyncio.sleep(0)
            await intent.add()
        except WrongState as error:
            error.more |= {"added": intent.report.added}
            raise
        finally:
            await self.end(campaign, intent.report)
        return intent.report

    async def begin(self, campaign: Document) -> Intent:
        """Get ready to add rows: notes the templates that they will be checked against, which must be approved.

        Raises WrongState where the campaign is no draft, and Invalid for a template that cannot be sent.
        """
        if (status := CampaignStatus(campaign["status"])) is not CampaignStatus.DRAFT:
            raise wrong_state("add recipients to", status)
        templates = {
            each.name: await self._targets.chosen(
                campaign["tenant"], campaign["waba_id"], each.template["name"], each.template["language"]
            )
            for each in Split(campaign).variants
        }
        versions = {"$addToSet": {"versions": {"$each": [version_of(template) for template in templates.values()]}}}
        await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.DRAFT,), versions)
        return Intent(self, campaign, Checking(campaign, templates, self._clock.now()))

    async def write(self, campaign: Document, rows: Sequence[Document]) -> int:
        """Add checked rows; -> how many were not there yet. Raises WrongState."""
        try:
            return await self._moves.add(campaign, rows)
        except CampaignMoved:
            now = await self._campaigns.get(campaign["tenant"], campaign["_id"])
            if now is None:
                raise NoSuchCampaign("The campaign was deleted.", param="campaign_id") from None
            raise wrong_state("add recipients to", CampaignStatus(now["status"])) from None

    async def end(self, campaign: Document, report: Report) -> None:
        """Count on the campaign what was not added."""
        IMPORTED.labels("added").inc(report.added)
        IMPORTED.labels("duplicate").inc(report.duplicates)
        IMPORTED.labels("invalid").inc(report.invalid)
        changes = {"$inc": {"duplicates": report.duplicates, "invalid": report.invalid}}
        await self._campaigns.move(campaign["tenant"], campaign["_id"], list(CampaignStatus), changes)


def check_default(template: TemplateEntry, components: Sequence[Document] | None) -> None:
    """Raise Invalid where the components for everybody do not fit the template."""
    if components is not None and (words := unstorable(list(components))) is not None:
        raise wrong_field("components", words)
    if components is not None and (wrong := problems(template.components, template.parameter_format, list(components))):
        raise wrong_field(wrong[0].path, wrong[0].message, "template_parameters")

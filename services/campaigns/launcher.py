"""Making, launching, pausing, resuming, canceling and retrying campaigns: each a compare-and-set on the status."""

from typing import Any

from libs.directory.entries import TemplateEntry
from libs.pricing.rate_card import RateCard, card_at
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.identity import Identity
from services.campaigns.announcer import ALWAYS
from services.campaigns.audience import Audience, Report, check_default
from services.campaigns.bodies import CreateBody, LaunchBody, MoneyBody, ResumeBody, RetryBody, UpdateBody
from services.campaigns.errors import NoSuchCampaign, NothingToSend, StillAtWork, under, wrong_field, wrong_state
from services.campaigns.imports import Imports
from services.campaigns.metrics import LAUNCHED
from services.campaigns.planning import Planner
from services.campaigns.protection import goes_on_by_itself
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.retrying import Retrying, not_retried
from services.campaigns.states import ALLOWED, CampaignStatus
from services.campaigns.store import CampaignStore
from services.campaigns.targets import Sending, Targets, version_of
from services.campaigns.variants import Split

Document = dict[str, Any]


class Launcher:
    """What people and programs ask for. Raises NoSuchCampaign, WrongState and Invalid."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, retrying: Retrying, audience: Audience,
        imports: Imports, targets: Targets, planner: Planner, clock: Clock,
    ) -> None:  # fmt: skip
        self._campaigns = campaigns
        self._recipients = recipients
        self._retrying = retrying
        self._audience = audience
        self._imports = imports
        self._targets = targets
        self._planner = planner
        self._clock = clock

    async def create(
        self, caller: Identity, body: CreateBody, campaign_id: str | None = None, by: str | None = None
    ) -> tuple[Document, Report | None]:
        """Make a draft, with its first recipients where the call brings some; `by` is the command that asked for it."""
        sending = await self._targets.reached(caller, body.phone_number_id)
        template = await self._targets.chosen(caller.tenant, sending.number.waba_id, body.template, body.language)
        check_default(template, body.components)
        campaign: Document = {
            "_id": campaign_id or new_id(), "tenant": caller.tenant, "name": body.name,
            "status": CampaignStatus.DRAFT.value,
            "phone_number_id": body.phone_number_id, "waba_id": sending.number.waba_id,
            "template": _frozen(template), "components": body.components,
            "variants": await self._variants(caller, sending, body, template), "hold_out": body.hold_out,
            "require_consent": body.require_consent, "ttl": body.ttl, "duplicates": 0, "invalid": 0,
            "round": 0, "cursor": "", "stored": "", "rounds": {}, "created_at": self._clock.now(),
            "created_by": by,
        }  # fmt: skip
        await self._campaigns.add(campaign)
        report = await self._audience.add(campaign, body.recipients) if body.recipients is not None else None
        return campaign, report

    async def _variants(
        self, caller: Identity, sending: Sending, body: CreateBody, template: TemplateEntry
    ) -> list[Document] | None:
        """Return the variants as they are kept: what one left out is taken from the campaign."""
        kept = []
        for place, each in enumerate(body.variants or ()):
            its, given = template, each.components if each.components is not None else body.components
            if each.template is not None or each.language is not None:
                name, language = each.template or body.template, each.language or body.language
                with under(f"variants.{place}"):
                    its = await self._targets.chosen(caller.tenant, sending.number.waba_id, name, language)
            with under(f"variants.{place}"):
                check_default(its, given)
            kept.append({"name": each.name, "share": each.share, "template": _frozen(its), "components": given})
        return kept or None

    async def find(self, caller: Identity, campaign_id: str) -> Document | None:
        """Return a campaign, None where there is none that the caller reaches."""
        found, reach = await self._campaigns.get(caller.tenant, campaign_id), await self._targets.reach(caller)
        return found if found is not None and reach.has_number(found["phone_number_id"]) else None

    async def page(self, caller: Identity, wanted: Document, limit: int, after: str | None) -> list[Document]:
        """Return campaigns that the caller reaches, newest first; `wanted` holds exact values of fields."""
        return await self._campaigns.page(caller.tenant, wanted, limit, after, await self._targets.reach(caller))

    async def get(self, caller: Identity, campaign_id: str) -> Document:
        """Return a campaign."""
        campaign = await self.find(caller, campaign_id)
        if campaign is None:
            raise NoSuchCampaign("There is no such campaign.", param="campaign_id")
        return campaign

    async def update(self, caller: Identity, campaign_id: str, body: UpdateBody) -> Document:
        """Change a draft."""
        campaign = await self.get(caller, campaign_id)
        asked = body.model_dump(exclude_unset=True)
        if not asked:
            raise wrong_field("name", "Name what is to change: name, components or ttl.", "missing_field")
        if "components" in asked:
            if campaign.get("variants"):
                raise wrong_field("components", "A campaign with variants has them in each, from its creation.")
            template = campaign["template"]
            check_default(
                await self._targets.chosen(
                    caller.tenant, campaign["waba_id"], template["name"], template["language"]
                ),
                body.components,
            )  # fmt: skip
        return await self._moved(caller, campaign_id, "change", {"$set": asked})

    async def remove(self, caller: Identity, campaign_id: str) -> None:
        """Delete a campaign that is not at work, with its recipients; its messages stay."""
        await self._in_state(caller, campaign_id, "delete")
        if not await self._campaigns.remove(caller.tenant, campaign_id, ALLOWED["delete"]):
            await self._in_state(caller, campaign_id, "delete")
            raise StillAtWork("Its messages are still being taken back.", retry_after=1)
        await self._recipients.forget(campaign_id)
        await self._imports.forget(campaign_id)

    async def launch(self, caller: Identity, campaign_id: str, body: LaunchBody, by: str | None = None) -> Document:
        """Launch a draft, now or at its time; `by` is the command that asked for it."""
        campaign = await self._in_state(caller, campaign_id, "launch")
        sending = await self._check(caller, campaign)
        await self._imports.check_none_runs(campaign)
        card = card_at(self._clock.now())
        if body.max_cost is not None:
            await self._check_prices(campaign, sending, body, body.max_cost, card)
        now = self._clock.now()
        later = body.scheduled_at is not None and body.scheduled_at > now
        changes: Document = {
            "status": (CampaignStatus.SCHEDULED if later else CampaignStatus.RUNNING).value, "work": True,
            "rate_per_second": body.rate_per_second, "budget": body.budget,
            "max_cost": body.max_cost.model_dump() if body.max_cost is not None else None,
            "rate_card": card.version, "scheduled_at": body.scheduled_at,
            "quiet_hours": body.quiet_hours.kept() if body.quiet_hours is not None else None,
            "send_window": body.send_window.kept() if body.send_window is not None else None,
            "protection": body.protection.model_dump() if body.protection is not None else None,
            "auto_resume": body.auto_resume, "launched_by": by, "tell_until": ALWAYS,
        } | await self._categories(campaign)  # fmt: skip
        moved = await self._moved(caller, campaign_id, "launch", {"$set": changes})
        LAUNCHED.inc()
        return moved

    async def plan(self, caller: Identity, campaign_id: str, body: LaunchBody) -> Document:
        """Say what a launch would do, without doing it."""
        campaign = await self._in_state(caller, campaign_id, "launch")
        sending = await self._check(caller, campaign)
        if body.max_cost is not None:
            await self._check_prices(campaign, sending, body, body.max_cost, card_at(self._clock.now()))
        plan = await self._planner.plan(campaign, sending, body)
        return plan | {"imports_incomplete": await self._imports.incomplete(campaign)}

    async def pause(self, caller: Identity, campaign_id: str) -> Document:
        """Pause a campaign: what is queued is taken back. One that paused itself does not go on by itself then."""
        campaign = await self.get(caller, campaign_id)
        changes = {
            "status": CampaignStatus.PAUSED.value, "pause_reason": "asked", "taking_back": True, "work": True,
            "waiting": None,
        }  # fmt: skip
        if campaign["status"] == CampaignStatus.PAUSED and goes_on_by_itself(campaign):
            moved = await self._campaigns.move(caller.tenant, campaign_id, (CampaignStatus.PAUSED,), {"$set": changes})
            if moved is not None:
                return moved
        return await self._moved(caller, campaign_id, "pause", {"$set": changes})

    async def resume(self, caller: Identity, campaign_id: str, body: ResumeBody) -> Document:
        """Go on with a paused campaign; one whose time has not come yet is scheduled again."""
        campaign = await self._in_state(caller, campaign_id, "resume")
        await self._check(caller, campaign)
        early = (at := campaign.get("scheduled_at")) is not None and at > self._clock.now()
        status = CampaignStatus.SCHEDULED if early else CampaignStatus.RUNNING
        asked = body.model_dump(exclude_none=True)
        if body.max_cost is not None and (campaign.get("max_cost") or {}).get("currency") != body.max_cost.currency:
            raise wrong_field(
                "max_cost", "Only a campaign that was launched with one can have another, in its currency."
            )
        asked |= {"status": status.value, "work": True} | await self._categories(campaign)
        changes: Document = {"$set": asked, "$unset": {"pause_reason": ""}}
        moved = await self._campaigns.move_where(
            caller.tenant, campaign_id, ALLOWED["resume"], not_retried(self._clock.now()), changes
        )
        if moved is None:
            await self._in_state(caller, campaign_id, "resume")
            raise StillAtWork("A retry of this campaign is at work.", retry_after=1)
        return moved

    async def cancel(self, caller: Identity, campaign_id: str) -> Document:
        """End a campaign: what is queued is taken back, nobody else is written to."""
        await self.get(caller, campaign_id)
        changes: Document = {
            "$set": {
                "status": CampaignStatus.CANCELED.value, "taking_back": True, "work": True, "waiting": None,
                "canceled_at": self._clock.now(),
            },
            "$unset": {"pause_reason": ""},
        }  # fmt: skip
        return await self._moved(caller, campaign_id, "cancel", changes)

    async def retry(self, caller: Identity, campaign_id: str, body: RetryBody) -> tuple[Document, int]:
        """Send to those who failed once more; -> the campaign and to how many. Raises NothingToRetry where to none."""
        campaign = await self._in_state(caller, campaign_id, "retry")
        await self._check(caller, campaign)
        return await self._retrying.retry(campaign, body.codes)

    async def _check_prices(
        self, campaign: Document, sending: Sending, body: LaunchBody, most: MoneyBody, card: RateCard
    ) -> None:  # fmt: skip
        """Check that money can be reckoned: in the card's currency, with a price for everybody."""
        if most.currency != card.currency:
            raise wrong_field("max_cost.currency", f"Must be {card.currency}, as the rate card is.")
        cost = (await self._planner.plan(campaign, sending, body))["cost"]
        if unpriced := [line["market"] for line in cost["lines"] if line["price"] is None]:
            words = f"No price is known for {', '.join(unpriced)}: give a budget of messages instead."
            raise wrong_field("max_cost", words, "price_unknown")

    async def _check(self, caller: Identity, campaign: Document) -> Sending:
        """Check number and template as they are now, and that there is somebody to write to."""
        sending = await self._targets.reached(caller, campaign["phone_number_id"])
        if (reason := sending.stopped) is not None:
            raise wrong_field("phone_number_id", f"The number cannot send now: {reason}.", "number_cannot_send")
        versions = {version_of(each) for each in await self._templates(campaign)}
        if set(campaign.get("versions") or ()) - versions:
            words = "It was changed after recipients were checked against it: make the campaign anew."
            raise wrong_field("template", words, "template_changed")
        counts = (await self._recipients.counts([campaign["_id"]]))[campaign["_id"]]
        if not sum(counts.values()):
            raise NothingToSend("The campaign has no recipients: add some first.", param="recipients")
        return sending

    async def _templates(self, campaign: Document) -> list[TemplateEntry]:
        """Return the templates of its variants as they are now; raises Invalid where one cannot be sent."""
        tenant, account = campaign["tenant"], campaign["waba_id"]
        wanted = [each.template for each in Split(campaign).variants]
        return [await self._targets.chosen(tenant, account, it["name"], it["language"]) for it in wanted]

    async def _categories(self, campaign: Document) -> Document:
        """Return the templates with the categories that they have now: who launches or resumes agrees to them."""
        frozen = [_frozen(each) for each in await self._templates(campaign)]
        if not (variants := campaign.get("variants")):
            return {"template": frozen[0]}
        return {"variants": [each | {"template": its} for each, its in zip(variants, frozen, strict=True)]}

    async def _in_state(self, caller: Identity, campaign_id: str, doing: str) -> Document:
        """Return a campaign that this may be done with; raises WrongState."""
        campaign = await self.get(caller, campaign_id)
        if (status := CampaignStatus(campaign["status"])) not in ALLOWED[doing]:
            raise wrong_state(doing, status)
        return campaign

    async def _moved(self, caller: Identity, campaign_id: str, doing: str, changes: Document) -> Document:
        moved = await self._campaigns.move(caller.tenant, campaign_id, ALLOWED[doing], changes)
        if moved is None:
            raise wrong_state(doing, await self._status(caller, campaign_id))
        return moved

    async def _status(self, caller: Identity, campaign_id: str) -> CampaignStatus:
        return CampaignStatus((await self.get(caller, campaign_id))["status"])


def _frozen(template: TemplateEntry) -> Document:
    return {"name": template.name, "language": template.language, "category": template.category}

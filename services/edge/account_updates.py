"""What Meta says about accounts and numbers later on: quality, tiers, throughput, bans, revoked tokens."""

from typing import Any

from libs.directory.directory import Directory
from libs.events.accounts import ApplyAccountUpdate, StopAccount
from libs.runtime.clock import Clock
from services.edge.account_store import AccountStore
from services.edge.announcements import Announcements
from services.edge.audit import AuditTrail
from services.edge.meta_facts import HIGH, limit_of

# account_update events after which nothing can be sent, and those that lift it.
STOPPING = {
    "ACCOUNT_DELETED": "account_deleted",
    "ACCOUNT_OFFBOARDED": "account_offboarded",
    "PARTNER_REMOVED": "app_removed",
    "PARTNER_APP_UNINSTALLED": "app_removed",
}
LONGEST_WORD = 256  # characters of what Meta names by a word
LARGEST = 2**53  # of Meta's numbers (limits, seconds): more than any store or reader of JSON is safe with
MOST_RESTRICTIONS = 20  # Meta knows a handful of kinds
LIFTING = {"ACCOUNT_RECONNECTED", "PARTNER_APP_INSTALLED", "PARTNER_ADDED"}


Command = ApplyAccountUpdate | StopAccount


class AccountUpdates:
    """Applies commands about accounts; each may come any number of times."""

    def __init__(
        self, store: AccountStore, directory: Directory, announcements: Announcements, trail: AuditTrail, clock: Clock
    ) -> None:
        self._store = store
        self._directory = directory
        self._announcements = announcements
        self._trail = trail
        self._clock = clock

    async def stop(self, command: StopAccount) -> None:
        """Stop an account, or one of its numbers, that Graph refused to serve."""
        changes = {"status": "stopped", "stop_reason": command.code}
        if command.phone_number_id is not None:
            query = {"_id": command.phone_number_id, "waba_id": command.waba_id}
            row = await self._store.hear_number(query, changes, command.at, self._clock.now())
        else:
            row = await self._store.hear_account(command.waba_id, changes, command.at, self._clock.now())
        await self._changed(row, command, command.phone_number_id, "stopped")

    async def apply(self, command: ApplyAccountUpdate, replay: str | None = None) -> None:
        """Apply a webhook's change; fields we do not act on are kept as they came, for people to read.

        What was heard of the same since, or before the account was connected, stays; `replay` is the command's mark.
        """
        value = command.value
        if command.field == "phone_number_quality_update":
            await self._number(command, replay, _quality_changes(value))
        elif command.field == "phone_number_name_update":
            await self._number(command, replay, {"name_status": _word(value.get("decision"))})
        elif command.field == "account_update":
            await self._account(command, replay, _account_changes(value))
        elif command.field == "account_review_update":
            await self._account(command, replay, {"review_status": _word(value.get("decision"))})
        elif command.field == "business_capability_update":
            limit = value.get("max_daily_conversations_per_business", value.get("max_daily_conversation_per_phone"))
            await self._account(command, replay, {"messaging_limit": limit_of(limit)} if limit is not None else {})

    async def _number(self, command: ApplyAccountUpdate, replay: str | None, changes: dict[str, Any]) -> None:
        display = str(command.value.get("display_phone_number", ""))
        digits = "".join(filter(str.isdigit, display))
        for number in await self._store.numbers_of(command.waba_id):
            if digits and "".join(filter(str.isdigit, number["display_phone_number"])) == digits:
                row = await self._store.hear_number({"_id": number["_id"]}, changes, command.at, self._clock.now())
                await self._changed(row, command, number["_id"], "updated", replay)

    async def _account(self, command: ApplyAccountUpdate, replay: str | None, changes: dict[str, Any]) -> None:
        if changes:
            row = await self._store.hear_account(command.waba_id, changes, command.at, self._clock.now())
            is_stopped = row is not None and row["status"] == "stopped" and "status" in changes
            await self._changed(row, command, None, "stopped" if is_stopped else "updated", replay)

    async def _changed(
        self, row: dict[str, Any] | None, command: Command, phone_number_id: str | None, change: str,
        replay: str | None = None,
    ) -> None:  # fmt: skip
        if row is None:
            return  # not connected here (any more)
        waba_id = command.waba_id
        self._directory.forget(tenant=row["tenant"], waba_id=waba_id, phone_number_id=phone_number_id)
        kind = "number" if phone_number_id else "account"
        # Before the record is committed: who dies here does it again, and the entry is the same one.
        await self._trail.meta_said(
            row["tenant"], f"{kind}.{'stop' if change == 'stopped' else 'update'}", phone_number_id or waba_id,
            command.code if isinstance(command, StopAccount) else command.field, command.at, command.model_dump_json(),
        )  # fmt: skip
        await self._announcements.changed(
            row["tenant"], kind, change, replay=replay, waba_id=waba_id, phone_number_id=phone_number_id
        )  # fmt: skip


def _quality_changes(value: dict[str, Any]) -> dict[str, Any]:
    event = (_word(value.get("event")) or "").upper()
    changes: dict[str, Any] = {"quality_event": event}
    if event == "THROUGHPUT_UPGRADE":
        changes["throughput"] = HIGH
    if event == "FLAGGED":
        changes["quality_rating"] = "RED"
    if limit := value.get("max_daily_conversations_per_business") or value.get("current_limit"):
        changes["messaging_limit"] = _number_or_word(limit)
    if rating := _word(value.get("quality_rating") or value.get("new_quality_rating")):
        changes["quality_rating"] = rating
    return changes


def _account_changes(value: dict[str, Any]) -> dict[str, Any]:
    event = (_word(value.get("event")) or "").upper()
    if event in STOPPING:
        return {"status": "stopped", "stop_reason": STOPPING[event]}
    if event in LIFTING:
        return {"status": "active", "stop_reason": None}
    if event == "DISABLED_UPDATE":
        state = (_word(_part(value, "ban_info").get("waba_ban_state")) or "").upper()
        if state == "DISABLE":
            return {"status": "stopped", "stop_reason": "account_banned", "ban": state}
        return {"status": "active", "stop_reason": None, "ban": None} if state == "REINSTATE" else {"ban": state}
    if event == "ACCOUNT_RESTRICTION":
        return {"restrictions": _restrictions(value.get("restriction_info"))}
    if event == "ACCOUNT_VIOLATION":
        return {"violation": _word(_part(value, "violation_info").get("violation_type"))}
    return {"last_account_event": event}


def _part(value: dict[str, Any], name: str) -> dict[str, Any]:
    part = value.get(name)
    return part if isinstance(part, dict) else {}


def _restrictions(said: object) -> list[dict[str, Any]]:
    rows = said if isinstance(said, list) else [said]
    kept = ("restriction_type", "expiration")  # Meta's two fields
    return [
        {name: _number_or_word(row.get(name)) for name in kept}
        for row in rows[:MOST_RESTRICTIONS]
        if isinstance(row, dict)
    ]


def _word(said: object) -> str | None:
    """Return a word of Meta's, None where it is none: what a tenant's own app signs may be anything."""
    return said[:LONGEST_WORD] if isinstance(said, str) else None


def _number_or_word(said: object) -> int | str | None:
    if isinstance(said, int):
        return said if abs(said) <= LARGEST else None
    return _word(said)

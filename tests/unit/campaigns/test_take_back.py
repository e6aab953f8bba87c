"""Who is queued and falls asleep meanwhile is taken back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.campaigns.move_store import Move
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.take_back import TakeBack

NIGHT = datetime(2026, 1, 15, 21, 30, tzinfo=UTC)  # 22:30 in Berlin, afternoon in New York
GERMAN, OTHER_GERMAN, NEW_YORKER = "+4915112345678", "+4915112345679", "+12125550123"

Document = dict[str, Any]


class Recipients:
    def __init__(self, rows: list[Document]) -> None:
        self.rows = rows

    async def in_state(self, _: Document, state: RecipientState, limit: int, after: Any) -> list[Document]:
        assert state is RecipientState.QUEUED
        return [row for row in self.rows if (row["round"], row["_id"]) > after][:limit]


class Messages:
    """The ledger, which gives back whatever is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def take_back(self, _: str, ids: list[str], __: datetime) -> set[str]:
        self.asked += ids
        return set(ids)

    async def existing(self, _: str, ids: list[str]) -> set[str]:
        return set(ids)


class Campaigns:
    def __init__(self) -> None:
        self.changes: list[Document] = []

    async def move(self, _: str, __: str, among: Any, changes: Document) -> None:
        assert among == (CampaignStatus.RUNNING,)
        self.changes.append(changes)


class Moves:
    def __init__(self) -> None:
        self.done: list[Move] = []

    async def move(self, _: Document, moves: Sequence[Move], among: Any) -> int:
        assert among == (CampaignStatus.RUNNING,)
        self.done += moves
        return len(moves)


class At:
    def now(self) -> datetime:
        return NIGHT

    def monotonic(self) -> float:
        return 0.0


async def test_who_fell_asleep_while_queued_waits_for_the_end_of_their_night() -> None:
    people = {"a": GERMAN, "b": NEW_YORKER, "c": OTHER_GERMAN}
    ids = {name: f"{place:031x}{name}" for place, name in enumerate(people)}
    rows = [{"_id": ids[name], "round": 0, "state": "pending", "to": to} for name, to in people.items()]
    campaign = {
        "_id": "campaign", "tenant": "t", "round": 0, "rounds": {"0": NIGHT},
        "quiet_hours": {"from": "21:00", "to": "08:00"}, "template": {"name": "a", "language": "en"},
    }  # fmt: skip
    campaigns, moves, messages = Campaigns(), Moves(), Messages()
    it: Any = TakeBack(campaigns, Recipients(rows), moves, messages, messages, At())  # type: ignore[arg-type]
    await it.put_off(campaign)
    assert [move.row_id for move in moves.done] == [ids["a"], ids["c"]]
    assert {(move.before, move.after, move.fields["round"]) for move in moves.done} == {
        (RecipientState.QUEUED, RecipientState.PENDING, 1)
    }
    assert campaigns.changes == [{"$min": {"next_round_at": datetime(2026, 1, 16, 7, tzinfo=UTC)}}]
    assert len(messages.asked) == 2

"""How people look to a key that does not reach all numbers that they wrote to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.directory.reach import EVERYTHING, Reach
from services.edge.people_views import contact

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SANDBOXS = Reach(frozenset({"w"}), frozenset({"1"}), others=True)
WORD = {"state": "opted_in", "at": NOW, "by": "person", "how": "keyword", "ref": "wamid.1"}
PERSON: dict[str, Any] = {
    "_id": "0190c0de-0000-7000-8000-000000000000", "tenant": "t", "aliases": [], "created_at": NOW, "seen_at": NOW,
    "consent": {"marketing": WORD},
}  # fmt: skip


@pytest.mark.parametrize(("reach", "state"), [(EVERYTHING, "opted_in"), (SANDBOXS, "none")])
def test_a_word_that_withdraws_nothing_is_told_to_who_reaches_everything(reach: Reach, state: str) -> None:
    shown = contact(PERSON, NOW, reach)["consent"]["marketing"]
    assert (shown["state"], shown["person"] is None, shown["api"]) == (state, reach.limited, None)


def test_that_somebody_opted_out_is_told_to_everybody_for_it_decides_what_can_be_sent() -> None:
    shown = contact(PERSON | {"opted_out": ["marketing"]}, NOW, SANDBOXS)["consent"]["marketing"]
    assert shown == {"state": "opted_out", "person": None, "api": None}

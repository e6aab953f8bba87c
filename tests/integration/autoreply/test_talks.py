"""What bots remember, in a database of its own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.ledger.talks import DECISIONS, TALKS
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.ids import new_id
from services.autoreply import bot_store, talk_store
from services.autoreply.talk_store import TalkStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    opened = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await opened.start()
    await IndexBuilder(opened, bot_store.INDEXES, talk_store.indexes(timedelta(days=90))).start()
    yield opened
    await opened.stop()


def decision(message: str, at: datetime = NOW, **more: Any) -> dict[str, Any]:
    return {
        "_id": message, "tenant": "t", "bot_id": "b", "conversation_id": "c", "at": at, "handover": False,
        "answers": [f"{message}-answer"], "dialogue": None, "open": True, "commands": [{"text": "hi"}],
    } | more  # fmt: skip


async def test_of_two_decisions_on_a_message_the_first_stands(mongo: Mongo) -> None:
    talks = TalkStore(mongo)
    first = await talks.decide([decision("m")])
    second = await talks.decide([decision("m", commands=[{"text": "other"}]), decision("n")])
    assert first["m"]["commands"] == second["m"]["commands"] == [{"text": "hi"}]
    assert set(second) == {"m", "n"}
    await talks.close([decision("m")])
    third = await talks.decide([decision("m")])
    assert not {"open", "commands"} & set(third["m"])


async def test_a_decision_that_is_carried_out_again_does_not_turn_a_dialogue_back(mongo: Mongo) -> None:
    talks, later = TalkStore(mongo), NOW + timedelta(seconds=1)
    await talks.turn([decision("m", dialogue={"step": "one"})])
    await talks.turn([decision("n", later, dialogue={"step": "two"})])
    await talks.turn([decision("m", dialogue={"step": "one"})])
    assert (await talks.talks(["c"]))["c"]["dialogue"] == {"step": "two"}


async def test_an_open_decision_of_a_forgotten_person_is_not_carried_out_any_more(mongo: Mongo) -> None:
    talks = TalkStore(mongo)
    await talks.decide([decision("m", dialogue={"saved": {"one": "secret"}})])
    await talks.turn([decision("m", dialogue={"saved": {"one": "secret"}})])
    await talks.forget(["m"])
    [kept] = await mongo.collection(DECISIONS).find().to_list(None)
    [talk] = await mongo.collection(TALKS).find().to_list(None)
    assert not {"open", "commands", "dialogue"} & set(kept)
    assert "dialogue" not in talk


async def test_only_so_many_times_of_answers_are_remembered(mongo: Mongo) -> None:
    talks = TalkStore(mongo)
    for place in range(40):
        await talks.answered([decision("m", NOW + timedelta(seconds=place))])
    times = (await talks.talks(["c"]))["c"]["answered_at"]
    assert (len(times), times[-1]) == (talk_store.REMEMBERED, NOW + timedelta(seconds=39))


async def test_a_hand_back_makes_a_fresh_start(mongo: Mongo) -> None:
    talks = TalkStore(mongo)
    await talks.hand_over("t", "c", NOW, "api")
    await talks.silence({"c": NOW}, {"c": "t"})
    await talks.hand_back("other", "c")
    assert "handed_over_at" in (await talks.talks(["c"]))["c"]
    await talks.hand_back("t", "c")
    assert (await talks.talks(["c"]))["c"] == {"_id": "c", "tenant": "t", "answered_at": []}

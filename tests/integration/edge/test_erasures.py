"""Deletions against a real mongod: what dies in between, what comes in between, and whom it must not touch."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from libs.directory.directory import Directory
from libs.events.messages import Lane
from libs.kafka.bus import Bus
from libs.kafka.record import Outgoing
from libs.ledger import consent, contacts, record
from libs.ledger.claims import Claims
from libs.ledger.consent import OPTED_OUT, By, Consent, Word
from libs.ledger.contact_book import ContactBook
from libs.ledger.contacts import CONTACTS, contact_id_of, conversation_id_of
from libs.ledger.conversations import ConversationReader
from libs.ledger.forgetting import Forgetting
from libs.ledger.inbound import InboundMessage, InboundStore
from libs.ledger.people import Encounter, People
from libs.ledger.reader import MessageReader
from libs.ledger.record import MESSAGES, OutboundDraft
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.ids import new_id
from services.edge import erasure_store
from services.edge.cancellations import Cancellations
from services.edge.erasure_store import ErasureStore
from services.edge.erasures import Erasures
from services.edge.wakeups import WakeUps

TENANT, NUMBER, KEY = "t1", "1001", "key"
WHO, USER, OTHER = "4915112345678", "DE.who", "4915187654321"
WAMID = "wamid.the-number-is-in-here"
SETTLES = timedelta(minutes=2)

Document = dict[str, Any]


class Died(BaseException):
    """The process ended here: nothing of ours sees it."""


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 27, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class Broker:
    def __init__(self) -> None:
        self.events: list[Outgoing] = []

    async def publish_many(self, events: Sequence[Outgoing], timeout: float = 30) -> None:
        self.events += events

    def add(self, row: Document) -> None:
        """Wakes nobody: there is no sender here."""


class Turn:
    async def hold(self) -> bool:
        return True


class Numbers:
    async def get(self, tenant: str) -> Sequence[Any]:
        return [SimpleNamespace(phone_number_id=NUMBER)]


class Mortal:
    """Lets a process die before, or right after, the call of that place among all calls of the parts it stands for."""

    def __init__(self, place: int, after: bool) -> None:
        self.left = place
        self.after = after

    def around(self, part: Any) -> Any:
        return _Part(part, self)


class _Part:
    def __init__(self, part: Any, mortal: Mortal) -> None:
        self._it = part
        self._mortal = mortal

    def __getattr__(self, name: str) -> Any:
        real, mortal = getattr(self._it, name), self._mortal
        if name == "messages":
            return real

        async def call(*args: Any) -> Any:
            mortal.left -= 1
            if mortal.left == 0 and not mortal.after:
                raise Died
            answer = await real(*args)
            if mortal.left == 0:
                raise Died
            return answer

        return call


class World:
    """One tenant's ledger, and an edge that forgets."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = mongo
        self.clock = Clock()
        self.broker = Broker()
        self.people = People(mongo)
        self.forgetting = Forgetting(mongo)
        self.erasures = self.edge()

    def edge(self, around: Callable[[Any], Any] = lambda part: part, forgetting: Forgetting | None = None) -> Erasures:
        """Return a process that deletes, with its parts as they are or as `around` makes them."""
        directory = cast(Directory, SimpleNamespace(numbers_of=Numbers()))
        bus, reader = cast(Bus, self.broker), MessageReader(self.mongo)
        cancellations = Cancellations(
            reader, Claims(self.mongo), directory, cast(WakeUps, self.broker), bus, self.clock
        )  # fmt: skip
        return Erasures(
            around(ErasureStore(self.mongo)), around(forgetting or self.forgetting), ContactBook(self.mongo),
            ConversationReader(self.mongo), directory, cancellations, around(bus), Turn(), self.clock, SETTLES,
        )  # fmt: skip

    async def meets(self, *names: str, **more: Any) -> None:
        await self.people.meet([Encounter(TENANT, NUMBER, names, self.clock.now(), **more)])

    async def sent(self, to: str = WHO, **more: Any) -> str:
        """Store a message that Meta took."""
        contact = contact_id_of(TENANT, to)
        draft = OutboundDraft(
            new_id(), TENANT, "w", NUMBER, f"+{to}", {"type": "text", "text": {"body": "secret"}}, Lane.INTERACTIVE,
            self.clock.now(), self.clock.now() + SETTLES, contact_id=contact,
            conversation_id=conversation_id_of(contact, NUMBER),
        )  # fmt: skip
        row = draft.document() | {"rank": 10, "state": "accepted", "wamids": [WAMID + to]} | more
        del row["due"], row["open"]
        await self.mongo.collection(MESSAGES).insert_one(row)
        return draft.message_id

    async def writes(self, who: str = WHO, arrived: timedelta = timedelta()) -> None:
        """Let a person write; the webhook arrives so long from now."""
        at = self.clock.now() + arrived
        await self.people.meet([Encounter(TENANT, NUMBER, (who,), at, wrote_at=at)])
        contact = contact_id_of(TENANT, who)
        message = InboundMessage(
            TENANT, "w", NUMBER, contact, conversation_id_of(contact, NUMBER), f"{WAMID}{who}{at}", who, None, "Name",
            "text", at, at, {"body": "secret"}, None, None,
        )  # fmt: skip
        await InboundStore(self.mongo).insert([message])

    async def opts_out(self, *names: str) -> None:
        at = self.clock.now()
        word = Word(Consent.MARKETING, OPTED_OUT, at, By.PERSON, "message", WAMID, at)
        await self.meets(*names, words=[word])

    async def begins(self, erasures: Erasures | None = None, name: str = WHO) -> None:
        erasures = erasures or self.erasures
        await erasures.begin(await erasures.named(TENANT, name), KEY)

    async def goes_on(self, erasures: Erasures | None = None) -> None:
        """Go on until the last pass is over."""
        for moment in (timedelta(), timedelta(seconds=6), SETTLES, timedelta(seconds=6)):
            self.clock.at += moment
            await (erasures or self.erasures)._round()

    async def found(self, *parts: str) -> list[str]:
        """Return where something of a person still stands."""
        names = await self.mongo.collection(MESSAGES).database.list_collection_names()
        rows = [(name, repr(row)) for name in names for row in await self.mongo.collection(name).find().to_list(None)]
        return [f"{name}: {text}" for name, text in rows if any(part in text for part in parts)]


@pytest.fixture
async def world(mongo_url: str) -> AsyncIterator[World]:
    mongo = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await mongo.start()
    await IndexBuilder(mongo, record.INDEXES, contacts.INDEXES, consent.INDEXES, erasure_store.INDEXES).start()
    yield World(mongo)
    await mongo.stop()


@pytest.mark.parametrize("after", [False, True])
async def test_wherever_the_edge_dies_the_next_one_ends_what_was_begun(world: World, after: bool) -> None:
    place, died = 1, True
    while died:
        await world.writes(OTHER)
        await world.writes()
        await world.sent()
        mortal = Mortal(place, after)
        died = False
        try:
            mortal_edge = world.edge(mortal.around)
            await world.begins(mortal_edge)
            await world.goes_on(mortal_edge)
        except Died:
            died = True
        begun = await world.mongo.collection(erasure_store.COLLECTION).count_documents({})
        if place > 1 or after:
            assert begun == 1 or not await world.found(WHO), f"call {place}: it is not noted what is to be done"
        elif died:
            assert await world.found(WHO), "nothing was done, and the caller knows it"
            await world.begins()
        await world.goes_on()
        assert await world.found(WHO) == [], f"call {place}"
        place += 1
    assert place > 8
    assert len(await world.found(OTHER)) > 1, "nobody else is touched"


async def test_who_opted_out_under_a_name_of_two_is_kept_as_a_suppression_under_both(world: World) -> None:
    await world.opts_out(USER)
    await world.meets(WHO)
    await world.meets(WHO, USER)
    await world.begins()
    await world.goes_on()
    [left] = await world.mongo.collection(CONTACTS).find({}).to_list(None)
    assert sorted(left["aliases"]) == [f"{TENANT}|{WHO}", f"{TENANT}|{USER}"]
    assert (left["opted_out"], "forgotten_at" in left) == (["marketing"], True)
    assert await world.found(WAMID) == []


async def test_a_contact_that_a_late_status_makes_again_is_forgotten_again(world: World) -> None:
    await world.sent()
    await world.meets(WHO)
    await world.begins()
    world.clock.at += timedelta(seconds=1)
    await world.meets(f"+{WHO}", WHO, USER)  # as the tracker does by a record that it read before
    await world.goes_on()
    assert await world.found(WHO, USER) == []


async def test_what_was_written_before_and_comes_in_after_is_forgotten_too(world: World) -> None:
    await world.meets(WHO)
    world.clock.at += timedelta(seconds=10)
    await world.begins()
    await world.writes(arrived=timedelta(seconds=-5))
    await world.goes_on()
    assert await world.found(WHO, "secret") == []


async def test_who_writes_while_they_are_being_forgotten_is_met_anew(world: World) -> None:
    await world.writes()
    await world.begins()
    world.clock.at += timedelta(seconds=1)
    await world.writes()
    await world.goes_on()
    rows = await world.mongo.collection(CONTACTS).find({}).to_list(None)
    assert [row["wa_id"] for row in rows] == [WHO]
    kept = await world.mongo.collection(MESSAGES).count_documents({"sender": WHO})
    assert kept == 1, "what they wrote since is theirs"


async def test_a_message_of_a_campaign_that_was_on_its_way_is_forgotten_too(world: World) -> None:
    await world.meets(WHO)
    await world.begins()
    world.clock.at += timedelta(milliseconds=800)  # before the campaign learns of it
    await world.sent(campaign_id="c1", campaign_recipient_id="r1")
    await world.goes_on()
    assert await world.found(WHO, "secret", WAMID) == []


async def test_a_message_that_is_moved_between_the_look_and_the_erasure_is_looked_at_again(world: World) -> None:
    message_id = await world.sent()
    await world.begins()
    await world.erasures._round()
    await world.mongo.collection(MESSAGES).update_one(
        {"_id": message_id}, {"$set": {"recipient": f"+{WHO}", "wamids": [WAMID]}, "$unset": {"forgotten": ""}}
    )

    class Overtaken(Forgetting):
        async def erase(self, rows: Sequence[Document]) -> Any:
            await world.mongo.collection(MESSAGES).update_one({"_id": message_id}, {"$set": {"due": world.clock.now()}})
            return await super().erase(rows)

    world.clock.at += SETTLES
    told = len(world.broker.events)
    await world.edge(forgetting=Overtaken(world.mongo))._round()
    assert len(world.broker.events) == told, "what is not erased is not told as forgotten"
    await world.mongo.collection(MESSAGES).update_one({"_id": message_id}, {"$unset": {"due": ""}})
    await world.goes_on()
    assert await world.found(WHO, WAMID) == []


async def test_a_deletion_that_cannot_go_on_holds_up_no_other(world: World) -> None:
    broken = {"_id": new_id(), "tenant": TENANT, "requested_at": world.clock.now(), "due_at": world.clock.now()}
    await world.mongo.collection(erasure_store.COLLECTION).insert_one(broken)  # of a version that we do not know
    await world.sent()
    world.clock.at += timedelta(seconds=1)
    await world.begins()
    await world.goes_on()
    assert await world.found(WHO) == []


async def test_an_opt_out_that_comes_in_during_the_deletion_is_kept(world: World) -> None:
    await world.meets(WHO)

    class Slow(Forgetting):
        async def _contacts(self, tenant: str, contact_ids: Any) -> list[Document]:
            rows = await super()._contacts(tenant, contact_ids)
            await world.opts_out(WHO)
            return rows

    await world.begins(world.edge(forgetting=Slow(world.mongo)))
    await world.goes_on()
    [left] = await world.mongo.collection(CONTACTS).find({}).to_list(None)
    assert (left["opted_out"], "profile_name" in left, "wa_id" in left) == (["marketing"], False, False)

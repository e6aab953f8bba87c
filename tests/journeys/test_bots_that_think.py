"""Bots that ask a model, or a customer's program: once per burst, in their time, and nobody else is held up."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from libs.runtime.ids import new_id
from tests.faults.scenarios import kill_and_restart
from tests.journeys.test_bots import HELLO, hi, said_to, set_up
from tests.support.model import Model, a_model
from tests.support.receiver import Receiver, receiving
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, refused

KEY = "sk-test-0123456789abcdef"
QUICK: dict[str, Any] = {"wait_for_more": 0, "timeout": 2, "fallback": "Sorry, try later."}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with a_model() as running:
        yield running


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def connect(stack: Stack) -> Iterator[Callable[[], Number]]:
    """Make a number that has heard nobody: the bot that is linked to it is the one that answers, from the first word.

    A change to a number whose bot is known takes effect within two seconds.
    """
    made: list[Number] = []

    def connected() -> Number:
        made.append(stack.connect(throughput=1000, messaging_limit="UNLIMITED"))
        return made[-1]

    yield connected
    for each in made:
        set_up(each, None, False)


@pytest.fixture
def number(connect: Callable[[], Number]) -> Number:
    return connect()


def make(stack: Stack, model: Model, way: str, of_model: dict[str, Any] | None = None, **more: Any) -> str:
    asked = {"url": model.url(way), "name": "tiny", "key": KEY, "system_prompt": "Be brief."} | (of_model or {})
    answer = stack.call("POST", "/bots", {"name": way, "kind": "model", "model": asked} | QUICK | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def linked(number: Number, bot_id: str) -> str:
    set_up(number, bot_id, True)
    return bot_id


def answered(number: Number, who: str, count: int = 1) -> list[str]:
    return list(until(lambda: it if len(it := said_to(number, who)) >= count else None, f"{count} answers", 20))


def decided(stack: Stack, bot_id: str, outcome: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for so many decisions of an outcome, the newest first."""

    def look() -> list[dict[str, Any]] | None:
        rows = stack.call("GET", f"/bots/{bot_id}/decisions?limit=100").json()["data"]
        found = [row for row in rows if row["outcome"] == outcome]
        return found if len(found) >= count else None

    found: list[dict[str, Any]] = until(look, f"{count} decisions are {outcome}", 20)
    return found


def test_a_model_answers_with_what_was_said_before(number: Number, model: Model, person: Callable[[], str]) -> None:
    prices = {"input": "2.50", "output": "10"}
    bot_id, who = linked(number, make(number.stack, model, "context", {"prices": prices})), person()
    number.hears(who, "first")
    assert answered(number, who) == ["system: Be brief. | user: first"]
    number.hears(who, "second")
    expected = "system: Be brief. | user: first | assistant: system: Be brief. | user: first | user: second"
    assert answered(number, who, 2)[-1] == expected
    assert model.headers("context")["authorization"] == f"Bearer {KEY}"
    assert {"model": "tiny", "stream": False, "max_tokens": 500}.items() <= model.of("context")[0].items()
    latest, *_ = decided(number.stack, bot_id, "answered", 2)
    thought = latest["thought"]
    assert (thought["model"], thought["tokens_input"], thought["tokens_output"]) == ("tiny", 100, 20)
    assert (thought["cost"], thought["error"], thought["attempts"]) == (
        {"amount": "0.00045", "currency": "USD"}, None, 1,
    )  # fmt: skip
    shown = number.stack.call("GET", f"/messages/{latest['message_id']}").json()["bot_decision"]
    assert shown["thought"] == thought
    bot = number.stack.call("GET", f"/bots/{bot_id}").json()
    assert bot["spent_today"] == {"tokens": 240, "cost": {"amount": "0.0009", "currency": "USD"}}
    assert (bot["model"]["has_key"], bot["model"]["key_ends_in"]) == (True, KEY[-4:])
    assert KEY not in str(number.stack.call("GET", "/bots?limit=100").json())
    number.stack.call("PATCH", f"/bots/{bot_id}", {"model": {"key": ""}})
    number.hears(who, "third")
    answered(number, who, 3)
    assert "authorization" not in model.headers("context")
    assert number.stack.call("GET", f"/bots/{bot_id}").json()["model"]["has_key"] is False


def test_a_burst_is_answered_together(number: Number, model: Model, person: Callable[[], str]) -> None:
    bot_id, who = linked(number, make(number.stack, model, "echo", wait_for_more=1)), person()
    for text in ("I", "want", "shoes"):
        number.hears(who, text)
    assert answered(number, who) == ["You said: I + want + shoes"]
    joined = decided(number.stack, bot_id, "joined", 2)
    [last] = decided(number.stack, bot_id, "answered")
    assert {row["answered_with"] for row in joined} == {last["message_id"]}


def test_what_is_written_while_it_thinks_is_answered_next(
    number: Number, model: Model, person: Callable[[], str]
) -> None:
    who = person()
    bot_id = linked(number, make(number.stack, model, "held", timeout=20))
    model.held.clear()
    number.hears(who, "one")
    until(lambda: model.of("held"), "the model is asked", 10)
    until(lambda: '"typing": true' in json.dumps(number.stack.box("GET", f"/phones/{who}")), "it is seen to write", 10)
    number.hears(who, "two")
    number.hears(who, "three")
    decided(number.stack, bot_id, "waiting", 3)
    model.held.set()
    assert answered(number, who, 2) == ["You said: one", "You said: two + three"]


def test_a_model_may_hand_over_and_note_an_opt_out(
    stack: Stack, connect: Callable[[], Number], model: Model, person: Callable[[], str]
) -> None:
    number, another, who, other = connect(), connect(), person(), person()
    bot_id = linked(number, make(stack, model, "handover"))
    number.hears(who, "a person please")
    assert answered(number, who) == ["Somebody comes."]
    number.hears(who, "hello?")
    decided(stack, bot_id, "handed_over")
    [mine] = [row for row in stack.call("GET", "/conversations?limit=100").json()["data"] if row["handed_over_at"]
              and row["phone_number_id"] == number.id]  # fmt: skip
    assert mine["handed_over_at"] is not None
    linked(another, make(stack, model, "optout", opt_out_answer="No more offers."))
    another.hears(other, "I have had enough of this")
    assert answered(another, other) == ["No more offers."]
    contact = stack.call("GET", f"/contacts?recipient={other}").json()["data"][0]
    assert contact["consent"]["marketing"]["state"] == "opted_out", contact


def test_without_the_tools_nothing_is_handed_over(number: Number, model: Model, person: Callable[[], str]) -> None:
    who = person()
    bot_id = linked(number, make(number.stack, model, "handover", {"tools": []}))
    number.hears(who, "a person please")
    answered(number, who)
    assert "tools" not in model.of("handover")[-1]
    assert decided(number.stack, bot_id, "answered")[0]["handover"] is False


@pytest.mark.parametrize(("way", "error", "attempts"), [
    ("hang", "timeout", 1), ("endless", "timeout", 1), ("reset", "connection_lost", 2), ("nowhere", "http_404", 1),
    ("html", "answer_unreadable", 1), ("busy", "http_429", 2), ("huge", "answer_too_long", 1),
    ("redirect", "redirect", 1), ("empty", "answer_empty", 1),
])  # fmt: skip
def test_whatever_a_model_does_the_person_gets_the_fallback_in_time(
    number: Number, model: Model, person: Callable[[], str], way: str, error: str, attempts: int
) -> None:
    bot_id, who = linked(number, make(number.stack, model, way)), person()
    began = time.monotonic()
    number.hears(who, "anybody?")
    assert answered(number, who) == ["Sorry, try later."]
    assert time.monotonic() - began < 8
    [decision] = decided(number.stack, bot_id, "fallback")
    assert (decision["thought"]["error"], decision["thought"]["attempts"]) == (error, attempts)


def test_a_second_try_may_help_and_a_long_answer_is_cut(
    stack: Stack, connect: Callable[[], Number], model: Model, person: Callable[[], str]
) -> None:
    number, another, who, other = connect(), connect(), person(), person()
    linked(number, make(stack, model, "flaky"))
    number.hears(who, "hello")
    assert answered(number, who) == ["You said: hello"]
    linked(another, make(stack, model, "long"))
    another.hears(other, "tell me")
    parts = answered(another, other, 3)
    assert [len(part) for part in parts] == [4094, 4094, 1809]


def test_a_hanging_model_holds_up_no_other_bot(
    stack: Stack, number: Number, model: Model, person: Callable[[], str]
) -> None:
    rules, sick, who = (
        stack.connect(throughput=1000, messaging_limit="UNLIMITED"),
        [person() for _ in range(12)],
        person(),
    )
    bot = {"name": "quick", "kind": "rules", "rules": [HELLO]}
    linked(rules, stack.call("POST", "/bots", bot).json()["id"])
    linked(number, make(stack, model, "hang", timeout=10, fallback=None))
    for each in sick:
        number.hears(each, "hello?")
    until(lambda: len(model.of("hang")) >= 8, "the model hangs", 10)
    took = []
    for count in range(10):
        began = time.monotonic()
        rules.hears(who, "hello")
        until(lambda count=count: len(said_to(rules, who)) > count, "a rule answers", 5)  # type: ignore[misc]
        took.append(time.monotonic() - began)
    assert said_to(rules, who) == [hi(who)] * 10
    assert max(took) < 2
    set_up(rules, None, False)


def test_budgets_and_rates_are_kept(
    stack: Stack, connect: Callable[[], Number], model: Model, person: Callable[[], str]
) -> None:
    number, another, who, other = connect(), connect(), person(), person()
    bot_id = linked(number, make(stack, model, "echo", {"tokens_per_day": 700, "max_tokens": 400, "tools": []}))
    for place, expected in enumerate(("You said: a", "You said: a", "Sorry, try later.")):
        number.hears(who, "a")
        assert answered(number, who, place + 1)[-1] == expected
    assert decided(stack, bot_id, "fallback")[0]["thought"]["error"] == "over_budget"
    bot_id = linked(another, make(stack, model, "echo", answers_per_hour=2))
    for place in range(2):
        another.hears(other, "b")
        answered(another, other, place + 1)
    another.hears(other, "b")
    decided(stack, bot_id, "rate_limited")
    assert len(said_to(another, other)) == 2


def test_who_takes_over_while_it_thinks_has_the_word(number: Number, model: Model, person: Callable[[], str]) -> None:
    stack, who = number.stack, person()
    bot_id = linked(number, make(stack, model, "held", timeout=20))
    model.held.clear()
    before = len(model.of("held"))
    number.hears(who, "hello?")
    until(lambda: len(model.of("held")) > before, "the model is asked", 10)
    conversation = stack.call("GET", f"/messages?recipient={who}").json()["data"][0]["conversation_id"]
    assert stack.call("POST", f"/conversations/{conversation}/handover").status_code == 200
    model.held.set()
    decided(stack, bot_id, "handed_over")
    assert said_to(number, who) == []


def test_a_program_of_the_customers_answers_what_it_wants(
    number: Number, hook: Receiver, person: Callable[[], str]
) -> None:
    stack, who = number.stack, person()
    body = {"name": "mine", "kind": "webhook", "url": hook.url("/bot")} | QUICK
    made = stack.call("POST", "/bots", body).json()
    bot_id, secret = linked(number, made["id"]), made["signing_secret"]
    assert "signing_secret" not in stack.call("GET", f"/bots/{bot_id}").json()
    hook.words["/bot"] = b'{"messages": [{"text": "One"}, {"type": "location", "latitude": 1, "longitude": 2}]}'
    number.hears(who, "hello")
    until(lambda: len([row for row in stack.sends() if row["to"].removeprefix("+") == who]) == 2, "two answers", 10)
    [hit] = hook.of("/bot")
    assert hit.is_signed_by(secret)
    data = hit.event["data"]
    assert (data["messages"][0]["text"], data["from"], data["history"]) == ("hello", f"+{who}", [])
    assert hit.id == data["messages"][-1]["message_id"]
    hook.words["/bot"] = b'{"messages": [{"text": ""}]}'
    number.hears(who, "again")
    decision = decided(stack, bot_id, "fallback")[0]
    assert decision["thought"]["error"] == "answer_invalid"
    assert decision["thought"]["error_detail"].startswith("messages.0.text")
    hook.answers["/bot"], hook.words["/bot"] = [204], b""
    number.hears(who, "and again")
    decided(stack, bot_id, "silent")
    rotated = stack.call("POST", f"/bots/{bot_id}/rotate_secret", {"overlap_seconds": 60}).json()["signing_secret"]
    number.hears(who, "last")
    until(lambda: len(hook.of("/bot")) == 4, "it is asked", 10)
    assert all(hook.of("/bot")[-1].is_signed_by(it) for it in (secret, rotated))


# The test stack may call 127.0.0.1, by http: how its spellings are told from public addresses is in tests/unit/egress.
@pytest.mark.parametrize("url", [
    "https://10.0.0.1/v1", "https://[::ffff:10.0.0.1]/v1", "https://169.254.169.254/latest", "https://[::1]/",
    "https://0xa000001/", "https://167772161/", "https://user@example.com/", "ftp://example.com/", "https://[64:ff9b::a00:1]/",
])  # fmt: skip
def test_an_address_that_is_not_public_is_refused(stack: Stack, url: str) -> None:
    made = {"name": "a", "kind": "model", "model": {"url": url, "name": "m"}}
    refused(stack.call("POST", "/bots", made), 422, "invalid_field", "model.url")
    refused(stack.call("POST", "/bots", {"name": "a", "kind": "webhook", "url": url}), 422, "invalid_field", "url")


@pytest.mark.parametrize(("given", "param"), [
    ({"model": {"temperature": 3}}, "model.temperature"), ({"timeout": 0}, "timeout"), ({"rules": []}, "rules"),
    ({"model": {"cost_per_day": "5"}}, "model"), ({"kind": "webhook"}, "kind"),
    ({"wait_for_more": 60}, "wait_for_more"),
    ({"model": {"url": "http://127.0.0.1:1/other"}}, "model.key"), ({"model": {"tools": ["shell"]}}, "model.tools.0"),
])  # fmt: skip
def test_a_wrong_change_is_refused_by_name(stack: Stack, model: Model, given: dict[str, Any], param: str) -> None:
    bot_id = make(stack, model, "echo")
    error = refused(stack.call("PATCH", f"/bots/{bot_id}", given), 422)
    assert error["param"] == param, error


def test_a_change_leaves_the_rest_as_it_is(stack: Stack, model: Model) -> None:
    bot_id = make(stack, model, "echo")
    changed = stack.call("PATCH", f"/bots/{bot_id}", {"model": {"system_prompt": "Rhyme."}, "history": 3}).json()
    assert (changed["model"]["system_prompt"], changed["model"]["name"], changed["history"]) == ("Rhyme.", "tiny", 3)
    assert changed["model"]["has_key"] is True
    assert stack.call("DELETE", f"/bots/{bot_id}").status_code == 204
    rules = stack.call("POST", "/bots", {"name": "r", "kind": "rules", "rules": [HELLO]}).json()
    refused(stack.call("POST", f"/bots/{rules['id']}/rotate_secret", {}), 409, "no_secret", "bot_id")


def test_anothers_bot_is_none(stack: Stack, model: Model, stranger: Tenant) -> None:
    bot_id = make(stack, model, "echo")
    path = f"/bots/{bot_id}/rotate_secret"
    refused(stack.call("POST", path, {}, key=stranger.key), 404, "bot_not_found")
    refused(stack.call("POST", f"/bots/{new_id()}/rotate_secret", {}), 404, "bot_not_found")


def test_what_was_under_way_when_the_service_died_is_answered_once(
    number: Number, model: Model, person: Callable[[], str]
) -> None:
    stack, people = number.stack, [person() for _ in range(30)]
    linked(number, make(stack, model, "echo", wait_for_more=0.5, timeout=5))
    for place, who in enumerate(people):
        number.hears(who, f"n{place}")
        if place in (12, 24):
            kill_and_restart(stack, "autoreply")
    until(lambda: all(said_to(number, who) for who in people), "all are answered", 60, 0.5)
    assert [said_to(number, who) for who in people] == [[f"You said: n{place}"] for place in range(len(people))]


def test_an_answer_that_is_refused_is_said_to_be(number: Number, hook: Receiver, person: Callable[[], str]) -> None:
    stack, who = number.stack, person()
    body = {"name": "mine", "kind": "webhook", "url": hook.url("/refused")} | QUICK
    bot_id = linked(number, stack.call("POST", "/bots", body).json()["id"])
    template = {"type": "template", "template": "no_such_template", "language": "en"}
    hook.words["/refused"] = json.dumps({"messages": [template]}).encode()
    number.hears(who, "hello")

    def look() -> Any:
        rows = stack.call("GET", f"/bots/{bot_id}/decisions").json()["data"]
        return next((row for row in rows if row["refused"]), None)

    decision = until(look, "it is refused", 15)
    assert decision["refused"][0]["message_id"] in decision["answer_ids"]
    assert decision["refused"][0]["code"]

import asyncio
import json
from collections.abc import Callable
from typing import Any

from libs.events.messages import SendMessage
from libs.events.topics import MESSAGES_REJECTED, MESSAGES_STATUS
from tests.support.message_kinds import NAMES, posted, stored_templates
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, install, newest
from tests.support.topics import envelope, produce, told


def send(number: Number, who: str, **more: Any) -> bytes:
    body = {"phone_number_id": number.id, "to": f"+{who}", "text": "by command", "client_ref": who}
    return json.dumps(body | more).encode()


def test_a_command_becomes_one_message_however_often_it_is_told(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    command = envelope(stack)
    asyncio.run(produce(stack, *[(command, send(number, who))] * 3, (envelope(stack), send(number, who, text="two"))))

    def both() -> list[dict[str, Any]] | None:
        rows = stack.call("GET", f"/messages?direction=outbound&recipient={who}").json()["data"]
        return rows if len(rows) >= 2 else None

    rows = until(both, "both messages are there", 10)
    for row in rows:
        number.reaches(row["id"], "delivered")
    assert len(stack.call("GET", f"/messages?direction=outbound&recipient={who}").json()["data"]) == 2
    by_text = {row["content"]["body"]: row for row in rows}
    assert set(by_text) == {"two", "by command"}
    repeated = by_text["by command"]["id"]
    events = asyncio.run(
        told(stack, MESSAGES_STATUS, lambda _, data: (data["message_id"], data["status"]) == (repeated, "delivered"), 1)
    )
    headers, data = events[0]
    assert (headers["ce_correlationid"], data["client_ref"]) == (command.correlationid, who)
    assert headers["ce_tenant"] == stack.info["tenant"]


def test_a_command_that_is_refused_is_told_with_its_correlation(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    before = newest(stack, direction="outbound")
    cases = {
        "outside_customer_window": (envelope(stack), send(number, who)),
        "invalid_field": (envelope(stack), send(number, who, to="nobody")),
        "unknown_field": (envelope(stack), send(number, who, colour="red")),
        "missing_field": (envelope(stack), json.dumps({"to": f"+{who}"}).encode()),
        "not_json": (envelope(stack), b"{"),
        "number_not_found": (envelope(stack, tenant=stranger.id), send(number, who)),
        "template_not_found": (
            envelope(stack), send(number, who, type="template", template="no_such", language="en_US", text=None)
        ),
    }  # fmt: skip
    asyncio.run(produce(stack, *cases.values()))
    causes = {each.id: code for code, (each, _) in cases.items()}
    events = asyncio.run(
        told(stack, MESSAGES_REJECTED, lambda headers, _: headers["ce_causationid"] in causes, len(cases))
    )
    for headers, data in events:
        code = causes[headers["ce_causationid"]]
        assert data["error"]["code"] == code
        assert headers["ce_correlationid"] == cases[code][0].correlationid
        assert headers["ce_type"] == "MessageRejected.v1"
    assert newest(stack, direction="outbound") == before


def test_a_command_carries_every_kind_of_message(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    install(stack, number, *stored_templates())
    people = {name: person() for name in NAMES}
    for who in people.values():
        number.hears(who)
    for who in people.values():
        greet(number, who)
    wanted = {who: posted(number, name, who) for name, who in people.items()}
    commands = [
        (envelope(stack), SendMessage(type=it["type"], **_own(it["body"])).to_bytes()) for it in wanted.values()
    ]
    asyncio.run(produce(stack, *commands))
    for name, who in people.items():
        path = f"/messages?direction=outbound&recipient={who}"
        rows = until(lambda path=path: stack.call("GET", path).json()["data"], f"{name} is there", 10)  # type: ignore[misc]
        assert number.reaches(rows[0]["id"], "delivered", "failed")["status"] == "delivered", name
    target = stack.call("GET", f"/messages?direction=inbound&recipient={who}").json()["data"][0]["id"]
    reaction = SendMessage(
        type="reaction", phone_number_id=number.id, to=f"+{who}", message_id=target, emoji="😀", client_ref="reacted"
    )
    asyncio.run(produce(stack, (envelope(stack), reaction.to_bytes())))
    rows = until(lambda: stack.call("GET", "/messages?client_ref=reacted").json()["data"], "the reaction is there", 10)
    assert number.reaches(rows[0]["id"], "sent", "failed")["status"] == "sent"


def _own(body: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in body.items() if field != "type"}

"""Values that no store or reader expects, in every place of every message and of a template."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.message_kinds import FREE_FORM, posted
from tests.support.running import Number, Stack
from tests.support.shared_stack import SHAPE, greet

ODD = ["a\x00b", "\ud800", 10**400, 2**63, {"$where": "1"}, [[]]]
TEMPLATE = {
    "name": "odd", "category": "UTILITY", "language": "en_US", "components": [
        {"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}", "example": {"header_text": ["Ann"]}},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://x.test/{{1}}",
                                         "example": ["1"]}]},
    ],
}  # fmt: skip  # without a BODY, so that none of it is ever Meta's


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside a value."""
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*path, key))


def with_odd(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy with one thing replaced."""
    changed = target = copy.deepcopy(value)
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = odd
    return changed


def refused_or_taken(stack: Stack, path: str, body: dict[str, Any]) -> None:
    """Check that every odd value in a body is refused in the shape of refusals, or taken; never a crash."""
    for place in places(body):
        for odd in ODD:
            answer = stack.call("POST", path, raw=json.dumps(with_odd(body, place, odd)).encode())
            where = f"{path} {place} {ascii(odd)[:20]}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code < 500, where
            assert answer.status_code == 202 or set(answer.json()["error"]) >= SHAPE, where


@pytest.mark.parametrize("name", ["text", "document", "location", "contacts", "button", "list", "flow", "carousel"])
def test_no_odd_value_in_a_message_is_a_crash(
    stack: Stack, number: Number, name: str, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    wanted = posted(number, name, who)
    assert name in FREE_FORM
    refused_or_taken(stack, wanted["path"], wanted["body"] | {"client_ref": "odd"})


def test_no_odd_value_in_a_template_is_a_crash(stack: Stack, number: Number) -> None:
    refused_or_taken(stack, "/templates", TEMPLATE | {"waba_id": number.waba_id})

from typing import Any

import pytest

from libs.graph.free_form import contacts_problems, is_emoji
from tests.support.message_kinds import CONTACT


@pytest.mark.parametrize("text", ["😀", "❤️", "1️⃣", "#️⃣", "👩‍👩‍👧‍👦", "👍🏽", "🇮🇳", "™", "‼️"])
def test_an_emoji_is_one(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize("text", ["", "ok", "1", "é", "😀 😀", "а", "!", "x😀", "😀" * 33])
def test_words_and_blanks_are_no_emoji(text: str) -> None:
    assert not is_emoji(text)


@pytest.mark.parametrize(
    ("card", "path"),
    [
        ({}, "contacts.0.name"),
        ("Ann", "contacts.0"),
        ({"name": {"first_name": "Ann"}}, "contacts.0.name.formatted_name"),
        ({"name": {"formatted_name": "Ann"}}, "contacts.0.name"),
        (CONTACT | {"colour": "red"}, "contacts.0.colour"),
        (CONTACT | {"birthday": "31.1.1990"}, "contacts.0.birthday"),
        (CONTACT | {"phones": {"phone": "1"}}, "contacts.0.phones"),
        (CONTACT | {"phones": [{"phone": 1}]}, "contacts.0.phones.0.phone"),
        (CONTACT | {"phones": [{"number": "1"}]}, "contacts.0.phones.0.number"),
        (CONTACT | {"org": {"city": "Oslo"}}, "contacts.0.org.city"),
        (CONTACT | {"addresses": [{"street": "x" * 2001}]}, "contacts.0.addresses.0.street"),
    ],
)  # fmt: skip
def test_a_wrong_card_is_named_by_its_exact_path(card: Any, path: str) -> None:
    assert path in [problem.path for problem in contacts_problems([card])]


@pytest.mark.parametrize("count", [0, 258])
def test_a_message_has_one_to_257_cards(count: int) -> None:
    assert [problem.path for problem in contacts_problems([CONTACT] * count)] == ["contacts"]
    assert contacts_problems([CONTACT] * 257) == []

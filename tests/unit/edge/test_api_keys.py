from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.directory.entries import KeyEntry
from services.edge.api_keys import ApiKey, is_current, is_of, new_key, parse_key

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def _entry(key: ApiKey, expires_at: datetime | None = None, revoked_at: datetime | None = None) -> KeyEntry:
    return KeyEntry(key.key_id, "tenant", key.mode, frozenset(), key.secret_hash, expires_at, revoked_at)


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_key_is_read_back_from_its_text(mode: str) -> None:
    key = new_key(mode)
    assert key.text.startswith(f"cm_{mode}_")
    assert parse_key(key.text) == key


@given(st.integers(8, 58), st.characters(codec="ascii", categories=["L", "N"]))
def test_a_typo_anywhere_is_noticed_without_a_look_up(place: int, letter: str) -> None:
    text = new_key("live").text
    broken = text[:place] + letter + text[place + 1 :]
    assert (parse_key(broken) is None) == (broken != text)


@given(st.text(max_size=80))
def test_no_text_crashes_the_reading_of_keys(text: str) -> None:
    assert parse_key(text) is None


def test_a_key_is_valid_until_it_expires_or_is_revoked() -> None:
    key, later, before = new_key("live"), NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
    assert is_current(_entry(key), NOW)
    assert is_current(_entry(key, expires_at=later), NOW)
    assert not is_current(_entry(key, expires_at=before), NOW)
    assert not is_current(_entry(key, revoked_at=before), NOW)


def test_another_secret_or_mode_under_the_same_id_is_not_valid() -> None:
    key = new_key("live")
    assert is_of(key, _entry(key))
    assert not is_of(ApiKey("live", key.key_id, new_key("live").secret), _entry(key))
    assert not is_of(ApiKey("test", key.key_id, key.secret), _entry(key))

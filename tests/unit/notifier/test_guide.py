"""The guide's Python example, run as it stands there, and its list of event types."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.egress.signing import new_secret, signed_headers
from services.notifier.event_types import NAMES, TEST

GUIDE = (Path(__file__).parents[3] / "contracts/guides/webhooks.md").read_text()


@pytest.fixture(scope="module")
def verify() -> Any:
    """The function that the guide shows."""
    [example] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102  # our own text
    return names["verify"]


def test_the_example_takes_what_we_sign_with_each_of_two_secrets(verify: Any) -> None:
    secrets = [new_secret(), new_secret()]
    headers = signed_headers(secrets, "an-id", datetime.now(UTC), b'{"a":1}')
    assert all(verify(secret, headers, b'{"a":1}') for secret in secrets)


def test_the_example_refuses_another_body_secret_or_time(verify: Any) -> None:
    secret, body = new_secret(), b'{"a":1}'
    headers = signed_headers([secret], "an-id", datetime.now(UTC), body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(new_secret(), headers, body)
    assert not verify(secret, headers | {"webhook-id": "another"}, body)
    old = signed_headers([secret], "an-id", datetime.now(UTC) - timedelta(minutes=6), body)
    assert not verify(secret, old, body)


def test_the_guide_names_every_event_type_and_no_other() -> None:
    table = GUIDE[GUIDE.index("| Type | When |") : GUIDE.index('{"id": "…", "type"')]
    named = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", table)) - {"data.error", "data.content", "data.change"}
    assert named == {*NAMES, TEST}

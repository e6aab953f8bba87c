"""The last look: nothing that the tests of this session said or were given may stand in a log."""

import re
from pathlib import Path

from tests.support.running import Stack

# Digits of the people of these tests, whole; the masked form keeps only their ends.
PEOPLE = re.compile(rb"(?<![0-9])\+?155[5-9][0-9]{7}(?![0-9])")
SECRETS = {
    "an API key": re.compile(rb"cm_(?:live|test)_[A-Za-z0-9]{20}"),
    "a token of Meta's": re.compile(rb"EAA[A-Za-z0-9]{20}"),
    "a webhook secret": re.compile(rb"whsec_[A-Za-z0-9+/]{20}"),
    "a text": re.compile(rb"hello there|while Kafka is away|Half price today|so that webhooks flow"),
    "a phone number": PEOPLE,
}


def test_no_log_line_holds_a_phone_number_a_secret_or_a_text(stack: Stack) -> None:
    logs = [path for path in (Path(stack.directory) / "logs").glob("*") if path.is_file()]
    assert logs
    for path in logs:
        if path.stem.startswith(("mongod", "kafka", "sandbox")):
            continue  # servers of others, and Meta's side of the line
        for line in path.read_bytes().splitlines():
            for what, pattern in SECRETS.items():
                assert not pattern.search(line), f"{what} in {path.name}: {line[:400]!r}"
            for secret in (stack.info["app_secret"], stack.info["verify_token"]):
                assert secret.encode() not in line, f"a secret of ours in {path.name}"

"""Signature, patience, health, names."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from libs.directory.vault import Vault
from libs.egress.signing import new_secret, signature, signed_headers
from services.notifier.domain import CIRCUIT_AFTER, JITTER, Health, Outcome, Patience
from services.notifier.endpoint_store import secret_field
from services.notifier.event_types import matches, pattern
from services.notifier.postman import Target, error_of
from services.notifier.settings import RETRIES, Settings

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OK, BAD = Outcome(NOW, 5), Outcome(NOW, 5, "status", 500)
PATIENCE = Patience(
    (timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=2)), timedelta(seconds=10), timedelta(minutes=5),
    timedelta(days=5),
)  # fmt: skip

# The reference vectors of the specification and of Svix, whose implementation it describes.
VECTORS = [
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}',
     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ("whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", 1731705121,
     b'{"event_type":"ping","data":{"success":true}}', "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="),
]  # fmt: skip


@pytest.mark.parametrize(("secret", "event_id", "at", "body", "expected"), VECTORS)
def test_the_signature_is_that_of_the_reference(
    secret: str, event_id: str, at: int, body: bytes, expected: str
) -> None:
    assert signature(secret, event_id, at, body) == expected


def test_each_valid_secret_signs_and_the_newest_comes_first() -> None:
    secrets = [new_secret(), new_secret()]
    headers = signed_headers(secrets, "an-id", NOW, b"{}")
    at = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"].split(" ") == [signature(each, "an-id", at, b"{}") for each in secrets]
    assert at == NOW.timestamp()


def test_a_secret_signs_until_its_overlap_ends_and_is_bound_to_its_endpoint() -> None:
    vault = Vault("k1:" + "A" * 43 + "=")
    sealed = [vault.encrypt("tenant", secret_field("one"), plain) for plain in ("new", "old")]
    endpoint = {
        "_id": "one", "tenant": "tenant", "url": "https://hooks.example.com/",
        "secrets": [{"sealed": sealed[0], "until": None}, {"sealed": sealed[1], "until": NOW}],
    }  # fmt: skip
    assert Target.of(endpoint, vault, NOW - timedelta(seconds=1)).secrets == ["new", "old"]
    assert Target.of(endpoint, vault, NOW).secrets == ["new"]
    assert "new" not in repr(Target.of(endpoint, vault, NOW))


def test_waits_grow_with_jitter_and_end() -> None:
    chance = random.Random(1)
    for tries, wait in enumerate(PATIENCE.retries, start=1):
        due = {PATIENCE.next_try(tries, BAD, chance) for _ in range(50)}
        assert all(it is not None and wait <= it - NOW <= wait * (1 + JITTER) for it in due)
        assert len(due) > 40
    assert PATIENCE.next_try(4, BAD, chance) is None


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    asked = Outcome(NOW, 5, "status", 429, retry_after=timedelta(seconds=90))
    assert PATIENCE.next_try(1, asked, random.Random()) == NOW + timedelta(seconds=90)
    greedy = Outcome(NOW, 5, "status", 503, retry_after=timedelta(days=9))
    assert PATIENCE.next_try(1, greedy, random.Random()) == NOW + timedelta(hours=1)


def test_failures_in_a_row_trip_the_circuit_and_one_success_closes_it() -> None:
    health = Health()
    for _ in range(CIRCUIT_AFTER - 1):
        health = health.after(BAD)
    assert not health.tripped
    health = health.after(BAD)
    assert health.tripped
    assert PATIENCE.pause(health) == timedelta(seconds=10)
    assert PATIENCE.pause(health.after(BAD)) == timedelta(seconds=20)
    assert PATIENCE.pause(Health(failures=1000)) == timedelta(minutes=5)
    assert health.after(OK) == Health()


def test_days_of_failure_and_more_than_a_few_make_an_endpoint_hopeless() -> None:
    long_ago = NOW - timedelta(days=5)
    assert Health(5, long_ago).is_hopeless(NOW, PATIENCE.disable_after)
    assert not Health(4, long_ago).is_hopeless(NOW, PATIENCE.disable_after)
    assert not Health(500, long_ago + timedelta(seconds=1)).is_hopeless(NOW, PATIENCE.disable_after)
    assert not Health().is_hopeless(NOW, PATIENCE.disable_after)


@pytest.mark.parametrize(
    ("status", "word"), [(200, None), (204, None), (299, None), (301, "redirect"), (304, "redirect"), (410, "status"),
                         (199, "status"), (500, "status")]
)  # fmt: skip
def test_only_2xx_is_a_success(status: int, word: str | None) -> None:
    assert error_of(status) == word


@pytest.mark.parametrize(
    ("wanted", "name", "yes"),
    [
        (["*"], "message.read", True),
        (["message.*"], "message.read", True),
        (["message.*"], "template.changed", False),
        (["message.read"], "message.read", True),
        (["message.read"], "message.received", False),
        (["webhook_endpoint.*"], "webhook_endpoint.disabled", True),
        (["webhook.*"], "webhook_endpoint.disabled", False),
    ],
)
def test_names_and_families_are_matched_whole(wanted: list[str], name: str, yes: bool) -> None:
    assert matches(wanted, name) is yes
    names = pattern(wanted)
    assert (names is None or name in names) is yes


def settings(**more: object) -> Settings:
    given = {
        "log_hash_key": "0" * 16, "kafka_bootstrap": "k:1", "mongo_url": "mongodb://m", "internal_secret": "0" * 16,
        "encryption_keys": "k1:" + "A" * 43 + "=",
    }  # fmt: skip
    return Settings.model_validate(given | more)


def test_lists_in_settings_are_comma_separated() -> None:
    read = settings(
        notifier_retries="PT1S, PT2S", egress_ports="443,8443", egress_allowed_private="127.0.0.1/32,fd00::/8"
    )
    assert read.notifier_retries == (timedelta(seconds=1), timedelta(seconds=2))
    assert read.egress_ports == {443, 8443}
    assert [str(each) for each in read.egress_allowed_private] == ["127.0.0.1/32", "fd00::/8"]


def test_by_default_three_days_of_trying_and_nothing_private() -> None:
    read = settings()
    assert len(read.notifier_retries) == len(RETRIES.split(",")) == 9
    assert timedelta(days=3) < sum(read.notifier_retries, timedelta()) < timedelta(days=4)
    assert not read.egress_allowed_private
    assert read.egress_ports == {443}


def test_history_must_be_recognisable_for_longer_than_it_is_sent() -> None:
    with pytest.raises(ValueError, match="WABUS_NOTIFIER_OLDEST"):
        settings(notifier_oldest=timedelta(days=30))

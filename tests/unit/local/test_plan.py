from pathlib import Path

import pytest
import yaml

from deploy.local.errors import StackRefused
from deploy.local.services import check_given, environment_of, present_services, settings_of, shared_environment
from deploy.local.topics import TOPICS_FILE, read_topics

SECRETS = {
    "app_id": "1", "app_secret": "s" * 32, "verify_token": "v" * 16, "encryption_keys": "k1:" + "A" * 43 + "=",
    "internal_secret": "i" * 32, "log_hash_key": "l" * 32,
}  # fmt: skip
NAMES = [service.name for service in present_services()]
URLS = {name: f"http://127.0.0.1:{20_000 + index}" for index, name in enumerate(NAMES)}
SERVERS = {"WABUS_KAFKA_BOOTSTRAP": "127.0.0.1:1", "WABUS_MONGO_URL": "mongodb://127.0.0.1:2"}
SHARED = shared_environment(SECRETS, SERVERS, URLS, "/tmp/sandbox")  # noqa: S108


@pytest.mark.parametrize("name", NAMES)
def test_every_service_gets_all_that_its_settings_require_and_nothing_else(name: str) -> None:
    settings = settings_of(name)
    given = environment_of(name, 20_100, SHARED, {"PATH": "/bin", "LANG": "C"})
    ours = {variable for variable in given if variable.startswith("WABUS_")}
    assert ours <= {"WABUS_" + field.upper() for field in settings.model_fields}
    required = {"WABUS_" + field.upper() for field, about in settings.model_fields.items() if about.is_required()}
    assert required <= ours
    assert given["PATH"] == "/bin"


def test_a_services_own_setting_reaches_that_service_only() -> None:
    shared = SHARED | {"WABUS_SENDER_WINDOW": "50"}
    assert environment_of("sender", 1, shared, {})["WABUS_SENDER_WINDOW"] == "50"
    assert "WABUS_SENDER_WINDOW" not in environment_of("edge", 1, shared, {})


def test_a_variable_that_nobody_reads_is_refused() -> None:
    check_given(["WABUS_SENDER_WINDOW", "WABUS_MONGO_URL", "WABUS_STATE"], NAMES)
    with pytest.raises(StackRefused, match="WABUS_SENDER_WINDWO"):
        check_given(["WABUS_SENDER_WINDWO"], NAMES)


def test_the_two_outbound_topics_must_have_as_many_partitions(tmp_path: Path) -> None:
    contract = yaml.safe_load(TOPICS_FILE.read_text())
    next(row for row in contract["topics"] if row["name"].startswith("outbound.bulk"))["partitions"] += 1
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump(contract))
    with pytest.raises(StackRefused, match="must have as many partitions"):
        read_topics(tmp_path / "topics.yaml")


def test_every_dead_letter_topic_is_made_too() -> None:
    names = {topic.name for topic in read_topics()}
    contract = yaml.safe_load(TOPICS_FILE.read_text())
    assert {f"{row['topic']}.{row['group']}.dlt" for row in contract["dead_letters"]["of"]} <= names

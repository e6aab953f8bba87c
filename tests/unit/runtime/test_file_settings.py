from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local.topic_settings import TopicSettings
from libs.runtime.errors import StartRefused
from libs.runtime.settings import BusSettings, ServiceSettings


class Settings(ServiceSettings):
    """A service with one secret and one knob."""

    app_secret: SecretStr
    knob: int = 1


HASH_KEY = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WABUS_SECRETS_DIR", str(tmp_path))
    (tmp_path / "WABUS_LOG_HASH_KEY").write_text(HASH_KEY)
    (tmp_path / "WABUS_APP_SECRET").write_text("from a file\n")
    return tmp_path


def refusal() -> str:
    with pytest.raises(StartRefused) as refused:
        Settings.load()
    return str(refused.value)


def test_a_setting_is_read_from_the_file_of_its_name_without_the_newline_at_its_end(folder: Path) -> None:
    (folder / "wabus_knob").write_text("7\n")
    settings = Settings.load()
    assert settings.app_secret.get_secret_value() == "from a file"
    assert settings.knob == 7


def test_where_the_servers_are_may_stand_in_files_for_services_and_for_the_topics_job(folder: Path) -> None:
    (folder / "WABUS_KAFKA_BOOTSTRAP").write_text("kafka:9096\n")
    (folder / "WABUS_MONGO_URL").write_text("mongodb+srv://user:word@cluster.example.net/\n")
    settings = BusSettings.load()
    assert settings.mongo_url.get_secret_value() == "mongodb+srv://user:word@cluster.example.net/"
    assert settings.kafka_bootstrap == TopicSettings().kafka_bootstrap == "kafka:9096"


def test_the_environment_outranks_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WABUS_APP_SECRET", "from the environment")
    assert Settings.load().app_secret.get_secret_value() == "from the environment"


def test_files_without_our_prefix_are_not_ours(folder: Path) -> None:
    (folder / "kafka-ca.crt").write_text("a certificate")
    assert Settings.load().secrets_dir == folder


def test_files_behind_links_are_read_as_kubernetes_lays_them(folder: Path) -> None:
    (folder / "..2026_11_29").mkdir()
    (folder / "WABUS_APP_SECRET").rename(folder / "..2026_11_29" / "WABUS_APP_SECRET")
    (folder / "..data").symlink_to("..2026_11_29")
    (folder / "WABUS_APP_SECRET").symlink_to("..data/WABUS_APP_SECRET")
    assert Settings.load().app_secret.get_secret_value() == "from a file"


def test_a_file_that_is_no_setting_stops_the_start(folder: Path) -> None:
    (folder / "WABUS_APP_SECERT").write_text("misspelt")
    assert refusal() == f"WABUS_APP_SECERT, a file in {folder}, is not a setting of Wabus"


def test_a_setting_that_another_service_reads_is_no_problem(folder: Path) -> None:
    (folder / "WABUS_VERIFY_TOKEN").write_text("for edge")
    Settings.load()


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_file_stops_the_start(folder: Path, text: str) -> None:
    (folder / "WABUS_APP_SECRET").write_text(text)
    assert refusal() == f"WABUS_APP_SECRET: its file in {folder} is empty"


def test_a_file_that_cannot_be_read_stops_the_start_with_a_sentence(folder: Path) -> None:
    (folder / "WABUS_APP_SECRET").unlink()
    (folder / "WABUS_APP_SECRET").mkdir()
    assert refusal() == f"WABUS_APP_SECRET: its file in {folder} cannot be read (IsADirectoryError)"


def test_two_files_of_one_name_stop_the_start(folder: Path) -> None:
    (folder / "wabus_app_secret").write_text("another")
    assert refusal() == f"WABUS_APP_SECRET: there are 2 files of this name in {folder}"


def test_a_folder_that_is_not_there_stops_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WABUS_SECRETS_DIR", str(folder / "elsewhere"))
    assert refusal() == f"WABUS_SECRETS_DIR: there is no folder {folder}/elsewhere"


def test_a_secret_of_a_file_is_masked_where_settings_are_printed(folder: Path) -> None:
    assert "from a file" not in str(Settings.load().printable())

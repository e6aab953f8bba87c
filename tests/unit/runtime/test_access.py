"""Half of a combination of TLS and logins stops the start, in a sentence that names the variable."""

from pathlib import Path

import pytest

from libs.runtime.errors import StartRefused
from libs.runtime.settings import BusSettings

NEEDED = {
    "WABUS_KAFKA_BOOTSTRAP": "kafka:9092",
    "WABUS_MONGO_URL": "mongodb://mongo:27017/?replicaSet=wabus",
    "WABUS_LOG_HASH_KEY": "0" * 32,
}
LOGIN = {
    "WABUS_KAFKA_SECURITY": "SASL_SSL",
    "WABUS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "WABUS_KAFKA_USERNAME": "wabus",
    "WABUS_KAFKA_PASSWORD": "hush-hush",
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refused(told: pytest.MonkeyPatch, environment: dict[str, str]) -> str:
    for name, value in environment.items():
        told.setenv(name, value)
    with pytest.raises(StartRefused) as refusal:
        BusSettings.load()
    return str(refusal.value)


@pytest.mark.parametrize("missing", ["WABUS_KAFKA_PASSWORD", "WABUS_KAFKA_USERNAME", "WABUS_KAFKA_SASL_MECHANISM"])
@pytest.mark.parametrize("security", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_a_login_with_a_part_missing_or_empty_is_refused(told: pytest.MonkeyPatch, missing: str, security: str) -> None:
    said = refused(told, LOGIN | {"WABUS_KAFKA_SECURITY": security, missing: ""})
    assert said == f"{missing} is not set, and WABUS_KAFKA_SECURITY={security} needs it"


@pytest.mark.parametrize("name", ["WABUS_KAFKA_PASSWORD", "WABUS_KAFKA_USERNAME", "WABUS_KAFKA_SASL_MECHANISM"])
@pytest.mark.parametrize("security", ["PLAINTEXT", "SSL"])
def test_a_login_that_nobody_would_ask_for_is_refused(told: pytest.MonkeyPatch, name: str, security: str) -> None:
    said = refused(told, {"WABUS_KAFKA_SECURITY": security, name: LOGIN[name]})
    assert said.startswith(f"{name} is set, and WABUS_KAFKA_SECURITY={security} logs nobody in")
    assert "hush-hush" not in said


@pytest.mark.parametrize("security", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_a_certificate_without_encryption_is_refused(told: pytest.MonkeyPatch, tmp_path: Path, security: str) -> None:
    login = LOGIN if security.startswith("SASL") else {}
    (tmp_path / "ca.pem").touch()
    ca = {"WABUS_KAFKA_CA_FILE": str(tmp_path / "ca.pem")}
    said = refused(told, login | {"WABUS_KAFKA_SECURITY": security} | ca)
    assert said.startswith(f"WABUS_KAFKA_CA_FILE is set, and WABUS_KAFKA_SECURITY={security} does not encrypt")


@pytest.mark.parametrize(("given", "missing"), [("CERT", "KEY"), ("KEY", "CERT")])
def test_a_certificate_and_its_key_go_together(
    told: pytest.MonkeyPatch, tmp_path: Path, given: str, missing: str
) -> None:
    (tmp_path / "mine.pem").touch()
    mine = {f"WABUS_KAFKA_{given}_FILE": str(tmp_path / "mine.pem")}
    said = refused(told, {"WABUS_KAFKA_SECURITY": "SSL"} | mine)
    assert said == f"WABUS_KAFKA_{missing}_FILE is not set: a certificate and its key go together"


@pytest.mark.parametrize("name", ["WABUS_KAFKA_CA_FILE", "WABUS_MONGO_CA_FILE", "WABUS_MONGO_CERT_FILE"])
def test_a_file_that_is_not_there_is_refused_by_variable_and_path(told: pytest.MonkeyPatch, name: str) -> None:
    assert refused(told, LOGIN | {name: "/no/such.pem"}) == f"{name}: there is no file /no/such.pem"


@pytest.mark.parametrize("off", ["tls=false", "ssl=false"])
def test_an_authority_for_a_mongodb_without_tls_is_refused(told: pytest.MonkeyPatch, tmp_path: Path, off: str) -> None:
    (tmp_path / "ca.pem").touch()
    url = {"WABUS_MONGO_URL": f"mongodb://wabus:hush-hush@mongo/?{off}", "WABUS_MONGO_CA_FILE": f"{tmp_path}/ca.pem"}
    said = refused(told, url)
    assert said == "WABUS_MONGO_CA_FILE is set, and WABUS_MONGO_URL says tls=false"


def test_a_security_that_does_not_exist_is_refused(told: pytest.MonkeyPatch) -> None:
    assert refused(told, {"WABUS_KAFKA_SECURITY": "TLS"}).startswith("WABUS_KAFKA_SECURITY: ")


def test_the_password_is_neither_printed_nor_logged(told: pytest.MonkeyPatch) -> None:
    for name, value in LOGIN.items():
        told.setenv(name, value)
    settings = BusSettings.load()
    assert "hush-hush" not in repr(settings) + str(settings.printable())
    assert settings.revealed()["kafka_password"] == "hush-hush"


def test_settings_name_the_certificates_that_run_out(told: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KAFKA_CA_FILE", "KAFKA_CERT_FILE", "KAFKA_KEY_FILE", "MONGO_CA_FILE", "MONGO_CERT_FILE"):
        (tmp_path / name).touch()
        told.setenv(f"WABUS_{name}", str(tmp_path / name))
    told.setenv("WABUS_KAFKA_SECURITY", "SSL")
    names = [file.name for file in BusSettings.load().certificates()]
    assert names == ["KAFKA_CA_FILE", "KAFKA_CERT_FILE", "MONGO_CA_FILE", "MONGO_CERT_FILE"]

"""Weak settings are named, one sentence each; what is strong is not called weak, and a trial is not called broken."""

import base64
import datetime as time
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.doctor.env_file import of_file
from deploy.doctor.findings import Level
from deploy.doctor.settings_checks import examine_settings
from deploy.local.deployment import Deployment, chosen, is_inside
from deploy.local.errors import StackRefused
from libs.runtime.settings import PUBLISHED
from services.console.target import target_of
from tests.support.deployments import ROOT

TRIAL = ROOT / "deploy/docker/sandbox-secrets"
NOW = time.datetime(2026, 11, 29, tzinfo=time.UTC)


def key(name: str = "k1") -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


STRONG = {
    "GRAPH_URL": "https://graph.facebook.com", "PUBLIC_URL": "https://wabus.acme.test", "EDGE_METRICS": "false",
    "EDGE_DOCS": "false", "EDGE_TRUSTED_PROXIES": "10.0.0.0/8", "APP_SECRET": os.urandom(16).hex(),
    "VERIFY_TOKEN": os.urandom(16).hex(), "INTERNAL_SECRET": os.urandom(32).hex(), "ENCRYPTION_KEYS": key(),
    "LOG_HASH_KEY": os.urandom(32).hex(), "KAFKA_BOOTSTRAP": "b-1.acme.test:9096,b-2.acme.test:9096",
    "KAFKA_SECURITY": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_USERNAME": "wabus",
    "KAFKA_PASSWORD": os.urandom(16).hex(), "KAFKA_REPLICATION": "3",
    "MONGO_URL": "mongodb+srv://wabus:f00dc0ffee1234@cluster.acme.test/", "APP_ID": "1234567890",
    **{f"{name}_URL": f"http://{name.lower()}:8080" for name in
       ("TEMPLATES", "NOTIFIER", "CAMPAIGNS", "ANALYTICS", "AUTOREPLY")},
}  # fmt: skip
TRIALS = {
    "GRAPH_URL": "http://127.0.0.1:9", "PUBLIC_URL": "http://127.0.0.1:8", "EGRESS_ALLOWED_PRIVATE": "127.0.0.1/32",
    "KAFKA_BOOTSTRAP": "127.0.0.1:1", "MONGO_URL": "mongodb://127.0.0.1:2/?replicaSet=w", "ENCRYPTION_KEYS": key(),
    **{name: (TRIAL / f"WABUS_{name}").read_text().strip() for name in ("APP_SECRET", "VERIFY_TOKEN", "LOG_HASH_KEY")},
}  # fmt: skip


def weak(**changes: str | None) -> dict[str, Level]:
    values = {name: value for name, value in (STRONG | changes).items() if value is not None}
    return {it.says: it.level for it in examine_settings(Deployment(values), NOW) if it.level is not Level.OK}


def test_a_strong_deployment_has_nothing_to_be_said_of_it() -> None:
    assert weak() == {}


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({"APP_SECRET": (TRIAL / "WABUS_APP_SECRET").read_text()}, Level.ERROR, "WABUS_APP_SECRET is the trial's"),
        ({"ENCRYPTION_KEYS": (TRIAL / "WABUS_ENCRYPTION_KEYS").read_text()}, Level.ERROR, "reads all tokens"),
        ({"VERIFY_TOKEN": "secret"}, Level.ERROR, "WABUS_VERIFY_TOKEN can be guessed"),
        ({"INTERNAL_SECRET": "x" * 64}, Level.ERROR, "WABUS_INTERNAL_SECRET can be guessed"),
        ({"LOG_HASH_KEY": "f00dc0ffee1234567", "INTERNAL_SECRET": "f00dc0ffee1234567"}, Level.ERROR, "are one secret"),
        ({"KAFKA_PASSWORD": "f00dc0ffee1234", "MONGO_URL": "mongodb+srv://w:f00dc0ffee1234@c.acme.test/"},
         Level.ERROR, "the password in WABUS_MONGO_URL are one secret"),
        ({"ENCRYPTION_KEYS": f"k:{base64.b64encode(bytes(32)).decode()}"}, Level.ERROR, "not random"),
        ({"ENCRYPTION_KEYS": "k:short"}, Level.ERROR, "must be `id:base64 of 32 bytes`"),
        ({"ENCRYPTION_KEYS": f"{key('new')},{key('old')}"}, Level.NOTE, "the ring still has old"),
        ({"PUBLIC_URL": "http://wabus.acme.test"}, Level.ERROR, "WABUS_PUBLIC_URL is http"),
        ({"MONGO_URL": "mongodb://[bad"}, Level.ERROR, "WABUS_MONGO_URL cannot be read as an address"),
        ({"PUBLIC_URL": "https://[bad"}, Level.ERROR, "WABUS_PUBLIC_URL cannot be read as an address"),
        ({"GRAPH_URL": "http://graph.acme.test"}, Level.ERROR, "WABUS_GRAPH_URL is http"),
        ({"EDGE_METRICS": None}, Level.WARNING, "/metrics is on edge's public port"),
        ({"EDGE_DOCS": "true"}, Level.NOTE, "everybody can read /docs"),
        ({"EDGE_TRUSTED_PROXIES": None}, Level.WARNING, "WABUS_EDGE_TRUSTED_PROXIES is not set"),
        ({"KAFKA_SECURITY": "PLAINTEXT"}, Level.ERROR, "Kafka at b-1.acme.test is reached without TLS and a login"),
        ({"KAFKA_SECURITY": "SASL_PLAINTEXT"}, Level.ERROR, "Kafka at b-1.acme.test is reached without TLS:"),
        ({"KAFKA_USERNAME": None}, Level.ERROR, "WABUS_KAFKA_USERNAME is not set, and WABUS_KAFKA_SECURITY=SASL_SSL"),
        ({"KAFKA_SECURITY": "SSL"}, Level.ERROR, "Kafka at b-1.acme.test is reached without a login"),
        ({"KAFKA_SECURITY": "PLAINTEXT", "KAFKA_BOOTSTRAP": "kafka:9092"}, Level.NOTE, "its network has to be private"),
        ({"KAFKA_REPLICATION": None}, Level.WARNING, "WABUS_KAFKA_REPLICATION is 1 with 2 brokers"),
        ({"MONGO_URL": "mongodb://db.acme.test:27017/"}, Level.ERROR, "MongoDB at db.acme.test is reached"),
        ({"MONGO_URL": "mongodb://w:longpassword1@8.8.8.8/?tls=false"}, Level.ERROR, "MongoDB at 8.8.8.8 is reached"),
        ({"MONGO_URL": "mongodb://w:longpassword1@10.0.0.8/"}, Level.NOTE, "MongoDB is reached without TLS:"),
        ({"MONGO_URL": "mongodb+srv://w:longpassword1@c.acme.test/?tlsInsecure=true"}, Level.ERROR, "not checked"),
        ({"EGRESS_ALLOWED_PRIVATE": "10.0.0.0/8"}, Level.ERROR, "lets customers' URLs reach 10.0.0.0/8"),
        ({"EGRESS_PORTS": "443,8443"}, Level.NOTE, "may name the ports 8443 too"),
        ({"APP_ID": None}, Level.ERROR, "WABUS_APP_ID is not set: edge does not start without it"),
        ({"APP_SECRET": None}, Level.ERROR, "WABUS_APP_SECRET (a secret) is not set"),
        ({"PUBLIC_URL": "https://wabus.example.com"}, Level.ERROR, "WABUS_PUBLIC_URL still names wabus.example.com"),
        ({"KAFKA_BOOTSTRAP": "a.acme.test:1,b.example.org:1"}, Level.ERROR, "BOOTSTRAP still names b.example.org"),
        ({"MONGO_URL": "mongodb+srv://w:f00dc0ffee1234@c.example.net/"}, Level.ERROR, "URL still names c.example.net"),
        ({"KAFKA_CA_FILE": "/nowhere.pem"}, Level.ERROR, "WABUS_KAFKA_CA_FILE: /nowhere.pem cannot be read"),
    ],
)  # fmt: skip
def test_a_weak_setting_is_named_in_a_sentence(changes: dict[str, str | None], level: Level, says: str) -> None:
    found = weak(**changes)
    assert [known for words, known in found.items() if says in words] == [level], found


def test_no_sentence_shows_a_secret() -> None:
    secret = "hunter2hunter2hunter2"  # to be looked for
    said = weak(INTERNAL_SECRET=secret, LOG_HASH_KEY=secret, MONGO_URL=f"mongodb://w:{secret}@db.acme.test/")
    assert said
    assert "hunter2" not in "".join(said)


def test_a_trial_on_this_machine_is_open_on_purpose() -> None:
    found = examine_settings(Deployment(TRIALS), NOW)
    assert {it.level for it in found} == {Level.OK, Level.NOTE}
    assert any("is the trial's" in it.says for it in found)
    real = examine_settings(Deployment(TRIALS | {"GRAPH_URL": "https://graph.facebook.com"}), NOW)
    assert Level.ERROR in {it.level for it in real}


@pytest.mark.parametrize(("days", "level"), [(-1, Level.ERROR), (3, Level.ERROR), (20, Level.WARNING), (60, None)])
def test_certificates_that_run_out_are_told_in_time(tmp_path: Path, days: int, level: Level | None) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(certificate(NOW + time.timedelta(days=days, hours=1)))
    found = [known for words, known in weak(KAFKA_CA_FILE=str(file)).items() if "ca.pem" in words]
    assert found == ([] if level is None else [level])


def certificate(until: time.datetime) -> bytes:
    name, signer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]), ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        name, name, signer.public_key(), x509.random_serial_number(), until - time.timedelta(days=365), until
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_file_is_read_with_the_secrets_of_the_folder_that_it_names(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "WABUS_VERIFY_TOKEN").write_text("short\n")
    (secrets / "WABUS_VERIFY_TOKEN").chmod(0o644)
    (tmp_path / ".env").write_text("SECRETS_FOLDER=./secrets\nWABUS_PUBLIC_URL=http://wabus.acme.test\n# WABUS_X=1\n")
    deployment = of_file(tmp_path / ".env")
    assert deployment.values == {"VERIFY_TOKEN": "short", "PUBLIC_URL": "http://wabus.acme.test"}
    said = " ".join(it.says for it in examine_settings(deployment, NOW))
    assert f"can be read or changed by others: chmod 700 {secrets}" in said
    secrets.chmod(0o700)  # as `make secrets` leaves it: what is in it is nobody else's, whatever its mode
    assert "can be read" not in " ".join(it.says for it in examine_settings(deployment, NOW))
    assert "WABUS_VERIFY_TOKEN can be guessed" in said
    with pytest.raises(StackRefused, match="there is no file"):
        of_file(tmp_path / "none")
    (tmp_path / ".env").write_text("SECRETS_FOLDER=./nowhere\n")
    assert any("make secrets" in it.says for it in examine_settings(of_file(tmp_path / ".env"), NOW))


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("kafka", True), ("kafka.wabus.svc", True), ("8.8.8.8", False),
        ("broker.acme.test", False), ("fd00::1", True), ("2001:4860:4860::8888", False),
    ],
)  # fmt: skip
def test_a_host_is_inside_by_its_address_or_by_a_name_without_a_public_domain(host: str, inside: bool) -> None:
    assert is_inside(host) is inside


def test_in_a_container_it_sees_what_the_service_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "WABUS_ENCRYPTION_KEYS").write_text(f"{key('a')},{key('b')}\n")
    monkeypatch.setenv("WABUS_SECRETS_DIR", str(tmp_path))
    assert chosen(tmp_path) is None
    monkeypatch.setenv("WABUS_MONGO_URL", "mongodb://mongo:27017/")
    found = chosen(tmp_path)
    assert found is not None
    assert any("the ring still has b" in it.says for it in examine_settings(found, NOW))
    assert target_of(tmp_path).need("encryption_keys").startswith("a:")


def test_every_secret_of_the_trial_bears_its_mark() -> None:
    secrets = [file for file in TRIAL.iterdir() if file.suffix != ".yaml"]
    assert len(secrets) >= 6
    assert all(PUBLISHED in file.read_text() for file in secrets)

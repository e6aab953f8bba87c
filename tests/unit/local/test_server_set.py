from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from deploy.local.certificates import Certificates
from deploy.local.errors import StackRefused
from deploy.local.guard import Guard
from deploy.local.kafka import Kafka
from deploy.local.mongod import Mongod
from deploy.local.server_set import ServerOptions, ServerSet
from deploy.local.settings import LocalSettings
from deploy.local.state import StateDirectory
from deploy.local.topic_settings import Topic

PORTS = {name: 20_000 + place for place, name in enumerate(
    ["kafka", "kafka-2", "kafka-3", "kafka-controller", "kafka-2-controller", "kafka-3-controller", "mongod",
     "mongod-2", "mongod-3"]
)}  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "stack")
    directory.make()
    return directory


def taken(state: StateDirectory, **asked: Any) -> ServerSet:
    servers = ServerSet(ServerOptions(**asked), state, LocalSettings())
    servers.take({name: PORTS[name] for name in servers.listeners}, state.secrets())
    return servers


def test_a_stack_is_of_one_open_server_each_unless_more_is_asked(state: StateDirectory) -> None:
    servers = taken(state)
    assert servers.names == {"kafka", "mongod"}
    assert servers.environment() == {
        "WABUS_KAFKA_BOOTSTRAP": "127.0.0.1:20000",
        "WABUS_MONGO_URL": "mongodb://127.0.0.1:20006/?replicaSet=wabus",
    }
    assert servers.copies == 1
    assert not (state.root / "tls").exists()


def test_clients_of_three_are_told_of_all_three(state: StateDirectory) -> None:
    servers = taken(state, brokers=3, members=3)
    assert servers.names == {"kafka", "kafka-2", "kafka-3", "mongod", "mongod-2", "mongod-3"}
    told = servers.described()
    assert told["kafka"] == "127.0.0.1:20000,127.0.0.1:20001,127.0.0.1:20002"
    assert told["mongo"] == "mongodb://127.0.0.1:20006,127.0.0.1:20007,127.0.0.1:20008/?replicaSet=wabus"
    assert servers.copies == 3


def test_services_of_a_secured_stack_are_told_how_to_get_in(state: StateDirectory) -> None:
    servers = taken(state, secure=True)
    told, secrets = servers.environment(), state.secrets()
    assert told["WABUS_KAFKA_SECURITY"] == "SASL_SSL"
    assert told["WABUS_KAFKA_PASSWORD"] == secrets["kafka_password"]
    assert told["WABUS_KAFKA_CA_FILE"] == told["WABUS_MONGO_CA_FILE"] == str(state.root / "tls" / "ca.pem")
    assert f"wabus:{secrets['mongo_password']}@" in told["WABUS_MONGO_URL"]
    assert "WABUS_KAFKA_CERT_FILE" not in told
    assert servers.described()["kafka_access"]["kafka_username"] == "wabus"


def test_options_stay_with_the_data_they_were_made_for(state: StateDirectory) -> None:
    taken(state, brokers=3)
    (state.root / "kafka").mkdir()
    assert taken(state).copies == 3
    assert taken(state, brokers=3).copies == 3
    with pytest.raises(StackRefused, match=r"made with brokers=3: leave the option out"):
        taken(state, brokers=1)
    with pytest.raises(StackRefused, match=r"made with secure=False"):
        taken(state, secure=True)


def test_options_of_a_start_that_made_no_data_bind_nobody(state: StateDirectory) -> None:
    taken(state, brokers=3)
    assert taken(state, secure=True).copies == 1


def test_data_from_before_there_was_a_choice_is_of_one_open_server_each(state: StateDirectory) -> None:
    (state.root / "mongod").mkdir()
    with pytest.raises(StackRefused, match=r"made with members=1"):
        taken(state, members=3)


@pytest.mark.parametrize("asked", [{"brokers": 2}, {"members": 2}, {"brokers": 4}, {"members": 0}])
def test_only_one_and_three_make_sense(state: StateDirectory, asked: dict[str, int]) -> None:
    with pytest.raises(StackRefused, match="say 1 or 3"):
        taken(state, **asked)


@pytest.mark.parametrize(
    ("variable", "asked"),
    [("kafka_bootstrap", {"brokers": 3}), ("mongo_url", {"members": 3}), ("mongo_url", {"secure": True})],
)
def test_servers_of_ones_own_are_neither_secured_nor_counted(
    state: StateDirectory, variable: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(StackRefused, match=f"WABUS_{variable.upper()} names servers of your own"):
        ServerSet(ServerOptions(**asked), state, LocalSettings.model_validate({variable: "mongodb://elsewhere"}))


def test_access_without_the_servers_that_it_is_for_is_refused(state: StateDirectory, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    for access, missing in (
        ({"kafka_security": "SSL"}, "WABUS_KAFKA_BOOTSTRAP"),
        ({"mongo_ca_file": tmp_path / "ca.pem"}, "WABUS_MONGO_URL"),
    ):
        with pytest.raises(StackRefused, match=f"{missing} names none"):
            ServerSet(ServerOptions(), state, LocalSettings.model_validate(access))


def test_of_three_copies_two_must_have_a_record_and_of_one_that_one() -> None:
    topic = Topic("some.topic.v1", 4, 1_000, 1_000)
    assert topic.settings(3)["min.insync.replicas"] == "2"
    assert topic.settings(1)["min.insync.replicas"] == "1"


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    certificates = Certificates(tmp_path / "tls")
    certificates.make()
    return Guard(certificates, "kafka-hush", "mongo-hush")


def test_no_password_stands_in_a_command_line_or_a_repr(tmp_path: Path, guard: Guard) -> None:
    broker = Kafka(tmp_path / "kafka", 1, 2, "jars", guard=guard)
    server = Mongod(tmp_path / "mongod", 1, guard=guard)
    said = repr(broker) + repr(server) + guard.scram_record() + " ".join(guard.mongod_options())
    assert "hush" not in said


def test_certificates_are_kept_until_they_are_about_to_run_out(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.make()
    first = certificates.ca.read_bytes(), certificates.members_key.read_bytes()
    certificates.make()
    assert (certificates.ca.read_bytes(), certificates.members_key.read_bytes()) == first
    assert certificates.server.stat().st_mode & 0o777 == 0o600
    certificates.server.unlink()
    certificates.make()
    assert certificates.ca.read_bytes() != first[0]
    assert certificates.members_key.read_bytes() == first[1]


def test_the_servers_certificate_is_signed_by_the_authority_and_names_this_machine(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.make()
    ca = x509.load_pem_x509_certificate(certificates.ca.read_bytes())
    server = x509.load_pem_x509_certificate(certificates.server.read_bytes())
    server.verify_directly_issued_by(ca)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from faststream.kafka.security import parse_security

from deploy.local.certificates import Certificates
from libs.kafka.bus import Bus, security_of
from libs.kafka.connection import KafkaConnection
from libs.runtime.access import KafkaAccess
from libs.runtime.errors import StartRefused

LOGIN = {"kafka_username": "wabus", "kafka_password": "hush-hush"}


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path)
    made.make()
    return made


def access(certificates: Certificates, security: str, **more: Any) -> KafkaAccess:
    ca = {"kafka_ca_file": certificates.ca} if security.endswith("SSL") else {}
    login = LOGIN if security.startswith("SASL") else {}
    return KafkaAccess(kafka_security=security, **ca, **login, **more)


def test_an_open_kafka_needs_no_options_but_its_addresses() -> None:
    assert KafkaConnection("one:9092,two:9092").options() == {"bootstrap_servers": ["one:9092", "two:9092"]}
    assert security_of(KafkaConnection("one:9092")) is None


@pytest.mark.parametrize("security", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_faststream_is_told_the_same_as_every_other_client(
    certificates: Certificates, security: str, mechanism: str
) -> None:
    more = {"kafka_sasl_mechanism": mechanism} if security.startswith("SASL") else {}
    connection = KafkaConnection.to("kafka:9092", access(certificates, security, **more))
    assert parse_security(security_of(connection)) == connection.handshake()
    assert connection.handshake()["security_protocol"] == security


def test_certificates_and_names_of_brokers_are_checked(certificates: Certificates) -> None:
    context = KafkaConnection.to("kafka:9093", access(certificates, "SSL")).context
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert "Wabus local authority" in str(context.get_ca_certs())


@pytest.mark.parametrize("name", ["kafka_ca_file", "kafka_cert_file"])
def test_a_file_without_a_certificate_stops_the_start_by_its_variable(
    certificates: Certificates, tmp_path: Path, name: str
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    files = {"kafka_ca_file": certificates.ca, "kafka_cert_file": certificates.server}
    files |= {name: tmp_path / "empty.pem", "kafka_key_file": certificates.server}
    with pytest.raises(StartRefused, match=f"WABUS_{name.upper()}"):
        KafkaConnection.to("kafka:9093", KafkaAccess(kafka_security="SSL", **files))


async def test_our_own_certificate_is_shown_where_brokers_ask_for_one(certificates: Certificates) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificates.server)
    theirs.load_verify_locations(certificates.ca)
    theirs.verify_mode = ssl.CERT_REQUIRED
    own = {"kafka_cert_file": certificates.server, "kafka_key_file": certificates.server}
    context = KafkaConnection.to("kafka:9093", access(certificates, "SSL", **own)).context
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(lambda: theirs.wrap_socket(listening.accept()[0], server_side=True))
        _, writer = await asyncio.open_connection(*listening.getsockname(), ssl=context)
        with await asyncio.wrap_future(accepted) as shown:
            assert "Wabus local servers" in str(shown.getpeercert())
            writer.close()
            await writer.wait_closed()


async def test_a_connection_closes_though_its_broker_is_busy_with_a_long_fetch(certificates: Certificates) -> None:
    """A broker that reads nothing answers no goodbye either."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificates.server)
    context = KafkaConnection.to("kafka:9093", access(certificates, "SSL")).context
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(lambda: theirs.wrap_socket(listening.accept()[0], server_side=True))
        _, writer = await asyncio.open_connection(*listening.getsockname(), ssl=context)
        with await asyncio.wrap_future(accepted):
            writer.close()
            async with asyncio.timeout(2):
                await writer.wait_closed()


async def test_the_password_stands_in_no_repr(certificates: Certificates) -> None:
    connection = KafkaConnection.to("k:1", access(certificates, "SASL_SSL", kafka_sasl_mechanism="PLAIN"))
    assert "hush-hush" not in repr(connection) + repr(Bus(connection, "test")) + repr(Bus(connection, "test").broker)

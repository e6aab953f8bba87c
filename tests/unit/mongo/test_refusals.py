from pathlib import Path

import pytest
from pymongo.errors import AutoReconnect, ConfigurationError, OperationFailure, ServerSelectionTimeoutError

from libs.mongo.client import Mongo
from libs.mongo.refusals import certificate_options, refusal
from libs.runtime.access import MongoAccess
from libs.runtime.errors import StartRefused

AWAY = "mongo:27017: [Errno 111] Connection refused (configured timeouts: connectTimeoutMS: 2500.0ms)"


@pytest.mark.parametrize(
    "error",
    [
        ServerSelectionTimeoutError(AWAY),
        ServerSelectionTimeoutError('No replica set members match selector "Primary()"'),
        AutoReconnect("connection reset"),
        OperationFailure("interrupted", code=11602),
        OperationFailure("not primary", code=10107),
    ],
)
def test_what_waiting_mends_is_not_refused(error: Exception) -> None:
    assert refusal(error) is None


@pytest.mark.parametrize(
    ("error", "variable"),
    [
        (OperationFailure("Authentication failed.", code=18), "WABUS_MONGO_URL"),
        (OperationFailure("command find requires authentication", code=13), "WABUS_MONGO_DATABASE"),
        (ServerSelectionTimeoutError("SSL handshake failed: m:1: [SSL: CERTIFICATE_VERIFY_FAILED]"), "_CA_FILE"),
        (ServerSelectionTimeoutError("SSL handshake failed: m:1: [SSL: WRONG_VERSION_NUMBER]"), "WABUS_MONGO_URL"),
        (ServerSelectionTimeoutError("m:1: connection closed"), "WABUS_MONGO_CA_FILE"),
        (ConfigurationError("The DNS query name does not exist: _mongodb._tcp.no.example."), "WABUS_MONGO_URL"),
        (OSError("no certificate"), "WABUS_MONGO_CERT_FILE"),
    ],
)
def test_what_no_waiting_mends_is_told_by_its_variable(error: Exception, variable: str) -> None:
    assert variable in (refusal(error) or "")


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://[bad", "mongodb://u:s3cret/s@h:1/", "mongodb://u:s3:cret@h", "mongodb://h:99999/", "mongodb://h:x/",
        "mongodb://", "http://h",
    ],
)  # fmt: skip
async def test_a_url_that_cannot_be_read_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(StartRefused, match="WABUS_MONGO_URL cannot be read") as refused:
        await Mongo(url, "wabus").start()
    assert "s3" not in str(refused.value)


def test_any_certificate_turns_tls_on(tmp_path: Path) -> None:
    ca, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    ca.touch()
    own.touch()
    assert certificate_options(MongoAccess()) == {}
    assert certificate_options(MongoAccess(mongo_ca_file=ca)) == {"tls": True, "tlsCAFile": str(ca)}
    both = certificate_options(MongoAccess(mongo_ca_file=ca, mongo_cert_file=own))
    assert both == {"tls": True, "tlsCAFile": str(ca), "tlsCertificateKeyFile": str(own)}

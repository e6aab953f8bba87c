"""What MongoDB says when it does not let us in, told to the operator by the variable that is wrong."""

from typing import Any

from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, ServerSelectionTimeoutError

from libs.runtime.access import MongoAccess

# Server codes: Unauthorized, and AuthenticationFailed.
_LOGIN = {
    13: "MongoDB asks for a login, or the user of WABUS_MONGO_URL may not use WABUS_MONGO_DATABASE",
    18: "MongoDB refuses the user of WABUS_MONGO_URL: wrong name or password, or another authSource",
}

# How the driver words what ended a handshake, as parts of the error it gives after looking for a server in vain.
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
NOT_TLS = "SSL handshake failed"
HUNG_UP = "connection closed"

UNREADABLE = (
    "WABUS_MONGO_URL cannot be read: it has to be like mongodb://USER:PASSWORD@HOST:PORT/?replicaSet=NAME, "
    "with any of : / ? # [ ] @ % in user and password percent-encoded"
)


def certificate_options(access: MongoAccess) -> dict[str, Any]:
    """Return what the driver takes for the certificates that the settings name; any of them turns TLS on."""
    files = {"tlsCAFile": access.mongo_ca_file, "tlsCertificateKeyFile": access.mongo_cert_file}
    options = {name: str(path) for name, path in files.items() if path is not None}
    return {"tls": True, **options} if options else {}


def refusal(error: Exception) -> str | None:
    """Return what is wrong, one sentence without the password, where no waiting mends it; None where it may pass."""
    if isinstance(error, InvalidURI | ValueError):
        return UNREADABLE  # the driver quotes what it takes for a port or a database, and that may be half a password
    if isinstance(error, ConfigurationError):
        return f"WABUS_MONGO_URL: {error}"
    if isinstance(error, ServerSelectionTimeoutError):
        return _handshake(str(error))
    if isinstance(error, OperationFailure):
        return _LOGIN.get(error.code or 0)
    if isinstance(error, OSError):
        return f"WABUS_MONGO_CA_FILE or WABUS_MONGO_CERT_FILE cannot be used: {error}"
    return None


def _handshake(said: str) -> str | None:
    if UNTRUSTED in said:
        return "MongoDB's certificate is not trusted: WABUS_MONGO_CA_FILE has to name who signed it, and for this host"
    if NOT_TLS in said:
        return "MongoDB does not answer the TLS handshake: WABUS_MONGO_URL may say tls=false, or needs a certificate"
    if HUNG_UP in said:
        return "MongoDB takes the connection and hangs up: it may want TLS (WABUS_MONGO_CA_FILE or tls=true)"
    return None

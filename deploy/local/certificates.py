"""A certificate authority of the stack's own, and what it signs: one certificate for all servers of this machine."""

import base64
import ipaddress
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=397)  # the longest that clients still take from a server
RENEWED_BEFORE = timedelta(days=30)  # a stack runs for hours or days, not for a month
CLOCKS_DIFFER = timedelta(minutes=5)
HOSTS = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
KEY_FILE_BYTES = 48  # mongod takes 6 to 1024 base64 characters


class Certificates:
    """The files of one folder: `ca.pem` for clients, `server.pem` (key and certificate), `members.key` of mongod."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self.server = folder / "server.pem"
        self.members_key = folder / "members.key"

    def make(self) -> None:
        """Make what is missing, and the certificates anew when they are about to run out."""
        self.ca.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.members_key.exists():
            _write(self.members_key, base64.b64encode(secrets.token_bytes(KEY_FILE_BYTES)))
        if not self._last():
            self._make()

    def _last(self) -> bool:
        if not (self.ca.exists() and self.server.exists()):
            return False
        ends = x509.load_pem_x509_certificate(self.ca.read_bytes()).not_valid_after_utc
        return ends - datetime.now(UTC) > RENEWED_BEFORE

    def _make(self) -> None:
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca_name = _name("Wabus local authority")
        ca = (
            _draft(ca_name, ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        server = (
            _draft(_name("Wabus local servers"), ca_name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(HOSTS), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            # Members of a set and controllers are each other's clients.
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
            )
            .sign(ca_key, hashes.SHA256())
        )  # fmt: skip
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(self.server, secret + server.public_bytes(serialization.Encoding.PEM))
        _write(self.ca, ca.public_bytes(serialization.Encoding.PEM))


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _write(path: Path, content: bytes) -> None:
    """Write a file that only we can read; mongod refuses a key file that others can."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)

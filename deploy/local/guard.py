"""What the servers of a secured stack ask of their clients: TLS with certificates of their own, and a login."""

import base64
import hashlib
from dataclasses import dataclass, field
from secrets import token_bytes
from urllib.parse import quote

from deploy.local.certificates import Certificates
from libs.runtime.access import KafkaAccess

USER = "wabus"
MECHANISM = "SCRAM-SHA-512"
ITERATIONS = 8_192  # of the password's hash: what Kafka's own tool takes


@dataclass(frozen=True, slots=True)
class Guard:
    """The certificates, and the password of the one user at each kind of server."""

    certificates: Certificates
    kafka_password: str = field(repr=False)
    mongo_password: str = field(repr=False)

    def kafka_access(self) -> KafkaAccess:
        """Return the settings of a client of Kafka."""
        return KafkaAccess(
            kafka_security="SASL_SSL",
            kafka_sasl_mechanism=MECHANISM,
            kafka_username=USER,
            kafka_password=self.kafka_password,
            kafka_ca_file=self.certificates.ca,
        )

    def scram_record(self) -> str:
        """Return the user as Kafka's format command takes it, hashed: a command line is seen by every process."""
        salt = token_bytes(16)
        salted = hashlib.pbkdf2_hmac("sha512", self.kafka_password.encode(), salt, ITERATIONS)
        return (
            f'{MECHANISM}=[name="{USER}",iterations={ITERATIONS},salt="{base64.b64encode(salt).decode()}",'
            f'saltedpassword="{base64.b64encode(salted).decode()}"]'
        )

    def kafka_properties(self) -> str:
        """Return the lines of server.properties: clients and brokers log in, controllers show their certificate."""
        login = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required "
            f'username="{USER}" password="{self.kafka_password}";'
        )
        return f"""
sasl.enabled.mechanisms={MECHANISM}
sasl.mechanism.inter.broker.protocol={MECHANISM}
listener.name.broker.{MECHANISM.lower()}.sasl.jaas.config={login}
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={self.certificates.server}
ssl.truststore.type=PEM
ssl.truststore.location={self.certificates.ca}
"""

    def mongod_options(self) -> list[str]:
        """Return what mongod's command line says of it."""
        return [
            "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(self.certificates.server),
            "--tlsCAFile", str(self.certificates.ca), "--tlsAllowConnectionsWithoutCertificates",
            "--keyFile", str(self.certificates.members_key),
            "--setParameter", "suppressNoTLSPeerCertificateWarning=true",
        ]  # fmt: skip

    def mongo_login(self) -> str:
        """Return the part of a connection string before the hosts."""
        return f"{USER}:{self.mongo_password}@"

    def mongo_query(self) -> str:
        """Return the part of a connection string that names the authority, for clients without our settings."""
        return f"&tls=true&tlsCAFile={quote(str(self.certificates.ca), safe='')}"

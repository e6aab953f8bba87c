"""What a Kafka says when it does not let us in, told to the operator by the variable that is wrong.

aiokafka's clients log such an answer and report every broker as unreachable, so a wrong password would look like an
outage that is waited out for ever. A first handshake of our own tells the two apart.
"""

import asyncio
import ssl

from aiokafka.conn import collect_hosts, create_conn  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]

from libs.kafka.connection import KafkaConnection
from libs.runtime.errors import StartRefused

KNOCK_WITHIN = 3.0  # seconds for one handshake; who says nothing for so long is away
KNOCKS = 3  # a broker that is just starting or stopping may hang up once, a listener of another kind does so each time
PAUSE = 0.3  # seconds between knocks


async def knock(connection: KafkaConnection) -> None:
    """Shake hands with the first broker that answers.

    Raises StartRefused when none lets us in and waiting will not mend it; passes when they are away.
    """
    said = None
    for _ in range(KNOCKS):
        said = None
        for host, port, _ in collect_hosts(connection.servers):
            error = await _greet(connection, host, port)
            if error is None:
                return
            said = said or _refusal(error, connection, f"{host}:{port}")
        if said is None:
            return
        await asyncio.sleep(PAUSE)
    raise StartRefused(said)


async def _greet(connection: KafkaConnection, host: str, port: int) -> Exception | None:
    try:
        async with asyncio.timeout(KNOCK_WITHIN):
            greeted = await create_conn(host, port, client_id="knock", **connection.handshake())
            try:
                await greeted.send(MetadataRequest([]))  # who wants a login answers nothing but the handshake without
            finally:
                await greeted.close()
    except (KafkaError, OSError, ValueError) as error:
        return error
    return None


def _refusal(error: Exception, connection: KafkaConnection, broker: str) -> str | None:
    """Return one sentence where no waiting mends it, None where the broker is away."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Kafka at {broker} shows a certificate that WABUS_KAFKA_CA_FILE does not trust: {error.verify_message}"
    if isinstance(error, SaslAuthenticationFailed | ValueError):
        return f"Kafka at {broker} refuses the user of WABUS_KAFKA_USERNAME and WABUS_KAFKA_PASSWORD"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"Kafka at {broker} does not know WABUS_KAFKA_SASL_MECHANISM={connection.mechanism}"
    if isinstance(error, ssl.SSLError):
        return f"Kafka at {broker} breaks off the TLS handshake ({error.reason}): see WABUS_KAFKA_CERT_FILE"
    if isinstance(error, ConnectionResetError) or _hung_up(error):
        said = f"WABUS_KAFKA_SECURITY={connection.protocol}"
        return f"Kafka at {broker} takes the connection and hangs up: it may not speak what {said} says"
    return None


def _hung_up(error: Exception) -> bool:
    """Tell whether the connection was made, and closed by the broker before its answer was whole."""
    return isinstance(error, KafkaConnectionError) and isinstance(error.__cause__, asyncio.IncompleteReadError)

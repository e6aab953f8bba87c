"""Meta's webhook signature: HMAC-SHA256 of the raw bytes with the app's secret."""

import hashlib
import hmac
from collections.abc import Iterable

HEADER = "X-Hub-Signature-256"
PREFIX = b"sha256="
LENGTH = len(PREFIX) + 64


def sign(secret: str, raw: bytes) -> str:
    """Return the header's value for a body."""
    return "sha256=" + hmac.digest(secret.encode(), raw, hashlib.sha256).hex()


def is_signed(raw: bytes, header: bytes, secrets: Iterable[str]) -> bool:
    """Tell whether the header is the body's signature under one of the secrets (two are valid during a rotation).

    An empty secret is none: anybody could sign with it.
    """
    if len(header) != LENGTH or not header.startswith(PREFIX):
        return False
    given = header[len(PREFIX) :].lower()
    matches = [
        hmac.compare_digest(hmac.digest(secret.encode(), raw, hashlib.sha256).hex().encode(), given)
        for secret in secrets
        if secret
    ]
    return any(matches)

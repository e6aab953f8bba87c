"""Who calls, as edge tells the services behind it: a short-lived signed header.

A service refuses a call without it; it names the tenant, the key and its scopes, so that no service reads keys itself.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = "X-Wabus-Identity"
LIFE = 30  # seconds: long enough for a slow hop, too short to be of use to who finds it in a log
INTERNAL = "internal"  # the scope of our own tools


class IdentityRefused(Exception):
    """The header is missing, malformed, wrongly signed or too old."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller: a tenant's key with its scopes."""

    tenant: str
    key_id: str
    scopes: frozenset[str]
    mode: str = "live"


def sign_identity(secret: str, tenant: str, key_id: str, scopes: Sequence[str], mode: str = "live") -> str:
    """Return the header's value, good for `LIFE` seconds."""
    claims = {"tenant": tenant, "key": key_id, "scopes": sorted(scopes), "mode": mode, "until": int(time.time()) + LIFE}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
    return f"{body}.{_mac(secret, body)}"


def read_identity(secret: str, header: str | None) -> Identity:
    """Check and read the header; raises IdentityRefused."""
    body, _, mac = (header or "").partition(".")
    if not body or not hmac.compare_digest(_mac(secret, body).encode(), mac.encode("utf-8", "replace")):
        raise IdentityRefused("the identity header is missing or wrongly signed")
    try:
        claims = json.loads(base64.urlsafe_b64decode(body))
    except (binascii.Error, ValueError):
        raise IdentityRefused("the identity header cannot be read") from None
    if claims["until"] < time.time():
        raise IdentityRefused("the identity header is too old")
    return Identity(claims["tenant"], claims["key"], frozenset(claims["scopes"]), claims["mode"])


def _mac(secret: str, body: str) -> str:
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()

"""API keys: how they look, how they are made and checked. `cm_<mode>_<public id><secret><checksum>`.

The public id finds the record, the secret (never stored) proves the right to it, the checksum tells a typo from a
guess without a look-up.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from libs.directory.entries import KeyEntry

ALPHABET = string.ascii_letters + string.digits
PUBLIC_LENGTH = 12  # 71 bits: ids do not collide
SECRET_LENGTH = 32  # 190 bits of randomness
CHECK_LENGTH = 6  # base 62 of CRC-32

_FORM = re.compile(
    rf"cm_(live|test)_([A-Za-z0-9]{{{PUBLIC_LENGTH}}})([A-Za-z0-9]{{{SECRET_LENGTH}}})([A-Za-z0-9]{{{CHECK_LENGTH}}})"
)


class Scope(StrEnum):
    """What a key may be allowed to do."""

    READ = "whatsapp:read"
    WRITE = "whatsapp:write"
    SEND = "whatsapp:send"
    ADMIN = "whatsapp:admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in the clear: it exists in the caller's hands and, for a moment, in ours."""

    mode: str
    key_id: str
    secret: str

    @property
    def text(self) -> str:
        """The whole key, as it is shown once."""
        body = f"cm_{self.mode}_{self.key_id}{self.secret}"
        return body + _checksum(body)

    @property
    def secret_hash(self) -> str:
        """SHA-256 of the secret: right for random keys, which no dictionary holds."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_key(mode: str) -> ApiKey:
    """Make a random key."""
    return ApiKey(mode, _random(PUBLIC_LENGTH), _random(SECRET_LENGTH))


def parse_key(text: str) -> ApiKey | None:
    """Read a key; None where its form or checksum is wrong."""
    found = _FORM.fullmatch(text)
    if found is None or not hmac.compare_digest(_checksum(text[:-CHECK_LENGTH]), text[-CHECK_LENGTH:]):
        return None
    return ApiKey(found[1], found[2], found[3])


def is_of(key: ApiKey, entry: KeyEntry) -> bool:
    """Tell whether the key is the one of the entry."""
    return hmac.compare_digest(entry.secret_hash, key.secret_hash) and entry.mode == key.mode


def is_current(entry: KeyEntry, now: datetime) -> bool:
    """Tell whether the entry is neither revoked nor expired."""
    revoked = entry.revoked_at is not None and entry.revoked_at <= now
    expired = entry.expires_at is not None and entry.expires_at <= now
    return not revoked and not expired


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECK_LENGTH):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits

"""Tokens at rest: AES-256-GCM with a key ring, bound to the tenant and field they belong to."""

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.runtime.errors import StartRefused

NONCE = 12  # bytes, random for each encryption (NIST SP 800-38D)
KEY = 32  # bytes: AES-256


class CannotDecrypt(Exception):
    """The text was not encrypted for this tenant and field, or its key is not on the ring."""


class Vault:
    """Encrypts with the first key of the ring, decrypts with whichever key a text names.

    `ring` is `id:base64[,id:base64...]`, each key 32 bytes; raises StartRefused where it is not.
    """

    def __init__(self, ring: str) -> None:
        entries = [_key(entry) for entry in ring.split(",")]
        self._keys = dict(entries)
        if len(self._keys) < len(entries):  # of two keys under one id, one could never be used
            raise StartRefused("WABUS_ENCRYPTION_KEYS has two keys of the same id")
        self._current = ring.split(",")[0].partition(":")[0].strip()

    @property
    def current(self) -> str:
        """The id of the key that encrypts."""
        return self._current

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, the one that encrypts first."""
        return tuple(self._keys)

    def encrypt(self, tenant: str, field: str, plain: str) -> str:
        """Return `key id:base64(nonce + ciphertext)`."""
        nonce = secrets.token_bytes(NONCE)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, plain.encode(), _bound(tenant, field, self._current))
        return f"{self._current}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, tenant: str, field: str, text: str) -> str:
        """Return the plain text; raises CannotDecrypt."""
        key_id, _, body = text.partition(":")
        if key_id not in self._keys:
            raise CannotDecrypt(f"key {key_id[:16]} is not on the ring")
        try:
            raw = base64.b64decode(body, validate=True)
            return AESGCM(self._keys[key_id]).decrypt(raw[:NONCE], raw[NONCE:], _bound(tenant, field, key_id)).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise CannotDecrypt("the text does not belong to this tenant and field") from None

    def is_current(self, text: str) -> bool:
        """Tell whether the text was encrypted with the ring's first key."""
        return key_id_of(text) == self._current


def key_id_of(text: str) -> str:
    """Return the id of the key that a text was encrypted with."""
    return text.partition(":")[0]


def _key(entry: str) -> tuple[str, bytes]:
    key_id, _, encoded = entry.strip().partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not key_id or len(key) != KEY:
        raise StartRefused("WABUS_ENCRYPTION_KEYS must be `id:base64 of 32 bytes`, comma separated")
    return key_id, key


def _bound(tenant: str, field: str, key_id: str) -> bytes:
    return f"{tenant}\x1f{field}\x1f{key_id}".encode()

import base64

import pytest

from libs.directory.vault import CannotDecrypt, Vault
from libs.runtime.errors import StartRefused

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()


def test_what_is_encrypted_for_a_tenant_and_field_is_read_back_for_them_only() -> None:
    vault = Vault(OLD)
    sealed = vault.encrypt("tenant", "access_token", "EAAx")
    assert "EAAx" not in sealed
    assert vault.decrypt("tenant", "access_token", sealed) == "EAAx"
    for tenant, field in (("other", "access_token"), ("tenant", "app_secret")):
        with pytest.raises(CannotDecrypt):
            vault.decrypt(tenant, field, sealed)


def test_the_same_text_is_never_encrypted_to_the_same_bytes_twice() -> None:
    vault = Vault(OLD)
    assert len({vault.encrypt("t", "f", "x") for _ in range(50)}) == 50


def test_a_new_key_encrypts_and_the_old_one_still_reads() -> None:
    sealed = Vault(OLD).encrypt("t", "f", "x")
    both = Vault(f"{NEW},{OLD}")
    assert both.decrypt("t", "f", sealed) == "x"
    assert not both.is_current(sealed)
    assert both.is_current(both.encrypt("t", "f", "x"))
    with pytest.raises(CannotDecrypt):
        Vault(NEW).decrypt("t", "f", sealed)


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-4] + "AAAA", lambda text: text[:20], lambda text: "old:%%%", lambda text: ""]
)
def test_a_damaged_text_is_refused(damage: object) -> None:
    vault = Vault(OLD)
    with pytest.raises(CannotDecrypt):
        vault.decrypt("t", "f", damage(vault.encrypt("t", "f", "x")))  # type: ignore[operator]


@pytest.mark.parametrize("ring", ["", "k1", "k1:", "k1:AAAA", ":" + "A" * 44, "k1:not base64!", f"{OLD},{OLD}"])
def test_a_ring_that_is_none_stops_the_start(ring: str) -> None:
    with pytest.raises(StartRefused):
        Vault(ring)

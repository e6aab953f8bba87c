"""What is to be said of a key ring after everything that is kept encrypted was counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from libs.directory.resealing import Found
from libs.directory.vault import Vault


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ids of keys: that may be taken out of the ring, and sentences about what is wrong with it."""

    removable: list[str]
    problems: list[str]
    left: int  # texts that are to be encrypted anew and can be


def judge(vault: Vault, found: Sequence[Found]) -> Verdict:
    """Say which keys are needed no more, and what the ring cannot read."""
    used: Counter[str] = Counter()
    for each in found:
        used.update(each.by_key)
    unreadable = {(each.place, key_id) for each in found for key_id in each.unreadable}
    problems = [
        f"{each.by_key[key_id]} of {each.place} name the key `{key_id}`, and the ring has another key under this id: "
        "put the right one there"
        for each in found
        for key_id in sorted(each.unreadable)
    ]
    problems += [
        f"{each.by_key[key_id]} of {each.place} were encrypted with the key `{key_id[:32]}`, which is not on the ring: "
        "put it back at its end"
        for each in found
        for key_id in sorted(set(each.by_key) - set(vault.key_ids))
    ]
    left = sum(
        count
        for each in found
        for key_id, count in each.by_key.items()
        if key_id in vault.key_ids and key_id != vault.current and (each.place, key_id) not in unreadable
    )
    return Verdict([key_id for key_id in vault.key_ids[1:] if not used[key_id]], problems, left)

"""Variants are drawn by a hash: the same each time, in the shares that were asked for."""

from collections import Counter
from typing import Any

from libs.runtime.ids import derived_id
from services.campaigns.variants import HOLD_OUT, Split

TEMPLATE = {"name": "sale", "language": "en_US", "category": "MARKETING"}


def campaign(*shares: int, hold_out: int | None = None) -> dict[str, Any]:
    variants = [
        {"name": f"v{place}", "share": share, "template": TEMPLATE, "components": None}
        for place, share in enumerate(shares)
    ]
    return {"template": TEMPLATE, "components": None, "variants": variants or None, "hold_out": hold_out}


def drawn(of: dict[str, Any], people: int = 20_000) -> dict[str | None, float]:
    split = Split(of)
    counts = Counter(split.counted_as(derived_id("row", str(place))) for place in range(people))
    return {name: count / people for name, count in counts.items()}


def test_shares_are_kept_within_a_percent() -> None:
    found = drawn(campaign(1, 3, hold_out=20))
    wanted = {HOLD_OUT: 0.2, "v0": 0.2, "v1": 0.6}
    assert set(found) == set(wanted)
    assert all(abs(found[name] - share) < 0.01 for name, share in wanted.items())


def test_a_campaign_without_variants_has_one_that_is_not_counted_apart() -> None:
    split = Split(campaign())
    assert split.of(derived_id("row")).template == TEMPLATE  # type: ignore[union-attr]  # nobody is held out
    assert split.counted_as(derived_id("row")) is None


def test_a_hold_out_alone_leaves_the_others_to_the_campaigns_own_message() -> None:
    found = drawn(campaign(hold_out=50))
    assert set(found) == {"all", HOLD_OUT}
    assert abs(found["all"] - 0.5) < 0.02


def test_a_person_gets_the_same_each_time() -> None:
    ids = [derived_id("row", str(place)) for place in range(100)]
    assert [Split(campaign(1, 1)).of(each) for each in ids] == [Split(campaign(1, 1)).of(each) for each in ids]

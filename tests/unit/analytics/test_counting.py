"""Sums do not depend on the order in which rows come."""

import itertools
from collections import Counter

from services.analytics.counting import Kind, Sums, difference
from tests.unit.analytics.rows import contribution, priced, row


def measured(sums: Sums, kind: Kind) -> Counter[str]:
    found: Counter[str] = Counter()
    for (key, _, measure), count in sums.items():
        if key.kind is kind:
            found[measure] += count
    return +found


def test_every_order_of_the_rows_gives_the_same_sums() -> None:
    rows = [
        row("accepted"), row("sent", pricing=priced(True, "utility")), row("failed", error="undeliverable"),
        row("delivered", minutes=40), row("read", minutes=30, pricing=priced()),
    ]  # fmt: skip
    whole = contribution(rows)
    assert measured(whole, Kind.COHORT) == {
        "attempted": 1, "accepted": 1, "sent": 1, "delivered": 1, "read": 1,
    }  # fmt: skip

    assert measured(whole, Kind.COST) == {"messages": 1, "billable": 1, "priced": 1, "millionths": 136_500}
    for order in itertools.permutations(rows):
        sums = Sums()
        for number in range(len(order)):
            sums.update(difference(contribution(order[:number]), contribution(order[: number + 1])))
        assert Sums({place: count for place, count in sums.items() if count}) == whole


def test_a_failure_is_counted_by_its_code_until_the_message_arrives() -> None:
    failed = contribution([row("sent"), row("failed", error="undeliverable")])
    assert measured(failed, Kind.COHORT) == {
        "attempted": 1, "accepted": 1, "sent": 1, "failed": 1, "failed:undeliverable": 1,
    }  # fmt: skip

    arrived = difference(failed, contribution([row("sent"), row("failed", error="undeliverable"), row("delivered")]))
    assert {measure: count for (key, _, measure), count in arrived.items() if key.kind is Kind.COHORT} == {
        "delivered": 1, "failed": -1, "failed:undeliverable": -1,
    }  # fmt: skip


def test_the_price_that_nobody_has_said_is_unknown_and_not_free() -> None:
    assert measured(contribution([row("delivered")]), Kind.COST) == {"messages": 1, "unknown": 1}


def test_types_that_nobody_knows_are_counted_together() -> None:
    for invented in ("a.b", "$where", "x\x00y", "z" * 5_000):
        found = measured(contribution([row("sent", type=invented)]), Kind.MOVED)
        assert found == {"accepted": 1, "sent": 1, "type:other": 1}


def test_a_code_that_can_be_no_name_of_a_field_is_counted_all_the_same() -> None:
    for code in ("a\0b", "$where.x", "ünknown", "z" * 5_000):
        (measure,) = [it for it in measured(contribution([row("failed", error=code)]), Kind.COHORT) if ":" in it]
        assert measure.isascii(), code
        assert measure.isprintable(), code
        assert "." not in measure, code
        assert len(measure) < 80, code


def test_what_failed_before_meta_took_it_was_attempted() -> None:
    assert measured(contribution([row("failed")]), Kind.COHORT)["attempted"] == 1
    assert measured(contribution([row("canceled")]), Kind.COHORT)["attempted"] == 0


def test_a_reply_that_names_a_message_proves_that_it_arrived_and_another_counts_once_it_did() -> None:
    named = contribution([row("sent", pricing=priced()), row("replied", minutes=9, named=True)])
    assert measured(named, Kind.COHORT)["delivered"] == measured(named, Kind.COHORT)["replied"] == 1
    assert measured(named, Kind.COST)["billable"] == 1
    next_one = [row("sent"), row("failed"), row("replied", minutes=9, named=False)]
    assert measured(contribution(next_one), Kind.COHORT)["replied"] == 0
    assert measured(contribution(next_one), Kind.COHORT)["failed"] == 1
    assert measured(contribution([*next_one, row("delivered")]), Kind.COHORT)["replied"] == 1

"""Variants and a hold-out group, through the public API."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.campaigns import STORED, arrived, becomes, body_of, does, read
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import all_rows, install, refused

PEOPLE = 300


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A fast number with the usual templates."""
    made = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def test_recipients_are_split_by_a_hash_and_each_variant_has_its_own_funnel(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(PEOPLE)
    body = {
        "name": "a", "template": "sale", "phone_number_id": shop.id, "hold_out": 20,
        "variants": [
            {"name": "ann", "share": 3, "components": body_of("Ann")},
            {"name": "plain", "share": 1, "template": "notice", "components": []},
        ],
        "recipients": [{"to": f"+{each}"} for each in who],
    }  # fmt: skip
    made = stack.call("POST", "/campaigns", body)
    assert made.status_code == 201, made.text
    campaign_id = made.json()["id"]
    plan = does(stack, campaign_id, "launch", dry_run=True).json()
    assert plan["eligible"] + plan["held_out"] == PEOPLE
    assert does(stack, campaign_id, "launch").status_code == 202
    becomes(stack, campaign_id, "completed")
    until(lambda: read(stack, campaign_id)["counts"]["delivered"] == plan["eligible"], "all are delivered")
    progress = stack.call("GET", f"/campaigns/{campaign_id}/progress").json()
    variants = {each["name"]: each for each in progress["variants"]}
    assert {name: each["recipients"] for name, each in variants.items()} == plan["variants"] | {
        "hold_out": plan["held_out"]
    }
    assert variants["ann"]["funnel"]["delivered"] == plan["variants"]["ann"]
    assert variants["hold_out"]["counts"]["held_out"] == plan["held_out"]
    assert 0.5 < plan["variants"]["ann"] / plan["eligible"] < 0.9  # three of four, give or take
    assert 0.05 < plan["held_out"] / PEOPLE < 0.4
    said = Counter(
        row["body"]["template"]["name"] for row in stack.sends() if row["to"].removeprefix("+") in set(who)
    )  # fmt: skip
    assert said == {"sale": plan["variants"]["ann"], "notice": plan["variants"]["plain"]}
    rows = all_rows(stack, f"/campaigns/{campaign_id}/recipients")
    held = {row["to"].removeprefix("+") for row in rows if row["state"] == "held_out"}
    assert len(held) == plan["held_out"]
    assert not held & set(arrived(shop))


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"variants": [{"name": "one"}]}, "variants"),
        ({"variants": [{"name": "a"}, {"name": "a"}]}, "variants"),
        ({"variants": [{"name": "all"}, {"name": "b"}]}, "variants"),
        ({"variants": [{"name": "a.b"}, {"name": "b"}]}, "variants.0.name"),
        ({"variants": [{"name": "a"}, {"name": "b", "share": 0}]}, "variants.1.share"),
        ({"variants": [{"name": "a"}, {"name": "b", "template": "no_such"}]}, "variants.1.template"),
        ({"variants": [{"name": "a"}, {"name": "b", "components": []}], "template": "sale"}, None),
        ({"hold_out": 100}, "hold_out"),
        ({"hold_out": 0}, "hold_out"),
    ],
)
def test_a_wrong_variant_is_refused_by_its_field(
    stack: Stack, shop: Number, changes: dict[str, Any], param: str | None
) -> None:
    body = {"name": "a", "template": "notice", "phone_number_id": shop.id} | changes
    refused(stack.call("POST", "/campaigns", body), 422, None, param)


def test_a_row_must_fit_the_template_of_its_own_variant(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    body = {
        "name": "a", "template": "sale", "phone_number_id": shop.id, "components": body_of("all"),
        "variants": [{"name": "named"}, {"name": "plain", "template": "notice", "components": []}],
    }  # fmt: skip
    campaign_id = stack.call("POST", "/campaigns", body).json()["id"]
    rows = [{"to": f"+{each}", "components": body_of("Ann")} for each in germans(60)]
    report = does(stack, campaign_id, "recipients", recipients=rows).json()
    assert report["added"] + report["invalid"] == 60
    assert report["added"] > 5
    assert report["invalid"] > 5
    assert all("components" in each["path"] for each in report["errors"])
    refused(stack.call("PATCH", f"/campaigns/{campaign_id}", {"components": []}), 422, None, "components")

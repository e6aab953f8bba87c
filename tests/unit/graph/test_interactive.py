from typing import Any

import pytest

from libs.graph.interactive import interactive_problems
from tests.support.message_kinds import BUTTON, INTERACTIVE, LINK, ROW, TEXT_HEADER, card, interactive


def buttons(*replies: Any, **more: Any) -> dict[str, Any]:
    return interactive("button", {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}, **more)


def rows(*sections: Any) -> dict[str, Any]:
    return interactive("list", {"button": "Menu", "sections": list(sections)})


def flow(**more: Any) -> dict[str, Any]:
    parameters = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Open"} | more
    return interactive("flow", {"name": "flow", "parameters": parameters})


def many(count: int, field: str = "rows") -> list[dict[str, Any]]:
    if field == "rows":
        return [{"id": str(i), "title": "t"} for i in range(count)]
    return [{"product_retailer_id": str(i)} for i in range(count)]


YES = {"id": "1", "title": "Yes"}
ACTION = "interactive.action"
FLOW = f"{ACTION}.parameters"

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({"body": {"text": "x"}}, "interactive.type"),
    "unknown type": (interactive("slider", {}), "interactive.type"),
    "type is a list": ({"type": ["button"]}, "interactive.type"),
    "unknown field": (interactive("button", {"buttons": [BUTTON]}, colour="red"), "interactive.colour"),
    "no action": ({"type": "button", "body": {"text": "x"}}, ACTION),
    "action in words": (interactive("button", "x"), ACTION),
    "no body": ({"type": "button", "action": {"buttons": [BUTTON]}}, "interactive.body"),
    "long body": (buttons(YES, body={"text": "x" * 1025}), "interactive.body.text"),
    "blank body": (buttons(YES, body={"text": "  "}), "interactive.body.text"),
    "long footer": (buttons(YES, footer={"text": "x" * 61}), "interactive.footer.text"),
    "long header": (buttons(YES, header={"type": "text", "text": "x" * 61}), "interactive.header.text"),
    "header of a strange type": (buttons(YES, header={"type": "audio"}), "interactive.header.type"),
    "header without its image": (buttons(YES, header={"type": "image"}), "interactive.header.image"),
    "header image twice": (
        buttons(YES, header={"type": "image", "image": {"id": "1", "link": LINK}}), "interactive.header.image",
    ),
    "four buttons": (buttons(*({"id": str(i), "title": str(i)} for i in range(4))), f"{ACTION}.buttons"),
    "no buttons": (buttons(), f"{ACTION}.buttons"),
    "long title": (buttons(YES, {"id": "2", "title": "x" * 21}), f"{ACTION}.buttons.1.reply.title"),
    "long id": (buttons({"id": "x" * 257, "title": "a"}), f"{ACTION}.buttons.0.reply.id"),
    "id is a number": (buttons({"id": 1, "title": "a"}), f"{ACTION}.buttons.0.reply.id"),
    "same id": (buttons(YES, {"id": "1", "title": "No"}), f"{ACTION}.buttons.1.reply.id"),
    "same title": (buttons(YES, {"id": "2", "title": "Yes"}), f"{ACTION}.buttons.1.reply.title"),
    "button is no object": (interactive("button", {"buttons": ["x"]}), f"{ACTION}.buttons.0"),
    "list with an image": (rows({"rows": [ROW]}) | {"header": {"type": "image"}}, "interactive.header.type"),
    "long list button": (
        interactive("list", {"button": "x" * 21, "sections": [{"rows": [ROW]}]}), f"{ACTION}.button",
    ),
    "eleven rows": (rows({"title": "a", "rows": many(6)}, {"title": "b", "rows": many(5)}), f"{ACTION}.sections"),
    "eleven sections": (rows(*({"title": str(i), "rows": [ROW]} for i in range(11))), f"{ACTION}.sections"),
    "no rows": (rows({"title": "a", "rows": []}), f"{ACTION}.sections.0.rows"),
    "two sections without titles": (rows({"rows": [ROW]}, {"rows": []}), f"{ACTION}.sections.1.title"),
    "long section title": (rows({"title": "x" * 25, "rows": [ROW]}), f"{ACTION}.sections.0.title"),
    "long row title": (rows({"rows": [ROW | {"title": "x" * 25}]}), f"{ACTION}.sections.0.rows.0.title"),
    "long row id": (rows({"rows": [ROW | {"id": "x" * 201}]}), f"{ACTION}.sections.0.rows.0.id"),
    "long description": (
        rows({"rows": [ROW | {"description": "x" * 73}]}), f"{ACTION}.sections.0.rows.0.description",
    ),
    "same row": (rows({"rows": [ROW, ROW]}), f"{ACTION}.sections.0.rows.1.id"),
    "link to nowhere": (
        interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "Go", "url": "javascript:x"}}),
        f"{ACTION}.parameters.url",
    ),
    "long link title": (
        interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "x" * 21, "url": LINK}}),
        f"{ACTION}.parameters.display_text",
    ),
    "link with another name": (
        interactive("cta_url", {"name": "url", "parameters": {"display_text": "Go", "url": LINK}}), f"{ACTION}.name",
    ),
    "location request with a header": (
        interactive("location_request_message", {"name": "send_location"}, header=TEXT_HEADER), "interactive.header",
    ),
    "location request with a footer": (
        interactive("location_request_message", {"name": "send_location"}, footer={"text": "x"}), "interactive.footer",
    ),
    "old flow": (flow(flow_message_version="2"), f"{FLOW}.flow_message_version"),
    "flow by id and name": (flow(flow_name="a"), FLOW),
    "long flow button": (flow(flow_cta="x" * 31), f"{FLOW}.flow_cta"),
    "unknown mode": (flow(mode="test"), f"{FLOW}.mode"),
    "flow payload with data exchange": (
        flow(flow_action="data_exchange", flow_action_payload={"screen": "A"}), f"{FLOW}.flow_action_payload",
    ),
    "empty flow data": (flow(flow_action_payload={"screen": "A", "data": {}}), f"{FLOW}.flow_action_payload.data"),
    "product without a catalog": (
        {"type": "product", "action": {"product_retailer_id": "1"}}, f"{ACTION}.catalog_id",
    ),
    "products without a header": (
        interactive("product_list", INTERACTIVE["product_list"]["action"]), "interactive.header",
    ),
    "31 products": (
        interactive("product_list", {"catalog_id": "1", "sections": [
            {"title": "a", "product_items": many(30, "items")}, {"title": "b", "product_items": many(1, "items")}]},
            header=TEXT_HEADER),
        f"{ACTION}.sections",
    ),
    "catalog with an unknown field": (
        interactive("catalog_message", {"name": "catalog_message", "parameters": {"x": "1"}}),
        f"{ACTION}.parameters.x",
    ),
    "address elsewhere": (
        interactive("address_message", {"name": "address_message", "parameters": {"country": "DE"}}),
        f"{ACTION}.parameters.country",
    ),
    "one card": (interactive("carousel", {"cards": [card(0)]}), f"{ACTION}.cards"),
    "eleven cards": (interactive("carousel", {"cards": [card(i) for i in range(11)]}), f"{ACTION}.cards"),
    "card out of place": (interactive("carousel", {"cards": [card(0), card(0)]}), f"{ACTION}.cards.1.card_index"),
    "card with a text header": (
        interactive("carousel", {"cards": [card(0), card(1) | {"header": TEXT_HEADER}]}),
        f"{ACTION}.cards.1.header.type",
    ),
    "cards of two types": (
        interactive("carousel", {"cards": [card(0), {"card_index": 1, "type": "product", "action": {
            "catalog_id": "1", "product_retailer_id": "1"}}]}),
        f"{ACTION}.cards",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INTERACTIVE)
def test_what_meta_takes_is_taken(name: str) -> None:
    assert interactive_problems(INTERACTIVE[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_meta_refuses_is_named_by_its_exact_path(name: str) -> None:
    body, path = WRONG[name]
    assert path in [problem.path for problem in interactive_problems(body)]


def test_everything_at_its_limit_is_taken() -> None:
    full = buttons(
        *({"id": str(i) + "x" * 255, "title": str(i) + "x" * 19} for i in range(3)),
        body={"text": "x" * 1024}, footer={"text": "x" * 60}, header={"type": "text", "text": "x" * 60},
    )  # fmt: skip
    assert interactive_problems(full) == []
    row = {"id": "x" * 200, "title": "x" * 24, "description": "x" * 72}
    ten = [row | {"id": str(i) + "x" * 199} for i in range(10)]
    sections = [{"title": "x" * 24, "rows": [each]} for each in ten]
    whole = interactive("list", {"button": "x" * 20, "sections": sections}, body={"text": "x" * 4096})
    assert interactive_problems(whole) == []

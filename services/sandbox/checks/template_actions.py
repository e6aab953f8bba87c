"""Strict checks of a template's richer values: what buttons act on, offers, products, tap targets."""

from typing import Any

from services.sandbox.checks.free_form import check_link
from services.sandbox.checks.shapes import at, mapping, only, required, sequence, string
from services.sandbox.errors import refusal

SECTIONS, PRODUCTS = 10, 30  # Meta's most items of a multi-product message
SECTION_TITLE, PRODUCT_ID = 24, 100  # characters


def check_action(sub_type: str, action: Any, where: str) -> None:
    """Check what a flow, catalog or multi-product button is given."""
    if action is None and sub_type != "mpm":
        return
    if action is None:
        raise refusal(131008, f"{where}: action is required")
    mapping(action, "action")
    if sub_type == "flow":
        only(action, "action", frozenset({"flow_token", "flow_action_data"}))
        if action.get("flow_token") is not None:
            string(action["flow_token"], "action['flow_token']", 512)
        if action.get("flow_action_data") is not None:
            mapping(action["flow_action_data"], "action['flow_action_data']")
    elif sub_type == "catalog":
        only(action, "action", frozenset({"thumbnail_product_retailer_id"}))
        _thumbnail(action)
    elif sub_type == "mpm":
        _check_products(action, where)


def _thumbnail(action: dict[str, Any]) -> None:
    if action.get("thumbnail_product_retailer_id") is not None:
        string(action["thumbnail_product_retailer_id"], "action['thumbnail_product_retailer_id']", PRODUCT_ID)


def _check_products(action: dict[str, Any], where: str) -> None:
    only(action, "action", frozenset({"thumbnail_product_retailer_id", "sections"}))
    _thumbnail(action)
    if not action.get("sections"):
        raise refusal(131008, f"{where}: action['sections'] is required")
    count = 0
    sections = sequence(action["sections"], "action['sections']", SECTIONS, 1)
    for index, section in enumerate(sections):
        path = at("action['sections']", index)
        only(mapping(section, path), path, frozenset({"title", "product_items"}))
        if section.get("title") is not None or len(sections) > 1:
            string(required(section, path, "title"), at(path, "title"), SECTION_TITLE)
        items = sequence(required(section, path, "product_items"), at(path, "product_items"), PRODUCTS, 1)
        for place, item in enumerate(items):
            own = at(at(path, "product_items"), place)
            only(mapping(item, own), own, frozenset({"product_retailer_id"}))
            string(required(item, own, "product_retailer_id"), at(own, "product_retailer_id"), PRODUCT_ID)
            count += 1
    if count > PRODUCTS:
        raise refusal(131009, f"Total product count exceed max allowed count: {PRODUCTS}")


def check_product(product: dict[str, Any]) -> None:
    """Check the product of a header."""
    only(product, "product", frozenset({"product_retailer_id", "catalog_id"}))
    for key in ("product_retailer_id", "catalog_id"):
        string(required(product, "product", key), at("product", key), PRODUCT_ID)


def check_offer(values: list[dict[str, Any]]) -> None:
    """Check when a limited-time offer ends: milliseconds since 1970."""
    if len(values) != 1 or str(values[0].get("type", "")).lower() != "limited_time_offer":
        raise refusal(132012, "limited_time_offer: Format mismatch, expected one LIMITED_TIME_OFFER")
    offer = mapping(required(values[0], "", "limited_time_offer"), "limited_time_offer")
    only(offer, "limited_time_offer", frozenset({"expiration_time_ms"}))
    moment = required(offer, "limited_time_offer", "expiration_time_ms")
    if type(moment) is not int or moment <= 0:
        raise refusal(131009, "limited_time_offer: expiration_time_ms must be a positive integer")


def check_tap_targets(values: list[dict[str, Any]]) -> None:
    """Check where a tap on the header leads."""
    if len(values) != 1 or str(values[0].get("type", "")).lower() != "tap_target_configuration":
        raise refusal(132012, "tap_target_configuration: Format mismatch, expected one TAP_TARGET_CONFIGURATION")
    name = "tap_target_configuration"
    for index, target in enumerate(sequence(required(values[0], "", name), name, 10, 1)):
        path = at(name, index)
        only(mapping(target, path), path, frozenset({"url", "title"}))
        check_link(string(required(target, path, "url"), at(path, "url"), 2000), at(path, "url"))
        string(required(target, path, "title"), at(path, "title"), 1024)

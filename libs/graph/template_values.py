"""The values of a template's variables: what each type of parameter has to look like.

Source: Meta's template messages reference (parameter objects; errors 132000, 132005, 132012, 132018 at send time).
"""

import re
from collections.abc import Callable, Sequence

from libs.graph.places import Place

PARAMETER_LIMIT = 1024  # characters; the hydrated body may have no more
CODE_LIMIT = 15  # characters of a one-time code
COUPON_LIMIT = 20  # characters of a coupon code
PAYLOAD_LIMIT = 128  # characters of a quick reply's payload, as integrators report
PRODUCT_ID, SECTION_TITLE = 100, 24  # characters
SECTIONS, PRODUCTS, TARGETS = 10, 30, 10  # items

AMOUNT_LIMIT = 10**15  # far above what is paid, and what time is told in; far below what a double holds exactly

TEXT_KINDS = ("text", "currency", "date_time")

_BREAKS = re.compile(r"[\r\n\t]| {5,}")  # Meta: no new lines, tabs or more than four spaces in a parameter
_CURRENCY = re.compile(r"[A-Z]{3}")


def text_value(parameter: Place) -> str | None:
    """Read a parameter that is shown as text; -> what is shown, None where it is wrong."""
    kind = parameter.choice("type", TEXT_KINDS)
    if kind is None:
        return None
    parameter.only("type", kind, "parameter_name")
    if kind == "text":
        return plain_text(parameter, PARAMETER_LIMIT)
    value = parameter.object(kind)
    if value is None:
        return None
    if kind == "currency":
        value.only("fallback_value", "code", "amount_1000")
        code = value.text("code", 3)
        if code is not None and not _CURRENCY.fullmatch(code):
            value.wrong("Must be a currency's three letters, for example USD.", "code")
        amount = value.value.get("amount_1000")
        if not isinstance(amount, int) or isinstance(amount, bool) or abs(amount) > AMOUNT_LIMIT:
            value.wrong("Must be a whole number: the amount times 1,000.", "amount_1000")
    return value.text("fallback_value", PARAMETER_LIMIT)


def plain_text(parameter: Place, most: int) -> str | None:
    """Read a `text` without line breaks, tabs or long gaps."""
    text = parameter.text("text", most)
    if text is not None and _BREAKS.search(text):
        parameter.wrong("May not contain new lines, tabs or more than four spaces in a row.", "text")
        return None
    return text


def media_value(parameter: Place, kind: str) -> None:
    """Read an image, a video or a document."""
    parameter.media(kind, *(("filename",) if kind == "document" else ()))


def location_value(parameter: Place, kind: str) -> None:
    """Read a location: coordinates as numbers or in strings."""
    location = parameter.object(kind)
    if location is None:
        return
    location.only("latitude", "longitude", "name", "address")
    for field, most in (("latitude", 90), ("longitude", 180)):
        if not _within(location.value.get(field), most):
            location.wrong(f"Must be a number from -{most} to {most}.", field)
    for field in ("name", "address"):
        location.text(field, 1000, needed=False)


def _within(value: object, most: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return abs(float(value)) <= most
    except (ValueError, OverflowError):
        return False


def product_value(parameter: Place, kind: str) -> None:
    """Read a product of a catalog."""
    product = parameter.object(kind)
    if product is not None:
        product.only("product_retailer_id", "catalog_id")
        product.text("product_retailer_id", PRODUCT_ID)
        product.text("catalog_id", PRODUCT_ID)


def offer_value(parameter: Place, kind: str) -> None:
    """Read when a limited-time offer ends."""
    offer = parameter.object(kind)
    if offer is None:
        return
    offer.only("expiration_time_ms")
    moment = offer.value.get("expiration_time_ms")
    if not isinstance(moment, int) or isinstance(moment, bool) or not 0 < moment <= AMOUNT_LIMIT:
        offer.wrong("Must be a whole number: milliseconds since 1970.", "expiration_time_ms")


def tap_target_value(parameter: Place, kind: str) -> None:
    """Read where a tap on the header leads."""
    for target in parameter.items(kind, TARGETS):
        target.only("url", "title")
        target.link("url")
        target.text("title", PARAMETER_LIMIT)


def payload_value(parameter: Place, kind: str) -> None:
    """Read the payload that comes back when a quick reply is tapped."""
    parameter.text(kind, PAYLOAD_LIMIT)


def suffix_value(parameter: Place, _: str) -> None:
    """Read what completes the address of a URL button, or the code of an OTP button."""
    plain_text(parameter, PARAMETER_LIMIT)


def coupon_value(parameter: Place, kind: str) -> None:
    """Read a coupon code."""
    parameter.text(kind, COUPON_LIMIT)


def flow_value(parameter: Place, kind: str) -> None:
    """Read what a flow begins with."""
    action = parameter.object(kind, needed=False)
    if action is not None:
        action.only("flow_token", "flow_action_data")
        action.text("flow_token", 512, needed=False)
        action.object("flow_action_data", needed=False)


def catalog_value(parameter: Place, kind: str) -> None:
    """Read the product whose picture stands for a catalog."""
    action = parameter.object(kind, needed=False)
    if action is not None:
        action.only("thumbnail_product_retailer_id")
        action.text("thumbnail_product_retailer_id", PRODUCT_ID, needed=False)


def products_value(parameter: Place, kind: str) -> None:
    """Read the products of a multi-product button."""
    action = parameter.object(kind)
    if action is None:
        return
    action.only("thumbnail_product_retailer_id", "sections")
    action.text("thumbnail_product_retailer_id", PRODUCT_ID, needed=False)
    count = 0
    for section in action.items("sections", SECTIONS):
        section.only("title", "product_items")
        section.text("title", SECTION_TITLE, needed=len(action.value["sections"]) > 1)
        for item in section.items("product_items", PRODUCTS):
            item.only("product_retailer_id")
            item.text("product_retailer_id", PRODUCT_ID)
            count += 1
    if count > PRODUCTS:
        action.wrong(f"All sections together may have at most {PRODUCTS} products; they have {count}.", "sections")


Value = Callable[[Place, str], None]

# Header format -> type of its one parameter, and how it is read.
HEADERS: dict[str, tuple[str, Value]] = {
    "IMAGE": ("image", media_value),
    "VIDEO": ("video", media_value),
    "DOCUMENT": ("document", media_value),
    "LOCATION": ("location", location_value),
    "PRODUCT": ("product", product_value),
}

# Type of a stored button -> how a send names it, type of its one parameter, and how that is read.
BUTTONS: dict[str, tuple[str, str, Value]] = {
    "QUICK_REPLY": ("quick_reply", "payload", payload_value),
    "URL": ("url", "text", suffix_value),
    "OTP": ("url", "text", suffix_value),
    "COPY_CODE": ("copy_code", "coupon_code", coupon_value),
    "FLOW": ("flow", "action", flow_value),
    "CATALOG": ("catalog", "action", catalog_value),
    "MPM": ("mpm", "action", products_value),
}


def one_value(component: Place, parameters: Sequence[Place], kind: str, read: Value, whose: str) -> None:
    """Read the one parameter of a component, which has to be of this type."""
    if len(parameters) != 1:
        component.wrong(f"{whose} takes one parameter of type {kind}; {len(parameters)} are given.", "parameters")
    elif parameters[0].choice("type", (kind,)) is not None:
        parameters[0].only("type", kind)
        read(parameters[0], kind)

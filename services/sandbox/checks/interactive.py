"""Strict checks of interactive messages: what is missing answers 131008, what does not fit 131009."""

from typing import Any

from services.sandbox.checks.free_form import check_link, check_media
from services.sandbox.checks.shapes import at, mapping, one_of, only
from services.sandbox.errors import GraphError, refusal

# Meta's most characters.
BUTTON_BODY, LIST_BODY, FOOTER, HEADER = 1024, 4096, 60, 60
BUTTON_ID, BUTTON_TITLE = 256, 20
LIST_BUTTON, SECTION_TITLE, ROW_ID, ROW_TITLE, ROW_DESCRIPTION = 20, 24, 200, 24, 72
FLOW_CTA = 30
PRODUCTS, SECTIONS, ROWS, CARDS = 30, 10, 10, 10  # Meta's most items

_MEDIA_HEADERS = ("image", "video", "document")
_HEADERS: dict[str, tuple[str, ...]] = {
    "button": ("text", *_MEDIA_HEADERS), "list": ("text",), "cta_url": ("text", *_MEDIA_HEADERS),
    "flow": ("text", *_MEDIA_HEADERS), "product_list": ("text",), "address_message": ("text", *_MEDIA_HEADERS),
}  # fmt: skip
_NO_FOOTER = ("location_request_message", "carousel", "call_permission_request")
_OPTIONAL_BODY = ("product", "call_permission_request")


def check_interactive(interactive: dict[str, Any]) -> None:
    """Check the whole object: type, header, body, footer, action."""
    only(interactive, "interactive", frozenset({"type", "header", "body", "footer", "action"}))
    kind = one_of(_given(interactive, "interactive", "type"), "interactive['type']", _ACTIONS)
    _check_header(kind, interactive.get("header"))
    _check_body(kind, interactive.get("body"))
    if interactive.get("footer") is not None:
        if kind in _NO_FOOTER:
            raise refusal(131009, f"The parameter interactive['footer'] is not allowed for {kind} messages.")
        footer = mapping(interactive["footer"], "interactive['footer']")
        _text(_given(footer, "interactive['footer']", "text"), "Footer text", FOOTER)
    _ACTIONS[kind](mapping(_given(interactive, "interactive", "action"), "interactive['action']"))


def _check_header(kind: str, header: Any) -> None:
    if header is None:
        if kind == "product_list":
            raise _missing("interactive['header']")
        return
    allowed = _HEADERS.get(kind, ())
    if not allowed:
        raise refusal(131009, f"The parameter interactive['header'] is not allowed for {kind} messages.")
    mapping(header, "interactive['header']")
    sort = _given(header, "interactive['header']", "type")
    if sort not in allowed:
        raise refusal(131009, f"Header type {sort} is not allowed for {kind} messages. Allowed: {', '.join(allowed)}.")
    only(header, "interactive['header']", frozenset({"type", sort, "sub_text"}))
    if sort == "text":
        _text(_given(header, "interactive['header']", "text"), "Header text", HEADER)
    else:
        path = f"interactive['header']['{sort}']"
        check_media(sort, mapping(_given(header, "interactive['header']", sort), path), path)


def _check_body(kind: str, body: Any) -> None:
    if body is None and kind in _OPTIONAL_BODY:
        return
    if body is None:
        raise _missing("interactive['body']")
    text = _given(mapping(body, "interactive['body']"), "interactive['body']", "text")
    _text(text, "Body text", LIST_BODY if kind == "list" else BUTTON_BODY)


def _check_buttons(action: dict[str, Any]) -> None:
    only(action, "interactive['action']", frozenset({"buttons"}))
    buttons = _items(_given(action, "interactive['action']", "buttons"), "buttons", 3)
    replies = [_reply(button, at("interactive['action']['buttons']", index)) for index, button in enumerate(buttons)]
    _unique([reply["id"] for reply in replies], "Duplicated button id")
    _unique([reply["title"] for reply in replies], "Duplicated button title")


def _reply(button: Any, path: str) -> dict[str, Any]:
    only(mapping(button, path), path, frozenset({"type", "reply"}))
    if _given(button, path, "type") != "reply":
        raise refusal(131009, f"{at(path, 'type')} must be reply.")
    reply = mapping(_given(button, path, "reply"), at(path, "reply"))
    only(reply, at(path, "reply"), frozenset({"id", "title"}))
    _text(_given(reply, at(path, "reply"), "id"), "Button id", BUTTON_ID)
    _text(_given(reply, at(path, "reply"), "title"), "Button title", BUTTON_TITLE)
    return reply


def _check_list(action: dict[str, Any]) -> None:
    only(action, "interactive['action']", frozenset({"button", "sections"}))
    _text(_given(action, "interactive['action']", "button"), "Button label", LIST_BUTTON)
    sections = _sections(action)
    rows = []
    for index, section in enumerate(sections):
        path = at("interactive['action']['sections']", index)
        only(section, path, frozenset({"title", "rows"}))
        rows += [
            _row(row, at(at(path, "rows"), place))
            for place, row in enumerate(_items(_given(section, path, "rows"), "rows", ROWS))
        ]
    if len(rows) > ROWS:
        raise refusal(131009, f"Total row count exceed max allowed count: {ROWS}")
    _unique([row["id"] for row in rows], "Duplicated row id")


def _row(row: Any, path: str) -> dict[str, Any]:
    only(mapping(row, path), path, frozenset({"id", "title", "description"}))
    _text(_given(row, path, "id"), "Row id", ROW_ID)
    _text(_given(row, path, "title"), "Row title", ROW_TITLE)
    if row.get("description") is not None:
        _text(row["description"], "Row description", ROW_DESCRIPTION, 0)
    return dict(row)


def _sections(action: dict[str, Any]) -> list[dict[str, Any]]:
    sections = _items(_given(action, "interactive['action']", "sections"), "sections", SECTIONS)
    for index, section in enumerate(sections):
        path = at("interactive['action']['sections']", index)
        title = mapping(section, path).get("title")
        if title is None and len(sections) > 1:
            raise refusal(131008, "Section title is required when there is more than one section.")
        if title is not None:
            _text(title, "Section title", SECTION_TITLE)
    return sections


def _check_url(action: dict[str, Any]) -> None:
    parameters = _named(action, "cta_url")
    only(parameters, _PARAMETERS, frozenset({"display_text", "url"}))
    _text(_given(parameters, _PARAMETERS, "display_text"), "Display text", BUTTON_TITLE)
    check_link(_text(_given(parameters, _PARAMETERS, "url"), "URL", 2000), f"{_PARAMETERS}['url']")


_FLOW_KEYS = frozenset({
    "flow_message_version", "flow_id", "flow_name", "flow_cta", "mode", "flow_token", "flow_action",
    "flow_action_payload",
})  # fmt: skip


def _check_flow(action: dict[str, Any]) -> None:
    parameters = _named(action, "flow")
    only(parameters, _PARAMETERS, _FLOW_KEYS)
    if _given(parameters, _PARAMETERS, "flow_message_version") != "3":
        raise refusal(131009, "flow_message_version must be 3.")
    if (parameters.get("flow_id") is None) == (parameters.get("flow_name") is None):
        raise refusal(131009, "Exactly one of flow_id and flow_name must be given.")
    _text(_given(parameters, _PARAMETERS, "flow_cta"), "Flow CTA", FLOW_CTA)
    one_of(parameters.get("mode", "published"), f"{_PARAMETERS}['mode']", ("draft", "published"))
    way = one_of(
        parameters.get("flow_action", "navigate"), f"{_PARAMETERS}['flow_action']", ("navigate", "data_exchange")
    )
    payload = parameters.get("flow_action_payload")
    if payload is None:
        return
    if way != "navigate":
        raise refusal(131009, "flow_action_payload is only allowed with flow_action navigate.")
    _given(mapping(payload, f"{_PARAMETERS}['flow_action_payload']"), f"{_PARAMETERS}['flow_action_payload']", "screen")
    if payload.get("data") is not None and not (isinstance(payload["data"], dict) and payload["data"]):
        raise refusal(131009, "flow_action_payload data must be a non-empty object.")


def _check_product(action: dict[str, Any]) -> None:
    only(action, "interactive['action']", frozenset({"catalog_id", "product_retailer_id"}))
    for key in ("catalog_id", "product_retailer_id"):
        _text(_given(action, "interactive['action']", key), key, 100)


def _check_products(action: dict[str, Any]) -> None:
    only(action, "interactive['action']", frozenset({"catalog_id", "sections"}))
    _text(_given(action, "interactive['action']", "catalog_id"), "catalog_id", 100)
    count = 0
    for index, section in enumerate(_sections(action)):
        path = at("interactive['action']['sections']", index)
        for item in _items(_given(section, path, "product_items"), "product_items", PRODUCTS):
            _text(_given(mapping(item, path), path, "product_retailer_id"), "product_retailer_id", 100)
            count += 1
    if count > PRODUCTS:
        raise refusal(131009, f"Total product count exceed max allowed count: {PRODUCTS}")


def _check_carousel(action: dict[str, Any]) -> None:
    only(action, "interactive['action']", frozenset({"cards"}))
    cards = _items(_given(action, "interactive['action']", "cards"), "cards", CARDS, 2)
    if len({_card(card, index) for index, card in enumerate(cards)}) > 1:
        raise refusal(131009, "All cards must be of the same type.")


def _card(card: Any, index: int) -> str:
    path = at("interactive['action']['cards']", index)
    only(mapping(card, path), path, frozenset({"card_index", "type", "header", "body", "action"}))
    if _given(card, path, "card_index") != index:
        raise refusal(131009, f"{at(path, 'card_index')} must be {index}.")
    sort = one_of(_given(card, path, "type"), at(path, "type"), ("cta_url", "product"))
    if sort == "cta_url" or card.get("header") is not None:
        header = mapping(_given(card, path, "header"), at(path, "header"))
        kind = one_of(_given(header, at(path, "header"), "type"), at(at(path, "header"), "type"), ("image", "video"))
        own = at(at(path, "header"), kind)
        check_media(kind, mapping(_given(header, at(path, "header"), kind), own), own)
    if card.get("body") is not None:
        body = mapping(card["body"], at(path, "body"))
        _text(_given(body, at(path, "body"), "text"), "Card body text", BUTTON_BODY)
    (_check_url if sort == "cta_url" else _check_product)(mapping(_given(card, path, "action"), at(path, "action")))
    return sort


def _check_name_only(name: str) -> Any:
    def check(action: dict[str, Any]) -> None:
        if _given(action, "interactive['action']", "name") != name:
            raise refusal(131009, f"interactive['action']['name'] must be {name}.")

    return check


def _check_address(action: dict[str, Any]) -> None:
    parameters = _named(action, "address_message")
    only(parameters, _PARAMETERS, frozenset({"country", "values", "saved_addresses", "validation_errors"}))
    one_of(_given(parameters, _PARAMETERS, "country"), f"{_PARAMETERS}['country']", ("IN", "SG"))
    for key in ("values", "validation_errors"):
        if parameters.get(key) is not None:
            mapping(parameters[key], at(_PARAMETERS, key))


def _check_catalog(action: dict[str, Any]) -> None:
    only(action, "interactive['action']", frozenset({"name", "parameters"}))
    _check_name_only("catalog_message")(action)
    if action.get("parameters") is None:
        return
    parameters = mapping(action["parameters"], _PARAMETERS)
    only(parameters, _PARAMETERS, frozenset({"thumbnail_product_retailer_id"}))
    if parameters.get("thumbnail_product_retailer_id") is not None:
        _text(parameters["thumbnail_product_retailer_id"], "thumbnail_product_retailer_id", 100)


_PARAMETERS = "interactive['action']['parameters']"
_ACTIONS = {
    "button": _check_buttons, "list": _check_list, "cta_url": _check_url, "flow": _check_flow,
    "location_request_message": _check_name_only("send_location"), "product": _check_product,
    "product_list": _check_products, "catalog_message": _check_catalog,
    "carousel": _check_carousel, "address_message": _check_address,
    "call_permission_request": _check_name_only("call_permission_request"),
}  # fmt: skip


def _named(action: dict[str, Any], name: str) -> dict[str, Any]:
    only(action, "interactive['action']", frozenset({"name", "parameters"}))
    _check_name_only(name)(action)
    return mapping(_given(action, "interactive['action']", "parameters"), _PARAMETERS)


def _given(holder: dict[str, Any], path: str, key: str) -> Any:
    if holder.get(key) is None:
        raise _missing(at(path, key))
    return holder[key]


def _missing(name: str) -> GraphError:
    return refusal(131008, f"The parameter {name} is required.")


def _text(value: Any, what: str, most: int, least: int = 1) -> str:
    if not isinstance(value, str):
        raise refusal(131009, f"{what} must be a string.")
    if not least <= len(value) <= most:
        raise refusal(131009, f"{what} length invalid. Min length: {least}, Max length: {most}")
    return value


def _items(value: Any, what: str, most: int, least: int = 1) -> list[Any]:
    if not isinstance(value, list):
        raise refusal(131009, f"{what} must be an array.")
    if not least <= len(value) <= most:
        raise refusal(131009, f"Invalid {what} count. Min allowed {what}: {least}, Max allowed {what}: {most}")
    return value


def _unique(values: list[str], complaint: str) -> None:
    if len(set(values)) != len(values):
        raise refusal(131009, complaint)

"""Interactive messages: what Meta takes of each type, checked before anything is queued.

Source: Meta's interactive message reference (types, limits of characters and items).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from libs.graph.places import Place, Problem, unique

# Meta's most characters.
BODY, LIST_BODY, HEADER, FOOTER = 1024, 4096, 60, 60
BUTTON_ID, BUTTON_TITLE = 256, 20
LIST_BUTTON, SECTION_TITLE, ROW_ID, ROW_TITLE, ROW_DESCRIPTION = 20, 24, 200, 24, 72
LINK_TITLE, FLOW_TITLE, FLOW_TOKEN = 20, 30, 512
CATALOG_ID = 100

BUTTONS, SECTIONS, ROWS, PRODUCTS, CARDS = 3, 10, 10, 30, 10  # Meta's most items
FEWEST_CARDS = 2

_MEDIA = ("image", "video", "document")
_ANY_HEADER = ("text", *_MEDIA)
ADDRESS_COUNTRIES = ("IN", "SG")  # where Meta has address messages

Check = Callable[[Place], None]


@dataclass(frozen=True, slots=True)
class _Type:
    """What a type of interactive message has around its action."""

    action: Check
    headers: tuple[str, ...] = ()
    needs_header: bool = False
    body: int = BODY
    needs_body: bool = True
    footer: bool = True


def interactive_problems(interactive: Mapping[str, Any], path: str = "interactive") -> list[Problem]:
    """Return what Meta would not take of an interactive object, each with its path; empty where all is well."""
    found: list[Problem] = []
    place = Place(interactive, path, found)
    place.only("type", "header", "body", "footer", "action")
    name = place.choice("type", _TYPES)
    if name is None:
        return found
    kind = _TYPES[name]
    _header(place, name, kind)
    body = place.object("body", needed=kind.needs_body)
    if body is not None:
        body.only("text")
        body.text("text", kind.body)
    if place.has("footer") and not kind.footer:
        place.wrong(f"A message of type {name} has no footer.", "footer")
    elif (footer := place.object("footer", needed=False)) is not None:
        footer.only("text")
        footer.text("text", FOOTER)
    if (action := place.object("action")) is not None:
        kind.action(action)
    return found


def _header(place: Place, name: str, kind: _Type) -> None:
    if place.has("header") and not kind.headers:
        place.wrong(f"A message of type {name} has no header.", "header")
        return
    header = place.object("header", needed=kind.needs_header)
    if header is not None:
        _header_of(header, kind.headers)


def _header_of(header: Place, sorts: tuple[str, ...]) -> None:
    sort = header.choice("type", sorts)
    if sort is None:
        return
    header.only("type", sort)
    if sort == "text":
        header.text("text", HEADER)
    else:
        header.media(sort, *(("filename",) if sort == "document" else ()))


def _buttons(action: Place) -> None:
    action.only("buttons")
    replies = []
    for button in action.items("buttons", BUTTONS):
        button.only("type", "reply")
        button.choice("type", ("reply",))
        if (reply := button.object("reply")) is not None:
            reply.only("id", "title")
            reply.text("id", BUTTON_ID)
            reply.text("title", BUTTON_TITLE)
            replies.append(reply)
    unique(replies, "id")
    unique(replies, "title")


def _list(action: Place) -> None:
    action.only("button", "sections")
    action.text("button", LIST_BUTTON)
    rows: list[Place] = []
    for section in _sections(action, "rows"):
        for row in section.items("rows", ROWS):
            row.only("id", "title", "description")
            row.text("id", ROW_ID)
            row.text("title", ROW_TITLE)
            row.text("description", ROW_DESCRIPTION, least=0, needed=False)
            rows.append(row)
    if len(rows) > ROWS:
        action.wrong(f"All sections together may have at most {ROWS} rows; they have {len(rows)}.", "sections")
    unique(rows, "id")


def _sections(action: Place, content: str) -> list[Place]:
    sections = action.items("sections", SECTIONS)
    for section in sections:
        section.only("title", content)
        section.text("title", SECTION_TITLE, needed=len(sections) > 1)
    return sections


def _parameters(action: Place, name: str, *, needed: bool = True) -> Place | None:
    action.only("name", "parameters")
    action.choice("name", (name,))
    return action.object("parameters", needed=needed)


def _link(action: Place) -> None:
    if (parameters := _parameters(action, "cta_url")) is not None:
        parameters.only("display_text", "url")
        parameters.text("display_text", LINK_TITLE)
        parameters.link("url")


def _location_request(action: Place) -> None:
    action.only("name")
    action.choice("name", ("send_location",))


def _flow(action: Place) -> None:
    flow = _parameters(action, "flow")
    if flow is None:
        return
    flow.only(
        "flow_message_version", "flow_id", "flow_name", "flow_cta", "mode", "flow_token", "flow_action",
        "flow_action_payload",
    )  # fmt: skip
    flow.choice("flow_message_version", ("3",))
    flow.text("flow_cta", FLOW_TITLE)
    if flow.has("flow_id") == flow.has("flow_name"):
        flow.wrong("Must have exactly one of flow_id and flow_name.")
    for name, most in (("flow_id", 64), ("flow_name", 200), ("flow_token", FLOW_TOKEN)):
        flow.text(name, most, needed=False)
    flow.choice("mode", ("draft", "published"), needed=False)
    way = flow.choice("flow_action", ("navigate", "data_exchange"), needed=False)
    payload = flow.object("flow_action_payload", needed=False)
    if payload is None:
        return
    if way == "data_exchange":
        payload.wrong("Goes with flow_action navigate only.")
    payload.only("screen", "data")
    payload.text("screen", 200)
    if (data := payload.object("data", needed=False)) is not None and not data.value:
        data.wrong("Must not be empty.")


def _product(action: Place) -> None:
    action.only("catalog_id", "product_retailer_id")
    action.text("catalog_id", CATALOG_ID)
    action.text("product_retailer_id", CATALOG_ID)


def _products(action: Place) -> None:
    action.only("catalog_id", "sections")
    action.text("catalog_id", CATALOG_ID)
    count = 0
    for section in _sections(action, "product_items"):
        for item in section.items("product_items", PRODUCTS):
            item.only("product_retailer_id")
            item.text("product_retailer_id", CATALOG_ID)
            count += 1
    if count > PRODUCTS:
        action.wrong(f"All sections together may have at most {PRODUCTS} products; they have {count}.", "sections")


def _catalog(action: Place) -> None:
    if (parameters := _parameters(action, "catalog_message", needed=False)) is not None:
        parameters.only("thumbnail_product_retailer_id")
        parameters.text("thumbnail_product_retailer_id", CATALOG_ID, needed=False)


def _carousel(action: Place) -> None:
    action.only("cards")
    cards = action.items("cards", CARDS, least=FEWEST_CARDS)
    sorts = set()
    for place, card in enumerate(cards):
        card.only("card_index", "type", "header", "body", "action")
        index = card.value.get("card_index")
        if index != place or isinstance(index, bool):
            card.wrong(f"Must be the card's place: {place}.", "card_index")
        sort = card.choice("type", ("cta_url", "product"))
        sorts.add(sort)
        if (header := card.object("header", needed=sort == "cta_url")) is not None:
            _header_of(header, ("image", "video"))
        if (body := card.object("body", needed=False)) is not None:
            body.only("text")
            body.text("text", BODY)
        if (part := card.object("action")) is not None and sort is not None:
            (_link if sort == "cta_url" else _product)(part)
    if len(sorts - {None}) > 1:
        action.wrong("All cards must be of one type.", "cards")


def _address(action: Place) -> None:
    parameters = _parameters(action, "address_message")
    if parameters is None:
        return
    parameters.only("country", "values", "saved_addresses", "validation_errors")
    parameters.choice("country", ADDRESS_COUNTRIES)
    parameters.object("values", needed=False)
    parameters.object("validation_errors", needed=False)
    for saved in parameters.items("saved_addresses", ROWS, needed=False):
        saved.only("id", "value")
        saved.text("id", ROW_ID)
        saved.object("value")


_TYPES: dict[str, _Type] = {
    "button": _Type(_buttons, _ANY_HEADER),
    "list": _Type(_list, ("text",), body=LIST_BODY),
    "cta_url": _Type(_link, _ANY_HEADER),
    "location_request_message": _Type(_location_request, footer=False),
    "flow": _Type(_flow, _ANY_HEADER),
    "product": _Type(_product, needs_body=False),
    "product_list": _Type(_products, ("text",), needs_header=True),
    "catalog_message": _Type(_catalog),
    "carousel": _Type(_carousel, footer=False),
    "address_message": _Type(_address, _ANY_HEADER),
}

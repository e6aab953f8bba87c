"""Whether the components of a send fit the stored template: counts, names, kinds and buttons, as Meta checks them.

Source: Meta's template messages reference (errors 132000, 132005, 132012, 132018 at send time).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from libs.graph.places import Place, Problem
from libs.graph.template_values import (
    BUTTONS,
    CODE_LIMIT,
    HEADERS,
    PARAMETER_LIMIT,
    offer_value,
    one_value,
    tap_target_value,
    text_value,
)

MOST_PARAMETERS = 50  # of one component; a text of 1,024 characters holds far fewer variables
COMPONENTS = ("header", "body", "button", "carousel", "limited_time_offer", "tap_target_configuration")
IN_A_CARD = ("header", "body", "button")
OFFER = "limited_time_offer"
TAP_TARGET = "tap_target_configuration"

_BUTTON = re.compile(r"[0-9]{1,3}")
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_ONE_TIME_CODE = "otp_type="  # in the address that Meta stores an OTP button with

Parts = Mapping[str, Mapping[str, Any]]


def problems(
    stored: Sequence[Mapping[str, Any]], parameter_format: str, given: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    """Return what does not fit between the stored components and those of a send; empty where all is well."""
    found: list[Problem] = []
    places = Place({"components": given}, "", found).items("components", max(len(given), 1), least=0)
    _Fit(stored, parameter_format.upper() == "NAMED", COMPONENTS).check(places, Place({}, "components", found))
    return found


def variables(text: str) -> list[str]:
    """Return the variables of a text, in order of their first use."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


class _Fit:
    """A stored template, or one card of its carousel, against what a send gives for it."""

    def __init__(self, stored: Sequence[Mapping[str, Any]], named: bool, kinds: tuple[str, ...]) -> None:
        self._parts: Parts = {str(part.get("type", "")).upper(): part for part in stored}
        self._named = named
        self._kinds = kinds
        self._buttons: list[Mapping[str, Any]] = list(self._parts.get("BUTTONS", {}).get("buttons", []))
        self._code: str | None = None

    def check(self, components: Sequence[Place], whole: Place) -> None:
        """Note what does not fit; what is missing is noted at the whole."""
        seen: set[tuple[str, str]] = set()
        for component in components:
            kind = str(component.value.get("type", "")).lower()
            if kind not in self._kinds:
                component.wrong(f"Must be one of {', '.join(self._kinds)}.", "type")
                continue
            place = (kind, str(component.value.get("index", "")) if kind == "button" else "")
            if place in seen:
                component.wrong("This component is given twice.")
                continue
            seen.add(place)
            component.only("type", *_FIELDS.get(kind, ("parameters",)))
            self._component(kind, component)
        self._missing(seen, whole)

    def _component(self, kind: str, component: Place) -> None:
        if kind == "carousel":
            self._carousel(component)
            return
        before = component.problems
        parameters = component.items("parameters", MOST_PARAMETERS, least=0, needed=False)
        if component.problems > before:
            return
        if kind == "body":
            self._body(component, parameters)
        elif kind == "header":
            self._header(component, parameters)
        elif kind == "button":
            self._button(component, parameters)
        elif kind == OFFER:
            self._offer(component, parameters)
        else:
            one_value(component, parameters, TAP_TARGET, tap_target_value, "It")

    def _body(self, component: Place, parameters: list[Place]) -> None:
        wanted = self._body_variables()
        if wanted is None:
            component.wrong("The template has no body with variables.")
            return
        shown = self._texts(component, wanted, parameters)
        if self._is_one_time_code() and "1" in shown:
            self._code = shown["1"]
            if len(self._code) > CODE_LIMIT:
                parameters[0].wrong(f"A one-time code has at most {CODE_LIMIT} characters.", "text")
        hydrated = _VARIABLE.sub(lambda found: shown.get(found[1], ""), str(self._parts["BODY"].get("text", "")))
        if len(hydrated) > PARAMETER_LIMIT:
            words = f"The body with its values may have at most {PARAMETER_LIMIT} characters; it has {len(hydrated)}."
            component.wrong(words, "parameters")

    def _body_variables(self) -> list[str] | None:
        body = self._parts.get("BODY")
        if body is None:
            return None
        if "add_security_recommendation" in body and "text" not in body:  # Meta's own text, with the code in it
            return ["1"]
        return variables(str(body.get("text", "")))

    def _is_one_time_code(self) -> bool:
        return "add_security_recommendation" in self._parts.get("BODY", {}) or any(
            str(button.get("type", "")).upper() == "OTP" or _ONE_TIME_CODE in str(button.get("url", ""))
            for button in self._buttons
        )

    def _texts(self, component: Place, wanted: list[str], parameters: list[Place]) -> dict[str, str]:
        """Read the values of a text's variables; -> what each is shown as, the wrong ones left out."""
        if len(parameters) != len(wanted):
            words = f"The template takes {_many(len(wanted))} here; given: {len(parameters)}."
            component.wrong(words, "parameters")
            return {}
        names = list(wanted)
        if not self._named:
            for parameter in parameters:
                if "parameter_name" in parameter.value:
                    words = f"The template's variables are numbers ({', '.join(wanted)}): values go by their order."
                    parameter.wrong(words, "parameter_name")
        if self._named:
            names = [str(parameter.value.get("parameter_name")) for parameter in parameters]
            if sorted(names) != sorted(wanted):
                words = f"Each needs a parameter_name; the template has {', '.join(wanted)}."
                component.wrong(words, "parameters")
        values = [(name, text_value(parameter)) for name, parameter in zip(names, parameters, strict=True)]
        return {name: text for name, text in values if text is not None}

    def _header(self, component: Place, parameters: list[Place]) -> None:
        header = self._parts.get("HEADER")
        if header is None:
            component.wrong("The template has no header.")
            return
        form = str(header.get("format", "")).upper()
        if form == "TEXT":
            self._texts(component, variables(str(header.get("text", ""))), parameters)
        elif (known := HEADERS.get(form)) is not None:
            one_value(component, parameters, *known, "The header")
        # any other form is one that we do not know: Meta decides

    def _button(self, component: Place, parameters: list[Place]) -> None:
        index = str(component.value.get("index", ""))
        if not _BUTTON.fullmatch(index) or int(index) >= len(self._buttons):
            component.wrong(f"Must be the place of a button, from 0; the template has {len(self._buttons)}.", "index")
            return
        button = self._buttons[int(index)]
        kind = str(button.get("type", "")).upper()
        known = BUTTONS.get(kind)
        if known is None or (kind == "URL" and not variables(str(button.get("url", "")))):
            component.wrong("This button takes no parameters.")
            return
        sub_type, parameter, read = known
        if str(component.value.get("sub_type", "")).lower() != sub_type:
            component.wrong(f"The button takes sub_type {sub_type}.", "sub_type")
        one_value(component, parameters, parameter, read, "The button")
        said = parameters[0].value.get("text") if parameters and parameter == "text" else None
        if self._is_one_time_code() and self._code is not None and isinstance(said, str) and said != self._code:
            parameters[0].wrong("Must be the one-time code of the body: it is sent twice.", "text")

    def _offer(self, component: Place, parameters: list[Place]) -> None:
        if OFFER.upper() not in self._parts:
            component.wrong("The template has no limited-time offer.")
        elif self._offer_ends() or parameters:
            one_value(component, parameters, OFFER, offer_value, "The offer")

    def _offer_ends(self) -> bool:
        offer = self._parts.get(OFFER.upper(), {}).get(OFFER)
        return isinstance(offer, Mapping) and bool(offer.get("has_expiration"))

    def _carousel(self, component: Place) -> None:
        stored = self._parts.get("CAROUSEL", {}).get("cards", [])
        given = component.value.get("cards")
        if not isinstance(given, list) or len(given) != len(stored) or not stored:
            component.wrong(f"The template takes {len(stored)} cards.", "cards")
            return
        for index, card in enumerate(component.items("cards", len(stored))):
            card.only("card_index", "components")
            if card.value.get("card_index") != index:
                card.wrong(f"Must be the card's place: {index}.", "card_index")
            parts = card.items("components", MOST_PARAMETERS, least=0, needed=False)
            fit = _Fit(stored[index].get("components", []), self._named, IN_A_CARD)
            fit.check(parts, card.below("components"))

    def _missing(self, seen: set[tuple[str, str]], whole: Place) -> None:
        body = self._body_variables()
        if body and ("body", "") not in seen:
            whole.wrong(f"The template's body takes {_many(len(body))}; none are given.")
        header = self._parts.get("HEADER", {})
        form = str(header.get("format", "")).upper()
        needed = form in HEADERS or (form == "TEXT" and variables(str(header.get("text", ""))))
        if needed and ("header", "") not in seen:
            whole.wrong("The template's header takes a parameter; none is given.")
        for index, button in enumerate(self._buttons):
            if _needs_value(button) and ("button", str(index)) not in seen:
                whole.wrong(f"Button {index} of the template takes a parameter; none is given.")
        if "CAROUSEL" in self._parts and ("carousel", "") not in seen:
            whole.wrong("The template takes a carousel; none is given.")
        if self._offer_ends() and (OFFER, "") not in seen:
            whole.wrong("The template's offer takes its end (limited_time_offer); none is given.")


_FIELDS = {"button": ("sub_type", "index", "parameters"), "carousel": ("cards",)}


def _needs_value(button: Mapping[str, Any]) -> bool:
    kind = str(button.get("type", "")).upper()
    return kind in ("COPY_CODE", "OTP", "MPM") or (kind == "URL" and bool(variables(str(button.get("url", "")))))


def _many(count: int) -> str:
    return "1 parameter" if count == 1 else f"{count} parameters"

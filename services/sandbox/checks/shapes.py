"""The Graph API's own check of parameters: kinds, lengths, unexpected keys, in its wording (code 100)."""

from collections.abc import Iterable
from typing import Any

from services.sandbox.errors import bad_parameter


def at(path: str, key: str | int) -> str:
    """Return the name of a nested parameter: `template['language']['code']`, `cards[0]`."""
    if not path:
        return str(key)
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}['{key}']"


def required(holder: dict[str, Any], path: str, key: str) -> Any:
    """Return a parameter that must be there; raises GraphError 100 when it is missing or null."""
    value = holder.get(key)
    if value is None:
        raise bad_parameter(f"The parameter {at(path, key)} is required.")
    return value


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return the value when it is an object."""
    if not isinstance(value, dict):
        raise bad_parameter(f"Param {name} must be a JSON object.")
    return value


def sequence(value: Any, name: str, most: int, least: int = 0) -> list[Any]:
    """Return the value when it is an array of `least` to `most` items."""
    if not isinstance(value, list):
        raise bad_parameter(f"Param {name} must be an array.")
    if len(value) < least:
        raise bad_parameter(f"Param {name} must have at least {least} elements.")
    if len(value) > most:
        raise bad_parameter(f"Param {name} must have at most {most} elements.")
    return value


def string(value: Any, name: str, most: int | None = None, least: int = 1) -> str:
    """Return the value when it is a string of `least` to `most` characters."""
    if not isinstance(value, str):
        raise bad_parameter(f"Param {name} must be a string.")
    if len(value) < least:
        raise bad_parameter(f"Param {name} must be at least {least} characters long.")
    if most is not None and len(value) > most:
        raise bad_parameter(f"Param {name} must be at most {most} characters long.")
    return value


def boolean(value: Any, name: str) -> bool:
    """Return the value when it is true or false."""
    if not isinstance(value, bool):
        raise bad_parameter(f"Param {name} must be a boolean.")
    return value


def one_of(value: Any, name: str, choices: Iterable[str]) -> str:
    """Return the choice that the value names, whatever its case, as the choices spell it."""
    known = {choice.lower(): choice for choice in choices}
    found = known.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        listed = ", ".join(sorted(choice.upper() for choice in known))
        raise bad_parameter(f'Param {name} must be one of {{{listed}}} - got "{value}".')
    return found


def only(holder: dict[str, Any], path: str, allowed: frozenset[str]) -> None:
    """Refuse keys that the Graph does not know there."""
    for key in holder:
        if key not in allowed:
            raise bad_parameter(f'Unexpected key "{key}" on param "{path}".')

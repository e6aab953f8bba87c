"""Whether a changed JSON Schema still keeps the promises of its version: additions only, nothing taken back.

Within a version a property is not removed or renamed, none becomes required, none that was always there becomes
optional, and nothing that was allowed becomes forbidden (types, enum values, lengths, ranges, patterns).
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# Each limit, and whether a new value is stricter than the old one.
LOWER_LIMITS = ("minLength", "minimum", "exclusiveMinimum", "minItems")
UPPER_LIMITS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
EXACT = ("pattern", "format")


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return one sentence for each way in which the new schema breaks what the old one promised."""
    return list(_compare(old, new, old, new, "the value"))


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    old_kinds, new_kinds = _alternatives(old, old_root), _alternatives(new, new_root)
    for kind in old_kinds:
        problems = [list(_compare_kind(kind, other, old_root, new_root, place)) for other in new_kinds]
        if [] not in problems:
            yield from min(problems, key=len)


def _compare_kind(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    if not _types(old) <= _types(new):
        yield f"{place}: was {_named(old)}, is now {_named(new)}"
        return
    yield from _compare_values(old, new, place)
    yield from _compare_limits(old, new, place)
    yield from _compare_properties(old, new, old_root, new_root, place)
    if "items" in new:
        yield from _compare(old.get("items", {}), new["items"], old_root, new_root, f"{place}[]")
    if isinstance(new.get("additionalProperties"), dict) or new.get("additionalProperties") is False:
        yield from _compare_additional(old, new, old_root, new_root, place)


def _compare_values(old: Schema, new: Schema, place: str) -> Iterator[str]:
    allowed, before = _values(new), _values(old)
    if allowed is None:
        return
    if before is None:
        yield f"{place}: any value was allowed, now only {', '.join(map(str, allowed))}"
        return
    for value in before:
        if value not in allowed:
            yield f"{place}: the value {value} is no longer allowed"


def _compare_limits(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for name in (*LOWER_LIMITS, *UPPER_LIMITS, *EXACT):
        if name not in new or new[name] == old.get(name):
            continue
        stricter = (
            name not in old
            or name in EXACT
            or (name in LOWER_LIMITS and new[name] > old[name])
            or (name in UPPER_LIMITS and new[name] < old[name])
        )
        if stricter:
            yield f"{place}: {name} was {old.get(name, 'free')}, is now {new[name]}"


def _compare_properties(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{place}.{name}: was removed or renamed"
        else:
            yield from _compare(before[name], after[name], old_root, new_root, f"{place}.{name}")
    needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(needed_after - needed_before):
        yield f"{place}.{name}: is now required, older records do not have it"
    for name in sorted((needed_before - needed_after) & set(after)):
        yield f"{place}.{name}: was always there, older readers rely on it"


def _compare_additional(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    before, after = old.get("additionalProperties", True), new["additionalProperties"]
    if after is False and before is not False:
        yield f"{place}: further properties are no longer allowed"
    elif isinstance(after, dict) and before is not False:
        yield from _compare({} if before is True else before, after, old_root, new_root, f"{place}.*")


def _alternatives(schema: Schema, root: Schema) -> list[Schema]:
    """Return the schemas of which a value has to fit one, without references."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return [kind for one in schema[name] for kind in _alternatives(one, root)]
    return [schema]


def _types(schema: Schema) -> frozenset[str]:
    everything = ("string", "number", "integer", "boolean", "object", "array", "null")
    kinds = schema.get("type", everything)
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return frozenset(found | {"integer"} if "number" in found else found)


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _named(schema: Schema) -> str:
    return " or ".join(sorted(_types(schema))) if "type" in schema else "anything"

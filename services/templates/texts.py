"""Texts of templates: lengths, variables and their examples, as Meta checks them. Pure.

Source: Meta's reference of template components and its limits.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from libs.web.errors import FieldProblem

VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_ADJACENT = re.compile(r"\}\}\s*\{\{")
_EDGES = re.compile(r"^\s*\{\{|\}\}\s*$")


class Findings(list[FieldProblem]):
    """What is wrong with a template, in the order it was found."""

    def add(self, path: str, words: str) -> None:
        """Note one thing."""
        self.append(FieldProblem(path, words))

    def text(self, part: Mapping[str, Any], path: str, most: int, field: str = "text") -> str | None:
        """Return a text that must be there and have at most `most` characters; None, and noted, where it is not so."""
        value, where = part.get(field), f"{path}.{field}"
        if not isinstance(value, str) or not value.strip():
            self.add(where, "This field is required: a text that is not empty.")
            return None
        if len(value) > most:
            self.add(where, f"May have at most {most} characters; it has {len(value)}.")
            return None
        return value

    def objects(self, value: Any, path: str, least: int, most: int) -> Sequence[Mapping[str, Any]]:
        """Return a list of objects of a certain length; empty, and noted, where it is not so."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.add(path, "Must be a list of objects.")
            return []
        if not least <= len(value) <= most:
            self.add(path, f"Must have {least} to {most} items; it has {len(value)}.")
            return []
        return value

    def choice(self, part: Mapping[str, Any], path: str, field: str, choices: Sequence[str]) -> str | None:
        """Return a word of a closed list, in capitals; None, and noted, where it is none."""
        value = part.get(field)
        word = value.upper() if isinstance(value, str) else ""
        if word not in choices:
            self.add(f"{path}.{field}", f"Must be one of {', '.join(choices)}.")
            return None
        return word


def variables(text: str) -> list[str]:
    """Return a text's variables, each once, in order of their first use."""
    return list(dict.fromkeys(VARIABLE.findall(text)))


def check_variables(found: Findings, path: str, text: str, named: bool) -> list[str]:
    """Check how a text uses variables, and return them."""
    names = variables(text)
    if named:
        for name in names:
            if not _NAME.fullmatch(name):
                found.add(path, f"{{{{{name[:64]}}}}} is no variable's name: lower-case letters, digits, underscores.")
    elif any(not _NUMBER.fullmatch(name) for name in names):
        if all(_NAME.fullmatch(name) for name in names):
            found.add("parameter_format", f"{path} has named variables: set parameter_format to NAMED.")
        else:
            found.add(path, "Variables are {{1}}, {{2}} and so on.")
    elif sorted(map(int, names)) != list(range(1, len(names) + 1)):
        found.add(path, "Variables must be numbered from {{1}} on without a gap.")
    if "{{" in VARIABLE.sub("", text) or "}}" in VARIABLE.sub("", text):
        found.add(path, "Has braces that open or close no variable.")
    return names


def check_placement(found: Findings, path: str, text: str) -> None:
    """Check where a body has its variables."""
    if _EDGES.search(text):
        found.add(path, "May not begin or end with a variable.")
    if _ADJACENT.search(text):
        found.add(path, "Two variables need words between them.")


def check_examples(
    found: Findings, path: str, part: Mapping[str, Any], field: str, names: Sequence[str], named: bool
) -> None:
    """Check that each variable has its example (`example.body_text`, or `example.body_text_named_params`)."""
    if not names:
        return
    example = part.get("example")
    given = example if isinstance(example, dict) else {}
    if named:
        field, rows = f"{field}_named_params", given.get(f"{field}_named_params")
        there = {row.get("param_name") for row in rows if _filled(row)} if isinstance(rows, list) else set()
        if there != set(names):
            found.add(f"{path}.example.{field}", f"Needs {{param_name, example}} for each of {', '.join(names)}.")
        return
    rows = given.get(field)
    if field == "body_text" and isinstance(rows, list) and rows and isinstance(rows[0], list):
        rows = rows[0]
    if not isinstance(rows, list) or len(rows) != len(names) or not all(isinstance(row, str) and row for row in rows):
        found.add(f"{path}.example.{field}", f"Needs an example for each variable: {len(names)} texts.")


def _filled(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("example"), str) and bool(row["example"])

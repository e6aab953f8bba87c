"""Runbooks name only what exists: a page that sends somebody to a panel or command that is gone costs minutes."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy.local.services import present_services, variables_of
from deploy.local.settings import LocalSettings
from deploy.local.topic_settings import TopicSettings
from libs.runtime.settings import PREFIX
from services.console.__main__ import command_line
from services.console.settings import ConsoleSettings
from tests.support.asking import DEPLOY, boards
from tests.support.metric_names import known_labels, selectors

PAGES = sorted((DEPLOY / "runbooks").glob("*.md"))
BOOKS = [*PAGES, *DEPLOY.glob("*.md"), DEPLOY.parent / "README.md", DEPLOY.parent / "CHANGELOG.md"]
WHOLE = re.compile(r"`(?:\.venv/bin/)?wabus ([a-z][^`]*)`")
COMMAND = re.compile(r"`wabus ([a-z][a-z -]*[a-z])")
CODE = re.compile(r"`([^`]+)`")
SETTING = re.compile(r"\bWABUS_[A-Z_]*[A-Z]\b")
ITALIC = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)")
LINK = re.compile(r"\]\(([^)]+)\)")


@cache
def settings() -> set[str]:
    kinds = (LocalSettings, TopicSettings, ConsoleSettings)
    local = {PREFIX + name.upper() for kind in kinds for name in kind.model_fields}
    return local.union(*(variables_of(service.name) for service in present_services()))


def names_a_command(words: list[str]) -> bool:
    """Tell whether the words begin with a command of the command line, with its subcommand where it has some."""
    known = typer.main.get_command(command_line(words))
    for word in words:
        commands = getattr(known, "commands", None)
        if commands is None:
            return True
        if word not in commands:
            return False
        known = commands[word]
    return True


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_runbook_names_only_what_exists(path: Path) -> None:
    text = path.read_text()
    assert set(SETTING.findall(text)) <= settings()
    assert [words for words in COMMAND.findall(text) if not names_a_command(words.split())] == []
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []
    for selector in [found for span in CODE.findall(text) for found in selectors(span)]:
        assert selector.labels <= known_labels(selector.metric), selector


def unknown_options(words: list[str]) -> list[str]:
    """Return the options that the command, which the words begin with, does not have."""
    known: Any = typer.main.get_command(command_line(words))
    for word in words:
        if word in (getattr(known, "commands", None) or {}):
            known = known.commands[word]
    has = {name for param in known.params for name in param.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in has]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_commands_are_written_with_options_that_they_have(path: Path) -> None:
    said = [shown.split() for shown in WHOLE.findall(path.read_text())]
    assert [words for words in said if unknown_options(words)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_what_stands_in_italics_is_a_dashboard_or_a_panel(path: Path) -> None:
    titles = {board["title"].removeprefix("Wabus: ") for board in boards().values()} | {"consumers"}
    titles |= {panel["title"] for board in boards().values() for panel in board["panels"]}
    assert set(ITALIC.findall(path.read_text())) <= titles

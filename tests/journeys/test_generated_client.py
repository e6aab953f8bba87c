"""A client made of the served document by a public generator, as customers make theirs."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.running import Number, Stack
from tests.support.shared_stack import greet

NAME = "wabus_client_of_the_document"


@pytest.fixture(scope="module")
def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """What the generator said, and the folder with the client, which can be imported."""
    folder = tmp_path_factory.mktemp("generated")
    document = stack.http.get(stack.info["edge"] + "/openapi.json").text
    (folder / "openapi.json").write_text(document)
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [
        sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none",
        "--output-path", NAME, "--config", "config.yml",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield done.stdout + done.stderr, folder / NAME
    sys.path.remove(str(folder))


def part(name: str) -> ModuleType:
    """Import a part of the client."""
    return importlib.import_module(f"{NAME}.{name}")


def test_the_generator_finds_every_call_of_the_document(stack: Stack, made: tuple[str, Path]) -> None:
    said, folder = made
    paths = stack.http.get(stack.info["edge"] + "/openapi.json").json()["paths"]
    calls = sum(len(methods) for methods in paths.values())
    assert "Endpoint will not be generated" not in said, said  # for example where a reference leads nowhere
    assert len([each for each in folder.glob("api/*/*.py") if each.name != "__init__.py"]) == calls


def test_the_client_sends_a_message_and_reads_it(
    stack: Stack, number: Number, made: tuple[str, Path], person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    client = part("client").AuthenticatedClient(base_url=stack.info["edge"], token=stack.key)
    body = part("models.post_api_v1_whatsapp_messages_text_body").PostApiV1WhatsappMessagesTextBody
    with client as connected:
        text = body(phone_number_id=number.id, to=f"+{who}", text="hello")
        answer = part("api.default.post_api_v1_whatsapp_messages").sync_detailed(client=connected, body=text)
        assert answer.status_code == 202, answer.content
        sent: dict[str, Any] = json.loads(answer.content)
        number.reaches(sent["id"])
        read = part("api.default.get_api_v1_whatsapp_messages_message_id")
        found = read.sync_detailed(sent["id"], client=connected)
        assert json.loads(found.content)["status"] in ("delivered", "read")

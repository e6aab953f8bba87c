"""Calls that runbooks name exist in the API."""

import re

from tests.support.asking import DEPLOY
from tests.support.running import API, Stack

CALL = re.compile(r"`(GET|POST|DELETE) (/[a-z][\w/{}-]*)[`?]")


def test_the_calls_that_runbooks_name_exist(stack: Stack) -> None:
    document = stack.http.get(stack.info["edge"] + "/openapi.json").json()
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path.removeprefix(API)))
        for path, methods in document["paths"].items()
        for method in methods
    }
    text = "".join(path.read_text() for path in (DEPLOY / "runbooks").glob("*.md"))
    named = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in CALL.findall(text)}
    assert named - known == set()

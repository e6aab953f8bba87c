"""One OpenAPI document: edge's own paths and those of the services behind it."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import JsonAnswer
from services.edge.docs_page import docs_page
from services.edge.forward import Forwarder, Resource

KEY_SCHEME = {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer cm_...`."}


class ApiDocument:
    """Puts the document together; an owner that is away is left out until it is back."""

    def __init__(self, api: FastAPI, forwarder: Forwarder, resources: list[Resource]) -> None:
        self._api = api
        self._forwarder = forwarder
        self._owners = sorted({resource.owner for resource in resources})

    async def page(self, _: Request) -> Response:
        """`GET /docs`."""
        return docs_page()

    async def get(self, _: Request) -> Response:
        """`GET /openapi.json`."""
        theirs = [await self._forwarder.document(owner) for owner in self._owners]
        return JsonAnswer(put_together(self._api.openapi(), theirs))


def put_together(own: Mapping[str, Any], theirs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return edge's own document with the paths of those behind it."""
    paths = dict(own.get("paths", {}))
    components = {kind: dict(parts) for kind, parts in own.get("components", {}).items()}
    for each in theirs:
        paths |= each.get("paths", {})
        for kind, parts in each.get("components", {}).items():
            components.setdefault(kind, {}).update(parts)
    components.setdefault("securitySchemes", {})["key"] = KEY_SCHEME
    whole = {path: _without_definitions(methods, {}) for path, methods in paths.items()}
    return {**own, "paths": whole, "components": components}


def _without_definitions(said: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with its own definitions in the place of references to them.

    In a document such a reference starts at the document's top, where they are not: makers of clients then leave the
    call out.
    """
    if isinstance(said, list):
        return [_without_definitions(each, definitions) for each in said]
    if not isinstance(said, dict):
        return said
    known = definitions | said.get("$defs", {})
    name = str(said.get("$ref", "")).removeprefix("#/$defs/")
    own = {key: value for key, value in said.items() if key != "$defs" and not (key == "$ref" and name in known)}
    return {key: _without_definitions(value, known) for key, value in (known.get(name, {}) | own).items()}

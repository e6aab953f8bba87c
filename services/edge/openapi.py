"""One OpenAPI document: edge's own paths and those of the services behind it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import JsonAnswer
from services.edge.forward import Forwarder, Resource

KEY_SCHEME = {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer cm_...`."}


class ApiDocument:
    """Puts the document together; an owner that is away is left out until it is back."""

    def __init__(self, api: FastAPI, forwarder: Forwarder, resources: list[Resource]) -> None:
        self._api = api
        self._forwarder = forwarder
        self._owners = sorted({resource.owner for resource in resources})

    async def page(self, _: Request) -> Response:
        """`GET /docs`: a page to try the calls, whose script the browser fetches from the network."""
        return get_swagger_ui_html(openapi_url="/openapi.json", title="Wabus")

    async def get(self, _: Request) -> Response:
        """`GET /openapi.json`."""
        document: dict[str, Any] = dict(self._api.openapi())
        document["paths"] = dict(document.get("paths", {}))
        components = {kind: dict(parts) for kind, parts in document.get("components", {}).items()}
        for owner in self._owners:
            theirs: dict[str, Any] = await self._forwarder.document(owner)
            document["paths"] |= theirs.get("paths", {})
            for kind, parts in theirs.get("components", {}).items():
                components.setdefault(kind, {}).update(parts)
        components.setdefault("securitySchemes", {})["key"] = KEY_SCHEME
        document["components"] = components
        document["paths"] = {path: _without_definitions(methods, {}) for path, methods in document["paths"].items()}
        return JsonAnswer(document)


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

"""Calls on one object by its id: accounts, numbers, templates and media share the same path."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.checks.shapes import mapping, required, string
from services.sandbox.clock import SandboxClock
from services.sandbox.courier import Courier
from services.sandbox.errors import GraphError, bad_parameter, unknown_object
from services.sandbox.graph_http import body_of, success, who
from services.sandbox.media import MediaShelf
from services.sandbox.model import Number, Token
from services.sandbox.pricing_analytics import NAME, Books, asked_of
from services.sandbox.shown import (
    ACCOUNT_FIELDS,
    NUMBER_FIELDS,
    TEMPLATE_FIELDS,
    account_fields,
    chosen,
    number_fields,
    template_fields,
)
from services.sandbox.templates import Templates
from services.sandbox.world import World


class ObjectRoutes:
    """GET, POST and DELETE /{id}."""

    def __init__(
        self, world: World, courier: Courier, templates: Templates, media: MediaShelf, books: Books, clock: SandboxClock
    ) -> None:
        self._world, self._courier, self._templates, self._media = world, courier, templates, media
        self._books, self._clock = books, clock

    async def read(self, request: Request) -> Response:
        """GET /{id}: whatever the id belongs to."""
        token, object_id = who(self._world, request), request.path_params["object_id"]
        asked, world = request.query_params.get("fields"), self._world
        if object_id in world.accounts:
            account = world.account(token, object_id, "get")
            known = account_fields(account, world.portfolios[account.portfolio_id])
            if asked is not None and (wanted := asked_of(asked, self._clock.now())) is not None:
                known[NAME] = self._books.answer(account, wanted)
            return JSONResponse(chosen(known, asked, ACCOUNT_FIELDS))
        if object_id in world.numbers:
            number = world.number(token, object_id, "get")
            return JSONResponse(chosen(self._number(number, token), asked, NUMBER_FIELDS))
        if object_id in world.templates:
            template = self._templates.owned(token, object_id, "get")
            return JSONResponse(chosen(template_fields(template), asked, TEMPLATE_FIELDS))
        if object_id in world.media:
            return JSONResponse(self._media.describe(token, request))
        if object_id in world.apps and token.app_id == object_id:
            app = world.apps[object_id]
            return JSONResponse({"name": app.name, "id": app.id})
        raise unknown_object("get", object_id)

    async def change(self, request: Request) -> Response:
        """POST /{id}: edit a template, or a number's PIN or callback."""
        token, object_id = who(self._world, request), request.path_params["object_id"]
        body = await body_of(request)
        if object_id in self._world.numbers:
            return await self._change_number(self._world.number(token, object_id, "post"), body)
        if object_id in self._world.templates:
            self._templates.edit(self._templates.owned(token, object_id, "post"), body)
            return success()
        if object_id in self._world.accounts:
            self._world.account(token, object_id, "post")
            return success()
        raise unknown_object("post", object_id)

    async def remove(self, request: Request) -> Response:
        """DELETE /{id}: media only; templates are deleted through their account."""
        token, object_id = who(self._world, request), request.path_params["object_id"]
        if object_id not in self._world.media:
            raise unknown_object("delete", object_id)
        self._media.delete(token, request)
        return success()

    def _number(self, number: Number, token: Token) -> dict[str, object]:
        callback = self._world.apps[token.app_id].callback_url
        return number_fields(number, self._world.portfolios[number.portfolio_id], callback)

    async def _change_number(self, number: Number, body: dict[str, object]) -> Response:
        if "pin" in body:
            pin = string(body["pin"], "pin")
            if len(pin) != 6 or not pin.isdigit():
                raise bad_parameter("Param pin must be 6 characters long.")
            number.pin = pin
        elif "webhook_configuration" in body:
            await self._set_callback(number, mapping(body["webhook_configuration"], "webhook_configuration"))
        else:
            raise bad_parameter("The parameter pin is required.")
        self._world.save(number)
        return success()

    async def _set_callback(self, number: Number, wish: dict[str, object]) -> None:
        url = required(wish, "webhook_configuration", "override_callback_uri")
        if url:
            await consent(self._courier, url, wish.get("verify_token"))
        number.callback_override = str(url)


async def consent(courier: Courier, url: object, verify_token: object) -> None:
    """Perform the handshake on a callback; raises GraphError 2200 when it does not consent."""
    text = string(url, "override_callback_uri", 200)
    if not text.startswith(("https://", "http://")):
        raise bad_parameter("Param override_callback_uri is not a valid URI.")
    if not await courier.handshake(text, string(verify_token, "verify_token")):
        raise GraphError(
            2200, "(#2200) Callback verification failed with the following errors: the response does not match."
        )

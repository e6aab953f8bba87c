"""The way in: the hot route first, then everything else; the API version of a path is optional."""

import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from services.sandbox.routes.accounts import AccountRoutes
from services.sandbox.routes.apps import AppRoutes
from services.sandbox.routes.control import ControlRoutes
from services.sandbox.routes.knobs import KnobRoutes
from services.sandbox.routes.messages import PATH, MessagesRoute
from services.sandbox.routes.objects import ObjectRoutes
from services.sandbox.routes.templates import MediaRoutes, TemplateRoutes
from services.sandbox.routes.uploads import UploadRoutes
from services.sandbox.store import Store

_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")
Handler = Callable[[Request], Awaitable[Response]]


class Door:
    """The ASGI application."""

    def __init__(self, messages: MessagesRoute) -> None:
        self._messages = messages
        self._rest = Starlette()

    def mount(self, routes: list[BaseRoute]) -> None:
        """Serve these routes beside the hot one."""
        self._rest = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        path = scope["path"]
        if path[:2] == "/v" and (version := _VERSION.match(path)):
            path = path[version.end() :]
            scope = {**scope, "path": path, "raw_path": path.encode(), "version": version[0]}
        if scope["method"] == "POST" and PATH.match(path):
            await self._messages(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def graph_routes(
    answered: Callable[[Handler], Handler],
    objects: ObjectRoutes,
    accounts: AccountRoutes,
    apps: AppRoutes,
    templates: TemplateRoutes,
    media: MediaRoutes,
    uploads: UploadRoutes,
) -> list[BaseRoute]:
    """Return the Graph API's routes."""
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/debug_token", apps.debug_token),
        ("GET POST", "/oauth/access_token", apps.access_token),
        ("GET", "/{object_id}/phone_numbers", accounts.phone_numbers),
        ("POST", "/{object_id}/subscribed_apps", accounts.subscribe),
        ("GET", "/{object_id}/subscribed_apps", accounts.subscriptions),
        ("DELETE", "/{object_id}/subscribed_apps", accounts.unsubscribe),
        ("POST", "/{object_id}/register", accounts.register),
        ("POST", "/{object_id}/deregister", accounts.deregister),
        ("POST", "/{object_id}/request_code", accounts.request_code),
        ("POST", "/{object_id}/verify_code", accounts.verify_code),
        ("GET", "/{object_id}/whatsapp_business_profile", accounts.profile),
        ("POST", "/{object_id}/whatsapp_business_profile", accounts.change_profile),
        ("GET", "/{object_id}/block_users", accounts.blocked),
        ("POST DELETE", "/{object_id}/block_users", accounts.block),
        ("GET", "/{object_id}/message_templates", templates.list),
        ("POST", "/{object_id}/message_templates", templates.create),
        ("DELETE", "/{object_id}/message_templates", templates.delete),
        ("POST", "/{object_id}/media", media.upload),
        ("POST", "/{object_id}/uploads", uploads.begin),
        ("GET", "/upload:{session}", uploads.state),
        ("POST", "/upload:{session}", uploads.send),
        ("GET", "/{object_id}", objects.read),
        ("POST", "/{object_id}", objects.change),
        ("DELETE", "/{object_id}", objects.remove),
    ]
    host = Route("/_sandbox/media-host/attachment", answered(media.download), name="media-host")
    return [host, *(Route(path, answered(handler), methods=methods.split()) for methods, path, handler in table)]


def control_routes(store: Store, control: ControlRoutes, knobs: KnobRoutes) -> list[BaseRoute]:
    """Return the control side's routes."""
    table: list[tuple[str, str, Handler]] = [
        ("POST", "/accounts", control.make_account),
        ("GET", "/accounts", control.accounts),
        ("POST", "/accounts/{account_id}/events", control.event),
        ("POST", "/accounts/{account_id}/code", control.code),
        ("POST", "/user_preferences", control.prefer),
        ("POST", "/blocks", control.block),
        ("GET", "/templates", control.templates),
        ("POST", "/templates", control.install_template),
        ("POST", "/templates/{template_id}/review", control.review),
        ("GET", "/sends", control.sends),
        ("GET", "/rejects", control.rejects),
        ("POST", "/inbound", control.write),
        ("GET", "/phones", control.phones),
        ("GET", "/phones/{wa_id}", control.phone),
        ("POST", "/webhooks", control.post_webhook),
        ("GET", "/webhooks", control.webhooks),
        ("GET", "/media", control.media),
        ("GET", "/faults", knobs.faults),
        ("POST", "/faults", knobs.add_fault),
        ("DELETE", "/faults", knobs.clear_faults),
        ("DELETE", "/faults/{fault_id}", knobs.remove_fault),
        ("GET PUT", "/timing", knobs.timing),
        ("GET PUT", "/limits", knobs.limits),
        ("GET PUT", "/prices", knobs.prices),
        ("GET PUT", "/clock", knobs.clock),
    ]
    return [
        Route("/_sandbox" + path, _told(handler, store), methods=methods.split()) for methods, path, handler in table
    ]


def _told(handler: Handler, store: Store) -> Handler:
    """Answer a control call that does not fit with 400 and one sentence; what it changed is on disk by then."""

    async def route(request: Request) -> Response:
        try:
            response = await handler(request)
        except (ValueError, TypeError, KeyError) as problem:
            return JSONResponse({"error": str(problem)}, 400)
        await store.flushed()
        return response

    return route

"""The control side: what tests make, what happened, and what users do."""

import json
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.accounts import Accounts
from services.sandbox.clock import iso
from services.sandbox.delivery import Deliveries
from services.sandbox.messages import Messages
from services.sandbox.model import Account, Number
from services.sandbox.people import People
from services.sandbox.shown import template_fields
from services.sandbox.store import SendRow, Store
from services.sandbox.templates import Templates
from services.sandbox.webhooks import encode
from services.sandbox.world import World

SENDS_PAGE, SENDS_MOST = 100, 10_000  # rows of the accepted log a call, by default and at most


class ControlRoutes:
    """Accounts, templates, the accepted log, users. Raises HTTPException 404 or ValueError for what does not fit."""

    def __init__(
        self, world: World, store: Store, accounts: Accounts, templates: Templates, messages: Messages, people: People,
        deliveries: Deliveries,
    ) -> None:  # fmt: skip
        self._world, self._store, self._accounts, self._templates = world, store, accounts, templates
        self._messages, self._people, self._deliveries = messages, people, deliveries

    async def make_account(self, request: Request) -> Response:
        """POST /_sandbox/accounts."""
        return JSONResponse(self._accounts.make(await wish_of(request)))

    async def accounts(self, request: Request) -> Response:
        """GET /_sandbox/accounts."""
        return JSONResponse({"data": self._accounts.shown()})

    async def code(self, request: Request) -> Response:
        """POST /_sandbox/accounts/{id}/code: a fresh code of Embedded Signup."""
        account = self._account(request)
        app_id = str((await wish_of(request)).get("app_id") or self._world.shared_app.id)
        if app_id not in self._world.apps:
            raise ValueError("app_id is not an app of the sandbox")
        return JSONResponse({"code": self._accounts.code(account, self._world.apps[app_id])})

    async def event(self, request: Request) -> Response:
        """POST /_sandbox/accounts/{id}/events."""
        wish = await wish_of(request)
        if str(wish.get("event", "")).upper() in ("USER_STOPPED_MARKETING", "USER_RESUMED_MARKETING"):
            person = self._people.meet(wish)
            value = "stop" if "STOPPED" in str(wish["event"]).upper() else "resume"
            for number in self._world.numbers_of(self._account(request).id)[:1]:
                self._people.prefer(number, person, value)
        else:
            self._accounts.happen(self._account(request), wish)
        return JSONResponse({"ok": True})

    async def prefer(self, request: Request) -> Response:
        """POST /_sandbox/user_preferences: `{phone_number_id, from, value: stop | resume}`."""
        wish = await wish_of(request)
        number = self._world.numbers.get(str(wish.get("phone_number_id")))
        if number is None or wish.get("value") not in ("stop", "resume"):
            raise ValueError("give phone_number_id, from, and value: stop or resume")
        self._people.prefer(number, self._people.meet(wish), str(wish["value"]))
        return JSONResponse({"ok": True})

    async def block(self, request: Request) -> Response:
        """POST /_sandbox/blocks: `{phone_number_id, from, blocked}`: a user blocks a number, or lets it in again."""
        wish = await wish_of(request)
        person = self._people.meet(wish)
        number_id = str(wish.get("phone_number_id"))
        kept = set(person.blocked) - {number_id}
        person.blocked = sorted(kept | {number_id} if wish.get("blocked", True) else kept)
        self._world.save(person)
        return JSONResponse({"ok": True})

    async def sends(self, request: Request) -> Response:
        """GET /_sandbox/sends: the accepted log in order of arrival, after a `seq`."""
        after, limit = _whole(request, "after", 0), min(_whole(request, "limit", SENDS_PAGE), SENDS_MOST)
        rows = ",".join(_row(row) for row in self._store.sends_after(after, limit))
        return Response(f'{{"data":[{rows}]}}', media_type="application/json")

    async def rejects(self, request: Request) -> Response:
        """GET /_sandbox/rejects: the latest refused sends, oldest first."""
        return JSONResponse({"data": list(self._messages.rejects)})

    async def write(self, request: Request) -> Response:
        """POST /_sandbox/inbound: a user writes."""
        return JSONResponse(self._people.write(await wish_of(request)))

    async def phones(self, request: Request) -> Response:
        """GET /_sandbox/phones."""
        return JSONResponse({"data": self._people.phones(min(_whole(request, "limit", 100), 1000))})

    async def phone(self, request: Request) -> Response:
        """GET /_sandbox/phones/{wa_id}."""
        return JSONResponse(self._people.phone(request.path_params["wa_id"].lstrip("+")))

    async def templates(self, request: Request) -> Response:
        """GET /_sandbox/templates, optionally of one `waba_id`; newest first."""
        waba_id = request.query_params.get("waba_id")
        found = [template for template in self._world.templates.values() if waba_id in (None, template.waba_id)]
        return JSONResponse({"data": [template_fields(t) | {"waba_id": t.waba_id} for t in found[::-1]]})

    async def install_template(self, request: Request) -> Response:
        """POST /_sandbox/templates: one template, or `{"templates": [...]}`, without Meta's checks."""
        wish = await wish_of(request)
        made = []
        for item in wish.get("templates") or [wish]:
            waba_id = str(item.get("waba_id") or wish.get("waba_id"))
            if waba_id not in self._world.accounts or not item.get("name"):
                raise ValueError("each template needs the waba_id of an account and a name")
            made.append({"id": self._templates.install(waba_id, item).id, "name": item["name"]})
        return JSONResponse({"data": made, "id": made[0]["id"]})

    async def review(self, request: Request) -> Response:
        """POST /_sandbox/templates/{id}/review."""
        template = self._world.templates.get(request.path_params["template_id"])
        if template is None:
            raise HTTPException(404, "no such template")
        self._templates.review(template, await wish_of(request))
        return JSONResponse(template_fields(template))

    async def post_webhook(self, request: Request) -> Response:
        """POST /_sandbox/webhooks: deliver a given body, signed; it is posted as it is, once, to the callback."""
        raw = await request.body()
        app_id = request.query_params.get("app_id") or self._world.shared_app.id
        if app_id not in self._world.apps:
            raise ValueError("app_id is not an app of the sandbox")
        app = self._world.apps[app_id]
        url = request.query_params.get("url") or app.callback_url
        return JSONResponse({"result": await self._deliveries.deliver_raw(url, raw, app)})

    async def webhooks(self, request: Request) -> Response:
        """GET /_sandbox/webhooks: the latest attempts, newest first, and how much is not settled."""
        shown = self._deliveries.shown(min(_whole(request, "limit", 100), 500))
        return JSONResponse({"pending": self._deliveries.pending(), "data": shown})

    async def media(self, request: Request) -> Response:
        """GET /_sandbox/media: the files of all numbers, newest first."""
        found = list(self._world.media.values())[::-1]
        return JSONResponse({"data": [asdict(media) | {"expires_at": iso(media.expires_at)} for media in found]})

    def _account(self, request: Request) -> Account:
        """Return the account that a path names by its own id or by a number's."""
        given = request.path_params["account_id"]
        number: Number | None = self._world.numbers.get(given)
        account = self._world.accounts.get(number.waba_id if number else given)
        if account is None:
            raise HTTPException(404, "no such account")
        return account


async def wish_of(request: Request) -> dict[str, Any]:
    """Read a control call's body: a JSON object, or nothing at all. Raises ValueError otherwise."""
    raw = await request.body()
    wish = json.loads(raw) if raw.strip() else {}
    if not isinstance(wish, dict):
        raise ValueError("the body is a JSON object")
    return wish


def _row(row: SendRow) -> str:
    """Return a row of the accepted log as JSON; the body goes in as it came."""
    head = encode({
        "seq": row.seq, "at": iso(row.at), "phone_number_id": row.number_id, "to": row.person, "type": row.type,
        "biz_opaque_callback_data": row.callback, "wamid": row.wamid, "outcome": row.outcome,
    })  # fmt: skip
    return f'{head[:-1]},"body":{row.body}}}'


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if text and not text.isdigit():
        raise ValueError(f"{name} is a whole number")
    return int(text) if text else default

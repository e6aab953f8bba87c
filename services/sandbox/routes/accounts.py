"""Edges of accounts and numbers: phone_numbers, subscribed_apps, register and deregister, the business profile."""

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.behaviour import Limits
from services.sandbox.checks.message import check_product
from services.sandbox.checks.shapes import one_of, required, sequence, string
from services.sandbox.clock import SandboxClock
from services.sandbox.courier import Courier
from services.sandbox.errors import bad_parameter, refusal
from services.sandbox.graph_http import body_of, success, who
from services.sandbox.identifiers import canonical, digits_of
from services.sandbox.model import Number
from services.sandbox.paging import page_of
from services.sandbox.routes.objects import consent
from services.sandbox.shown import NUMBER_FIELDS, chosen, number_fields
from services.sandbox.world import World

REGISTRATIONS, REGISTRATION_SPAN = 10, 72 * 3600.0  # Meta: at most ten of a number in 72 hours
_PROFILE_LIMITS = {"about": 139, "address": 256, "description": 512, "email": 128}  # characters, Meta's
_PROFILE = ("about", "address", "description", "email", "profile_picture_url", "websites", "vertical")


class AccountRoutes:
    """What hangs on an account or a number and is neither a message nor a template."""

    def __init__(self, world: World, clock: SandboxClock, courier: Courier, limits: Limits) -> None:
        self._world, self._clock, self._courier, self._limits = world, clock, courier, limits

    async def phone_numbers(self, request: Request) -> Response:
        """GET /{WABA}/phone_numbers."""
        token = who(self._world, request)
        account = self._world.account(token, request.path_params["object_id"], "get")
        portfolio, callback = self._world.portfolios[account.portfolio_id], self._world.apps[token.app_id].callback_url
        asked = request.query_params.get("fields")
        numbers = [
            chosen(number_fields(number, portfolio, callback), asked, NUMBER_FIELDS)
            for number in self._world.numbers_of(account.id)
        ]
        return page_of(numbers, request)

    async def subscribe(self, request: Request) -> Response:
        """POST /{WABA}/subscribed_apps: the calling token's app, with an optional callback of its own."""
        token = who(self._world, request)
        account = self._world.account(token, request.path_params["object_id"], "post")
        body = await body_of(request)
        override = body.get("override_callback_uri") or ""
        if override:
            await consent(self._courier, override, body.get("verify_token"))
        account.subscriptions[token.app_id] = str(override)
        self._world.save(account)
        return success()

    async def subscriptions(self, request: Request) -> Response:
        """GET /{WABA}/subscribed_apps."""
        token = who(self._world, request)
        account = self._world.account(token, request.path_params["object_id"], "get")
        data = []
        for app_id, override in account.subscriptions.items():
            app = self._world.apps[app_id]
            link = f"https://www.facebook.com/games/?app_id={app.id}"
            row: dict[str, object] = {"whatsapp_business_api_data": {"link": link, "name": app.name, "id": app.id}}
            data.append(row | ({"override_callback_uri": override} if override else {}))
        return JSONResponse({"data": data})

    async def unsubscribe(self, request: Request) -> Response:
        """DELETE /{WABA}/subscribed_apps: only the calling token's app."""
        token = who(self._world, request)
        account = self._world.account(token, request.path_params["object_id"], "delete")
        account.subscriptions.pop(token.app_id, None)
        self._world.save(account)
        return success()

    async def register(self, request: Request) -> Response:
        """POST /{PNID}/register: sets the PIN when there is none, else it must be the same."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "post")
        body = await body_of(request)
        check_product(body)
        pin = string(required(body, "", "pin"), "pin")
        if len(pin) != 6 or not pin.isdigit():
            raise bad_parameter("Param pin must be 6 characters long.")
        if not number.verified:
            raise refusal(133006, "Phone number needs to be verified before registering.")
        self._count_registration(number)
        if number.pin is not None and number.pin != pin:
            raise refusal(133005, "Two step verification PIN mismatch.")
        number.pin, number.registered, number.last_onboarded = pin, True, self._clock.now()
        self._world.save(number)
        return success()

    async def deregister(self, request: Request) -> Response:
        """POST /{PNID}/deregister: the number cannot send until it is registered again."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "post")
        self._count_registration(number)
        number.registered = False
        self._world.save(number)
        return success()

    async def request_code(self, request: Request) -> Response:
        """POST /{PNID}/request_code: a code goes to the number; the control side shows it."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "post")
        body = await body_of(request)
        one_of(required(body, "", "code_method"), "code_method", ("SMS", "VOICE"))
        string(required(body, "", "language"), "language", 10)
        if number.verified:
            raise refusal(136024, "The phone number is verified already.")
        number.code = f"{secrets.randbelow(10**6):06d}"
        self._world.save(number)
        return success()

    async def verify_code(self, request: Request) -> Response:
        """POST /{PNID}/verify_code: the code that was sent, once."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "post")
        code = str(required(await body_of(request), "", "code")).replace("-", "")
        if number.code is None or code != number.code:
            raise refusal(136025, "The verification code is wrong or was not requested.")
        number.code, number.verified = None, True
        self._world.save(number)
        return success()

    async def profile(self, request: Request) -> Response:
        """GET /{PNID}/whatsapp_business_profile."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "get")
        asked = (request.query_params.get("fields") or ",".join(_PROFILE)).split(",")
        profile = {"vertical": "UNDEFINED"} | number.profile  # Meta's word for a business that named none
        shown = {name: profile[name] for name in asked if name in profile}
        return JSONResponse({"data": [shown | {"messaging_product": "whatsapp"}]})

    async def change_profile(self, request: Request) -> Response:
        """POST /{PNID}/whatsapp_business_profile."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "post")
        body = await body_of(request)
        check_product(body)
        number.profile |= _profile_changes(body)
        self._world.save(number)
        return success()

    async def blocked(self, request: Request) -> Response:
        """GET /{PNID}/block_users: whom the business has blocked."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "get")
        rows = [{"messaging_product": "whatsapp", "wa_id": person} for person in number.blocked]
        return page_of(rows, request)

    async def block(self, request: Request) -> Response:
        """POST and DELETE /{PNID}/block_users."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], request.method)
        body = await body_of(request)
        check_product(body)
        users = sequence(required(body, "", "block_users"), "block_users", 1000, 1)
        added = []
        for user in users:
            digits = digits_of(string(user.get("user") if isinstance(user, dict) else None, "block_users['user']"))
            if digits is None:
                raise refusal(131009, "block_users['user'] is not a valid phone number.")
            added.append({"input": user["user"], "wa_id": canonical(digits)})
        name = "added_users" if request.method == "POST" else "removed_users"
        named = {row["wa_id"] for row in added}
        rest = [person for person in number.blocked if person not in named]
        number.blocked = rest + sorted(named) if request.method == "POST" else rest
        self._world.save(number)
        return JSONResponse({"messaging_product": "whatsapp", "block_users": {name: added}})

    def _count_registration(self, number: Number) -> None:
        now = self._clock.now()
        number.registrations = [at for at in number.registrations if at > now - REGISTRATION_SPAN]
        if self._limits.registrations and len(number.registrations) >= REGISTRATIONS:
            raise refusal(133016, "There were too many registration attempts for this phone number.")
        number.registrations.append(now)
        self._world.save(number)


def _profile_changes(body: dict[str, object]) -> dict[str, object]:
    """Return the fields of a profile that a call changes; raises GraphError where one is too long."""
    changes = {name: body[name] for name in _PROFILE if name in body and name != "profile_picture_url"}
    for name, most in _PROFILE_LIMITS.items():
        if name in changes:
            string(changes[name], name, most, least=1 if name == "about" else 0)
    for url in sequence(changes.get("websites", []), "websites", 2):
        string(url, "websites", 256)
    if body.get("profile_picture_handle"):
        changes["profile_picture_url"] = "https://pps.whatsapp.net/" + str(body["profile_picture_handle"])[:32]
    return changes

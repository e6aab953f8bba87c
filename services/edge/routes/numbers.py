"""One number: read it, ask Meta again, its profile, verification, registration, two-step PIN and blocked users."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from libs.requests.bodies import Pin, Plain, Recipient
from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import page_limit
from services.edge import views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.number_desk import NumberDesk
from services.edge.routes.endpoint import Endpoint

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{1,250}$")]

# Meta's kinds of business.
VERTICALS = (
    "ALCOHOL", "APPAREL", "AUTO", "BEAUTY", "EDU", "ENTERTAIN", "EVENT_PLAN", "FINANCE", "GOVT", "GROCERY", "HEALTH",
    "HOTEL", "NONPROFIT", "ONLINE_GAMBLING", "OTC_DRUGS", "OTHER", "PHYSICAL_GAMBLING", "PROF_SERVICES", "RESTAURANT",
    "RETAIL", "TRAVEL",
)  # fmt: skip


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileBody(_Body):
    """`PATCH /phone_numbers/{phone_id}/profile`: only what is given changes. Limits are Meta's."""

    about: Annotated[Plain | None, Field(min_length=1, max_length=139)] = None
    address: Annotated[Plain | None, Field(max_length=256)] = None
    description: Annotated[Plain | None, Field(max_length=512)] = None
    email: Annotated[Plain | None, Field(max_length=128, pattern=r"^[^@\s]+@[^@\s]+$")] = None
    websites: Annotated[list[Url] | None, Field(max_length=2)] = None
    vertical: Annotated[Literal[VERTICALS] | None, Field(description="Meta's kind of business.")] = None  # type: ignore[valid-type]  # a tuple of literals
    profile_picture_handle: Annotated[Plain | None, Field(min_length=1, max_length=4096)] = None


class CodeRequestBody(_Body):
    """`POST /phone_numbers/{phone_id}/request_code`: how the code comes, and in which language."""

    method: Annotated[Literal["SMS", "VOICE"], Field(description="How Meta sends the code.")] = "SMS"
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$", description="For example `en_US`.")] = "en_US"


class CodeBody(_Body):
    """`POST /phone_numbers/{phone_id}/verify_code`: the code that came."""

    code: Annotated[str, Field(pattern=r"^[0-9]{3}-?[0-9]{3}$", description="Six digits, with or without a hyphen.")]


class RegisterBody(_Body):
    """`POST /phone_numbers/{phone_id}/register`: without a PIN the one that we keep is used, or a new one made."""

    pin: Annotated[Pin | None, Field(description="Six digits.")] = None


class PinBody(_Body):
    """`POST /phone_numbers/{phone_id}/two_step_pin`: the new PIN."""

    pin: Annotated[Pin, Field(description="Six digits.")]


class BlockBody(_Body):
    """`POST /phone_numbers/{phone_id}/blocked_users`: whom to block."""

    users: Annotated[list[Recipient], Field(min_length=1, max_length=100, description="Phone numbers or user ids.")]


class LinkBotBody(_Body):
    """`POST /phone_numbers/{phone_id}/link-bot`: the bot that answers there, or null for none."""

    bot_id: Annotated[str | None, Field(max_length=64, description="One of your bots (a UUID), or null.")]


class AutoreplyBody(_Body):
    """`POST /phone_numbers/{phone_id}/autoreply`: whether the number's bot answers."""

    enabled: Annotated[StrictBool, Field(description="Without a bot the number stays silent.")]


class NumberRoutes:
    """`/phone_numbers/{phone_id}` and what hangs on it."""

    def __init__(self, desk: NumberDesk) -> None:
        self._desk = desk

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        one = f"{base}/phone_numbers/{{phone_id}}"
        page = (("limit", "1 to 100, default 20."), ("after", "The cursor that the page before named."))
        return [
            Endpoint("GET", one, Scope.READ, self.get, "Read a number: quality, limits, and why it cannot send."),
            Endpoint("POST", f"{one}/refresh", Scope.WRITE, self.refresh, "Read the number from Meta now."),
            Endpoint("GET", f"{one}/profile", Scope.READ, self.profile, "Read the business profile."),
            Endpoint(
                "PATCH", f"{one}/profile", Scope.WRITE, self.change_profile, "Change the business profile.",
                body=ProfileBody,
            ),
            Endpoint(
                "POST", f"{one}/request_code", Scope.WRITE, self.request_code, "Have Meta send a verification code.",
                body=CodeRequestBody, success=202,
            ),
            Endpoint(
                "POST", f"{one}/verify_code", Scope.WRITE, self.verify_code, "Enter the verification code.",
                body=CodeBody,
            ),
            Endpoint(
                "POST", f"{one}/register", Scope.WRITE, self.register, "Register the number for sending.",
                body=RegisterBody,
            ),
            Endpoint("POST", f"{one}/deregister", Scope.WRITE, self.deregister, "Take the number off the Cloud API."),
            Endpoint(
                "POST", f"{one}/two_step_pin", Scope.WRITE, self.set_pin, "Set the two-step PIN.", body=PinBody,
                success=204,
            ),
            Endpoint(
                "GET", f"{one}/blocked_users", Scope.READ, self.blocked, "List blocked users, as Meta pages them.",
                query=page,
            ),
            Endpoint("POST", f"{one}/blocked_users", Scope.WRITE, self.block, "Block users.", body=BlockBody),
            Endpoint(
                "DELETE", f"{one}/blocked_users/{{user}}", Scope.WRITE, self.unblock, "Unblock a user.", success=204
            ),
            *self._of_bots(one),
        ]  # fmt: skip

    def _of_bots(self, one: str) -> list[Endpoint]:
        return [
            Endpoint(
                "POST", f"{one}/link-bot", Scope.WRITE, self.link_bot, "Link a bot to the number, or unlink it.",
                body=LinkBotBody,
            ),
            Endpoint(
                "POST", f"{one}/autoreply", Scope.WRITE, self.autoreply, "Switch the number's bot on or off.",
                body=AutoreplyBody,
            ),
        ]  # fmt: skip

    async def get(self, request: Request, caller: Caller) -> Response:
        """Read one number."""
        return JsonAnswer(views.number(*await self._desk.get(caller, _phone(request))))

    async def refresh(self, request: Request, caller: Caller) -> Response:
        """Ask Meta now."""
        return JsonAnswer(views.number(*await self._desk.refresh(caller, _phone(request))))

    async def profile(self, request: Request, caller: Caller) -> Response:
        """Read the profile."""
        return _profile(_phone(request), await self._desk.profile(caller, _phone(request)))

    async def change_profile(self, request: Request, caller: Caller) -> Response:
        """Change the profile."""
        changes = parse(ProfileBody, await read_body(request)).model_dump(exclude_unset=True, exclude_none=True)
        return _profile(_phone(request), await self._desk.change_profile(caller, _phone(request), changes))

    async def request_code(self, request: Request, caller: Caller) -> Response:
        """Have a code sent."""
        body = parse(CodeRequestBody, await read_body(request) or b"{}")
        await self._desk.request_code(caller, _phone(request), body.method, body.language)
        return JsonAnswer(
            {"phone_number_id": _phone(request), "object": "verification_code", "method": body.method}, 202
        )

    async def verify_code(self, request: Request, caller: Caller) -> Response:
        """Enter the code."""
        body = parse(CodeBody, await read_body(request))
        await self._desk.verify_code(caller, _phone(request), body.code.replace("-", ""))
        return await self.get(request, caller)

    async def register(self, request: Request, caller: Caller) -> Response:
        """Register."""
        body = parse(RegisterBody, await read_body(request) or b"{}")
        pin = body.pin.get_secret_value() if body.pin else None
        await self._desk.register(caller, _phone(request), pin)
        return await self.get(request, caller)

    async def deregister(self, request: Request, caller: Caller) -> Response:
        """Deregister."""
        await self._desk.deregister(caller, _phone(request))
        return await self.get(request, caller)

    async def set_pin(self, request: Request, caller: Caller) -> Response:
        """Set the PIN."""
        pin = parse(PinBody, await read_body(request)).pin.get_secret_value()
        await self._desk.set_pin(caller, _phone(request), pin)
        return Answer(status_code=204)

    async def link_bot(self, request: Request, caller: Caller) -> Response:
        """Link or unlink."""
        body = parse(LinkBotBody, await read_body(request))
        return JsonAnswer(views.number(*await self._desk.link_bot(caller, _phone(request), body.bot_id)))

    async def autoreply(self, request: Request, caller: Caller) -> Response:
        """Switch on or off."""
        body = parse(AutoreplyBody, await read_body(request))
        return JsonAnswer(views.number(*await self._desk.switch(caller, _phone(request), body.enabled)))

    async def blocked(self, request: Request, caller: Caller) -> Response:
        """List blocked users."""
        limit, after = page_limit(request.query_params.get("limit")), request.query_params.get("after")
        rows, following = await self._desk.blocked(caller, _phone(request), limit, after)
        page = {"object": "list", "data": rows, "has_more": bool(following), "after": following or None}
        return JsonAnswer(page)

    async def block(self, request: Request, caller: Caller) -> Response:
        """Block users."""
        body = parse(BlockBody, await read_body(request))
        told = await self._desk.block(caller, _phone(request), body.users, blocked=True)
        rows = {"blocked": told.get("added_users", []), "failed": told.get("failed_users", [])}
        return JsonAnswer({"phone_number_id": _phone(request), "object": "blocked_users"} | rows)

    async def unblock(self, request: Request, caller: Caller) -> Response:
        """Unblock a user."""
        await self._desk.block(caller, _phone(request), [request.path_params["user"]], blocked=False)
        return Answer(status_code=204)


def _phone(request: Request) -> str:
    return str(request.path_params["phone_id"])


def _profile(phone_number_id: str, said: dict[str, object]) -> Response:
    shown = {name: value for name, value in said.items() if name != "messaging_product"}
    return JsonAnswer({"phone_number_id": phone_number_id, "object": "business_profile"} | shown)

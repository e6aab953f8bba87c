"""Tokens and apps: debug_token, oauth/access_token."""

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.clock import SandboxClock
from services.sandbox.errors import GraphError, bad_parameter, bad_token
from services.sandbox.graph_http import bearer, body_of
from services.sandbox.identifiers import access_token, graph_id
from services.sandbox.model import App, SignupCode, Token
from services.sandbox.world import World

USED, EXPIRED, REDIRECT = 36009, 36007, 36008  # subcodes of an authorisation code


class AppRoutes:
    """What needs an app's secret, or tells about a token."""

    def __init__(self, world: World, clock: SandboxClock) -> None:
        self._world, self._clock = world, clock

    async def debug_token(self, request: Request) -> Response:
        """GET /debug_token: what a token is; the caller is the token's app, or somebody of that app."""
        viewer = self._viewing_app(bearer(request.scope))
        text = request.query_params.get("input_token")
        if not text:
            raise bad_parameter("The parameter input_token is required.")
        token = self._world.tokens.get(text)
        if token is None:
            error = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
            return JSONResponse({"data": {"error": error, "is_valid": False, "scopes": []}})
        if token.app_id != viewer:
            raise bad_parameter("The App_id in the input_token did not match the Viewing App")
        return JSONResponse({"data": self._described(token)})

    def _viewing_app(self, text: str) -> str:
        if "|" in text:
            app = self._world.apps.get(text.partition("|")[0])
            if app is None or not secrets.compare_digest(app.secret.encode(), text.partition("|")[2].encode()):
                raise bad_token("Invalid OAuth access token signature.")
            return app.id
        return self._world.token(text).app_id

    def _described(self, token: Token) -> dict[str, object]:
        problem = self._world.token_problem(token)
        data: dict[str, object] = {
            "app_id": token.app_id,
            "type": token.kind,
            "application": self._world.apps[token.app_id].name,
            "data_access_expires_at": 0,
            "expires_at": int(token.expires_at),
            "is_valid": problem is None,
            "issued_at": int(token.issued_at),
            "scopes": [*token.scopes, "public_profile"],
            "granular_scopes": [{"scope": scope, "target_ids": token.waba_ids[::-1]} for scope in token.scopes],
            "user_id": token.user_id,
        }
        if problem is not None:
            data["error"] = {"code": problem.code, "message": problem.message, "subcode": problem.subcode}
        return data

    async def access_token(self, request: Request) -> Response:
        """GET or POST /oauth/access_token: a code of Embedded Signup, or an app's own credentials, for a token."""
        wish = {name: str(value) for name, value in (await body_of(request)).items()}
        app = self._app(wish)
        if wish.get("grant_type") == "client_credentials":
            return JSONResponse({"access_token": f"{app.id}|{app.secret}", "token_type": "bearer"})
        if wish.get("fb_exchange_token"):
            token = self._world.token(wish["fb_exchange_token"])
            return JSONResponse({"access_token": token.token, "token_type": "bearer"})
        token = self._redeemed(app, self._code(app, wish.get("code", "")))
        return JSONResponse({"access_token": token.token, "token_type": "bearer"})

    def _app(self, wish: dict[str, str]) -> App:
        if not wish.get("client_id"):
            raise GraphError(101, "Missing client_id parameter.")
        app = self._world.apps.get(wish["client_id"])
        if app is None:
            raise GraphError(101, "Error validating application. Cannot get application info due to a system error.")
        if not secrets.compare_digest(app.secret.encode(), wish.get("client_secret", "").encode()):
            raise GraphError(1, "Error validating client secret.")
        return app

    def _code(self, app: App, text: str) -> SignupCode:
        code = self._world.codes.get(text)
        if code is None or code.app_id != app.id:
            raise GraphError(100, "Invalid verification code format.", subcode=REDIRECT if code else EXPIRED)
        if code.used:
            raise GraphError(100, "This authorization code has been used.", subcode=USED)
        if code.expires_at <= self._clock.now():
            raise GraphError(100, "This authorization code has expired.", subcode=EXPIRED)
        return code

    def _redeemed(self, app: App, code: SignupCode) -> Token:
        code.used = True
        self._world.save(code)
        token = Token(access_token(), app.id, code.portfolio_id, code.waba_ids, self._clock.now(), user_id=graph_id())
        self._world.save(token)
        return token

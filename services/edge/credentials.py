"""Whether an access token may be used: whose app it is of, what it may do, and for which account."""

from dataclasses import dataclass
from typing import Any, Self

from libs.graph.client import GraphClient
from libs.graph.errors import GraphRefused
from services.edge.settings import Settings

META = "https://graph.facebook.com"
# Meta's names of the two permissions that sending and managing need.
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
MOST_ACCOUNTS = 20  # looked at for the number: people share one or two
NOT_OUR_APP = 100  # debug_token's error for a token of an app that is not the asking one


@dataclass(frozen=True, slots=True)
class Credentials:
    """Our own Meta app, and where we are reached."""

    app_id: str
    app_secret: str
    verify_token: str
    public_url: str
    sandbox: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            app_id=settings.app_id,
            app_secret=settings.app_secret.get_secret_value(),
            verify_token=settings.verify_token.get_secret_value(),
            public_url=settings.public_url.rstrip("/"),
            sandbox=is_sandbox(settings),
        )


class TokenRefused(Exception):
    """The token, or the secret that came with it, cannot be used."""

    def __init__(self, param: str, code: str, words: str) -> None:
        super().__init__(words)
        self.param = param
        self.code = code
        self.words = words


async def check_token(graph: GraphClient, ours: Credentials, token: str, app_secret: str | None, waba_id: str) -> bool:
    """Check a token for an account; -> whether it is of another Meta app than ours.

    Raises TokenRefused: a foreign token without its app's secret would mean webhooks that we cannot verify.
    """
    data = await _debug(graph, ours.app_id, ours.app_secret, token)
    app_id = str(data.get("app_id", ""))
    foreign = (bool(app_id) and app_id != ours.app_id) or _says_not_our_app(data)
    if foreign:
        if app_secret is None:
            words = "The token is of another Meta app: send that app's `app_secret` with it."
            raise TokenRefused("app_secret", "token_of_another_app", words)
        app_id = app_id or await _own_app(graph, token)
        if not app_id:
            return True  # Meta does not tell which app: the secret shows itself in the first webhook's signature
        data = await _debug(graph, app_id, app_secret, token)
        if data.get("is_valid") is not True:
            raise TokenRefused("app_secret", "wrong_app_secret", "This is not the secret of the token's app.")
    if data.get("is_valid") is not True:
        raise TokenRefused("access_token", "token_invalid", "Meta says that the token is not valid.")
    _check_permissions(data, waba_id)
    return foreign


async def granted_accounts(graph: GraphClient, ours: Credentials, token: str) -> list[str]:
    """Return the accounts that a token of our app was granted for, as Meta lists them: the newest first.

    Raises TokenRefused where it is no valid token of our app, or names none.
    """
    data = await _debug(graph, ours.app_id, ours.app_secret, token)
    if data.get("is_valid") is not True or str(data.get("app_id", "")) != ours.app_id:
        raise TokenRefused("code", "token_invalid", "Meta's code did not give a valid token of our app.")
    found: list[str] = []
    for granted in _list(data, "granular_scopes"):
        targets = granted.get("target_ids") if isinstance(granted, dict) and granted.get("scope") in SCOPES else None
        found += [str(item) for item in targets if str(item).isdigit()] if isinstance(targets, list) else []
    if not found:
        words = "Meta does not say for which account the token was granted: send its `waba_id`."
        raise TokenRefused("waba_id", "account_not_named", words)
    return list(dict.fromkeys(found))[:MOST_ACCOUNTS]


async def _debug(graph: GraphClient, app_id: str, app_secret: str, token: str) -> dict[str, Any]:
    try:
        return await graph.debug_token(app_id, app_secret, token)
    except GraphRefused as refused:
        if refused.error.verdict.retryable:
            raise  # says nothing about the token
        # Meta answers some invalid tokens with an error body instead of `is_valid: false`.
        return {"is_valid": False, "error": {"code": refused.error.code, "message": refused.error.title}}


async def _own_app(graph: GraphClient, token: str) -> str:
    """Return the app of a token as the token itself may see it; empty where Meta does not say."""
    try:
        return str((await graph.debug_itself(token)).get("app_id", ""))
    except GraphRefused as refused:
        if refused.error.verdict.retryable:
            raise
        return ""


def _says_not_our_app(data: dict[str, Any]) -> bool:
    error = data.get("error")
    return isinstance(error, dict) and error.get("code") == NOT_OUR_APP and "App" in str(error.get("message"))


def _list(data: dict[str, Any], name: str) -> list[Any]:
    found = data.get(name)
    return found if isinstance(found, list) else []


def _check_permissions(data: dict[str, Any], waba_id: str) -> None:
    scopes = _list(data, "scopes")
    if missing := [scope for scope in SCOPES if scope not in scopes]:
        words = f"The token lacks the permission {', '.join(missing)}."
        raise TokenRefused("access_token", "token_lacks_permission", words)
    for granted in _list(data, "granular_scopes"):
        if not isinstance(granted, dict):
            continue
        targets = granted.get("target_ids")  # absent: all of the token's assets
        if targets is not None and not isinstance(targets, list):
            targets = []
        if granted.get("scope") in SCOPES and targets is not None and waba_id not in [str(item) for item in targets]:
            raise TokenRefused("waba_id", "token_not_for_account", "The token was not granted for this account.")


def is_sandbox(settings: Settings) -> bool:
    """Tell whether accounts are those of a simulated Meta."""
    return not settings.graph_url.startswith(META)

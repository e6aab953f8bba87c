"""Meta's errors, as the Graph API words them.

GraphError
├── from the catalogue by code (`refusal`): what messaging calls answer
├── `bad_parameter`: code 100, wording of the Graph's own parameter check
├── `unknown_object`: code 100 subcode 33, the one answer for unknown, foreign and forbidden objects
├── `bad_token`, `no_token`: code 190 and 2500, HTTP 401 and 400
└── `template_problem`: code 100 with a subcode of template management and a text for the person
"""

from dataclasses import dataclass
from typing import Any

BAD_REQUEST = 400

# code -> (title, HTTP status), from Meta's published error table.
CATALOGUE: dict[int, tuple[str, int]] = {
    0: ("AuthException", 401),
    1: ("An unknown error occurred", 400),
    2: ("Service temporarily unavailable", 503),
    3: ("Application does not have the capability to make this API call.", 500),
    4: ("Application request limit reached", 400),
    10: ("Application does not have permission for this action", 403),
    17: ("User request limit reached", 400),
    32: ("Page request limit reached", 400),
    33: ("Parameter value is not valid", 400),
    100: ("Invalid parameter", 400),
    101: ("Error validating application", 400),
    102: ("Session key invalid or no longer valid", 401),
    104: ("Incorrect signature", 400),
    190: ("Error validating access token", 401),
    192: ("Invalid phone number", 400),
    200: ("Permissions error", 403),
    294: ("Managing advertisements requires an extended permission", 403),
    368: ("Temporarily blocked for policies violations", 403),
    613: ("Calls to this api have exceeded the rate limit.", 400),
    80007: ("There have been too many calls to this WhatsApp Business account. Wait a bit and try again.", 400),
    130429: ("Rate limit hit", 400),
    130472: ("User's number is part of an experiment", 400),
    130497: ("Business account is restricted from messaging users in this country.", 403),
    131000: ("Something went wrong", 500),
    131005: ("Access denied", 403),
    131008: ("Required parameter is missing", 400),
    131009: ("Parameter value is not valid", 400),
    131014: ("Request for url failed", 400),
    131016: ("Service unavailable", 500),
    131021: ("Recipient cannot be sender", 400),
    131026: ("Message undeliverable", 400),
    131030: ("Recipient phone number not in allowed list", 400),
    131031: ("Business Account locked", 403),
    131037: ("Display name approval is required to send messages.", 400),
    131042: ("Business eligibility payment issue", 400),
    131044: ("No valid payment method", 400),
    131045: ("Incorrect certificate", 500),
    131047: ("Re-engagement message", 400),
    131048: ("Spam rate limit hit", 400),
    131049: ("This message was not delivered to maintain healthy ecosystem engagement.", 400),
    131050: ("User has stopped receiving marketing messages from this business", 400),
    131051: ("Unsupported message type", 400),
    131052: ("Media download error", 400),
    131053: ("Media upload error", 400),
    131055: ("Method not allowed", 400),
    131056: ("(Business Account, Consumer Account) pair rate limit hit", 400),
    131057: ("Business Account is in maintenance mode", 500),
    131058: ("Hello World templates can only be sent from the Public Test Numbers", 400),
    131059: ("Invalid or expired cursor", 400),
    131062: ("Business-scoped User ID recipients are not supported for this message.", 400),
    131063: ("Marketing templates are disabled for this account", 400),
    131064: ("Messaging limit reached because of template misclassification", 400),
    132000: ("Number of parameters does not match the expected number of params", 400),
    132001: ("Template name does not exist in the translation", 404),
    132005: ("Translated text too long", 400),
    132007: ("Template format character policy violated", 400),
    132008: ("Parameter value is not valid", 400),
    132012: ("Parameter format does not match format in the created template", 400),
    132015: ("Template is paused", 400),
    132016: ("Template is disabled", 400),
    132018: ("There is an issue with the parameters in your template", 400),
    132068: ("Flow is in blocked state", 400),
    132069: ("Flow is in throttled state", 400),
    133000: ("Incomplete deregistration", 500),
    133004: ("Server is temporarily unavailable", 503),
    133005: ("Two step verification PIN mismatch", 400),
    133006: ("Phone number needs to be verified before registering", 400),
    133008: ("Too many two step verification PIN guesses", 400),
    133009: ("Two step verification PIN guessed too fast", 400),
    133010: ("Account not registered", 400),
    133015: ("Phone number was recently deleted", 400),
    133016: ("Account register deregister rate limit exceeded", 400),
    134011: ("WhatsApp Payments terms of service has not been accepted", 400),
    134100: ("Only marketing messages are supported", 400),
    134101: ("Template is syncing", 400),
    134102: ("Template is unavailable for use", 500),
    135000: ("Generic user error", 400),
    136024: ("Request code error", 400),
    136025: ("Verify code error", 400),
    137000: ("Recipient identity key hash mismatch", 400),
    2500: ("An active access token must be used", 400),
    2494100: ("The phone number is in maintenance mode", 400),
}

# What a `failed` status says in `error_data.details`, for the codes that come that way.
FAILURE_DETAILS: dict[int, str] = {
    131026: "Message Undeliverable.",
    131047: "Message failed to send because more than 24 hours have passed since the customer last "
    "replied to this number.",
    131048: "Message failed to send because there are restrictions on how many messages can be sent from "
    "this phone number.",
    131049: "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
    131050: "The recipient has chosen to stop receiving marketing messages on WhatsApp from your business.",
    131053: "Downloading media from weblink failed, or its type is not supported.",
}

# The subcode that comes with some codes in practice although Meta documents it as dropped.
SUBCODES = {130429: 2494055, 131030: 2494010}


@dataclass(eq=False)
class GraphError(Exception):
    """One error envelope: what Meta answers instead of the result."""

    code: int
    message: str
    http_status: int = BAD_REQUEST
    type: str = "OAuthException"
    subcode: int | None = None
    details: str | None = None
    user_title: str | None = None
    user_message: str | None = None

    def envelope(self, trace: str) -> dict[str, Any]:
        """Return the body of the answer; `trace` becomes `fbtrace_id`."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.details is not None:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.user_title is not None:
            error |= {"is_transient": False, "error_user_title": self.user_title, "error_user_msg": self.user_message}
        return {"error": error | {"fbtrace_id": trace}}


def refusal(code: int, details: str | None = None, subcode: int | None = None) -> GraphError:
    """Return the catalogue's error for a code; a code that Meta does not publish is worded as unknown."""
    title, status = CATALOGUE.get(code, ("An unknown error occurred", BAD_REQUEST))
    return GraphError(
        code, f"(#{code}) {title}", status, subcode=SUBCODES.get(code) if subcode is None else subcode, details=details
    )


def bad_parameter(text: str) -> GraphError:
    """Return the Graph's own complaint about a parameter: code 100 without `error_data`."""
    return GraphError(100, f"(#100) {text}")


def unknown_object(method: str, object_id: str) -> GraphError:
    """Return the answer for an object that is unknown or not the token's: the same for both."""
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api",
        type="GraphMethodException",
        subcode=33,
    )


def bad_token(
    reason: str = "Invalid OAuth access token - Cannot parse access token", subcode: int | None = None
) -> GraphError:
    """Return code 190: the token cannot be read, has expired (463) or was taken back (460)."""
    return GraphError(190, reason, 401, subcode=subcode)


def no_token() -> GraphError:
    """Return the answer to a call without any token."""
    return GraphError(2500, "An active access token must be used to query information about the current user.")


def template_problem(subcode: int, title: str, text: str) -> GraphError:
    """Return an error of template management: code 100, a subcode, and a text for the person who wrote it."""
    return GraphError(100, "Invalid parameter", subcode=subcode, user_title=title, user_message=text)


def webhook_error(code: int, details: str | None = None) -> dict[str, Any]:
    """Return an error as webhooks carry it: `title` and `message` are equal."""
    title = CATALOGUE.get(code, ("Something went wrong", BAD_REQUEST))[0]
    text = details or FAILURE_DETAILS.get(code) or title
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": text},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }

"""Meta's error codes and what each means for us: one table from code to policy.

    GraphFailure                the Graph API did not do what was asked
      GraphRefused              it said no, with an error body (see Policy)
      GraphUnavailable          it could not be asked, or its answer cannot be read

Source: Meta's table of Cloud API error codes; Meta advises to decide by code, never by HTTP status alone.
"""

from dataclasses import dataclass
from enum import StrEnum

from libs.events.messages import MessageError, MetaError
from libs.runtime.errors import Outage


class Policy(StrEnum):
    """What to do about a code."""

    THROTTLE = "throttle"  # the number's rate: slow down, send again
    PAIR = "pair"  # this number to this person: wait, send again
    TRANSIENT = "transient"  # Meta's trouble: send again with backoff, a bounded number of times
    RECIPIENT = "recipient"  # final for this person
    TEMPLATE = "template"  # this template cannot be sent as it is
    ACCOUNT = "account"  # number, account or token: nothing goes until a person acts
    CALLER = "caller"  # the request is wrong; the same request never succeeds


@dataclass(frozen=True, slots=True)
class Verdict:
    """A policy with our public code for it."""

    policy: Policy
    code: str

    @property
    def retryable(self) -> bool:
        """Whether the caller may expect the same message to succeed later."""
        return self.policy in (Policy.THROTTLE, Policy.PAIR, Policy.TRANSIENT)


def _table() -> dict[int, Verdict]:
    rows: dict[tuple[Policy, str], tuple[int, ...]] = {
        (Policy.THROTTLE, "number_throttled"): (130429,),
        (Policy.THROTTLE, "app_throttled"): (4, 17, 32, 613, 80007),
        (Policy.PAIR, "recipient_throttled"): (131056,),
        (Policy.TRANSIENT, "flow_throttled"): (132069,),
        (Policy.TRANSIENT, "registration_throttled"): (133008, 133009, 133016),
        (Policy.TRANSIENT, "meta_unavailable"): (
            1, 2, 131000, 131016, 131057, 133004, 134101, 136024, 2494100,
        ),
        (Policy.RECIPIENT, "undeliverable"): (131026, 131021, 130472, 131036, 131052, 131062),
        (Policy.RECIPIENT, "recipient_not_allowed"): (131030,),
        (Policy.RECIPIENT, "country_restricted"): (130497,),
        (Policy.RECIPIENT, "outside_customer_window"): (131047,),
        (Policy.RECIPIENT, "not_delivered_by_meta"): (131049,),
        (Policy.RECIPIENT, "recipient_opted_out"): (131050,),
        (Policy.RECIPIENT, "identity_changed"): (137000,),
        (Policy.TEMPLATE, "template_not_found"): (132001,),
        (Policy.TEMPLATE, "template_paused"): (132015,),
        (Policy.TEMPLATE, "template_disabled"): (132016,),
        (Policy.TEMPLATE, "template_parameters"): (132000, 132005, 132007, 132008, 132012, 132018),
        (Policy.TEMPLATE, "flow_unavailable"): (132068,),
        (Policy.ACCOUNT, "token_invalid"): (0, 101, 102, 104, 190, 2500),
        (Policy.ACCOUNT, "permission_missing"): (3, 10, 200, 131005),
        (Policy.ACCOUNT, "account_blocked"): (368, 131031),
        (Policy.ACCOUNT, "payment_missing"): (131042, 131044, 134011),
        (Policy.ACCOUNT, "number_not_registered"): (33, 131037, 131045, 133000, 133006, 133010, 133015),
        (Policy.ACCOUNT, "marketing_disabled"): (131063, 134102),
        (Policy.ACCOUNT, "quality_limited"): (131048, 131064),
        (Policy.CALLER, "media_not_usable"): (131014, 131053),
        (Policy.CALLER, "invalid_message"): (
            100, 192, 131008, 131009, 131051, 131055, 131058, 134100, 135000,
        ),
    }  # fmt: skip
    return {code: Verdict(*verdict) for verdict, codes in rows.items() for code in codes}


TABLE = _table()
PERMISSIONS = range(200, 300)  # Graph's permission codes
LARGEST_CODE = 2**31 - 1  # Meta's codes have at most seven digits
NO_SUCH_OBJECT = 33  # subcode of 100: the number is gone, or the token may not see it


def verdict_of(code: int, *, subcode: int | None = None, http_status: int = 400, transient: bool = False) -> Verdict:
    """Return the policy for a code in an API answer.

    Unknown codes: a 5xx or `is_transient` is transient, 429 a throttle, any other 4xx the caller's fault.
    """
    if code == 100 and subcode == NO_SUCH_OBJECT:
        return Verdict(Policy.ACCOUNT, "number_not_found")
    if code in TABLE:
        return TABLE[code]
    if code in PERMISSIONS:
        return Verdict(Policy.ACCOUNT, "permission_missing")
    if transient or http_status >= 500:
        return Verdict(Policy.TRANSIENT, "meta_unavailable")
    if http_status == 429:
        return Verdict(Policy.THROTTLE, "number_throttled")
    return Verdict(Policy.CALLER, "invalid_message")


def verdict_of_status(code: int) -> Verdict:
    """Return the policy for a code in a `failed` status webhook: unknown codes end this recipient's message."""
    return TABLE.get(code, Verdict(Policy.RECIPIENT, "undeliverable"))


_WORDS = {
    "number_throttled": "Meta's rate limit of the number was reached.",
    "app_throttled": "Meta's rate limit of the app was reached.",
    "recipient_throttled": "Meta's rate limit of messages to this person was reached.",
    "meta_unavailable": "Meta could not process the message.",
    "undeliverable": "The message could not be delivered to this person.",
    "recipient_not_allowed": "The number is a test number and this person is not on its list.",
    "country_restricted": "The business may not message people in this country.",
    "outside_customer_window": "More than 24 hours have passed since the person last wrote; send a template.",
    "not_delivered_by_meta": "Meta chose not to deliver this marketing message to this person.",
    "recipient_opted_out": "The person stopped marketing messages.",
    "identity_changed": "The person's identity key has changed.",
    "template_not_found": "Meta does not know the template in this language, or has not approved it.",
    "template_paused": "Meta has paused the template.",
    "template_disabled": "Meta has disabled the template.",
    "template_parameters": "The parameters do not fit the template.",
    "flow_unavailable": "Meta has blocked the flow.",
    "flow_throttled": "Meta's hourly limit of the flow was reached.",
    "registration_throttled": "Meta's limit of registrations or PIN tries was reached.",
    "token_invalid": "Meta does not accept the account's access token; connect the account again.",
    "permission_missing": "The access token lacks a permission.",
    "account_blocked": "Meta has blocked or locked the account.",
    "payment_missing": "The account has no valid payment method.",
    "number_not_registered": "The number is not registered for sending.",
    "number_not_found": "Meta does not know the number, or the token may not use it.",
    "marketing_disabled": "Meta has disabled marketing templates for the account.",
    "quality_limited": "Meta limits the number or account because of its quality.",
    "media_not_usable": "Meta could not use the media.",
    "invalid_message": "Meta refused the message as invalid.",
}


@dataclass(frozen=True, slots=True)
class GraphError:
    """An error body of Graph's, or an item of a webhook's `errors`. `details` may name fields, never secrets."""

    code: int
    title: str
    details: str | None = None
    subcode: int | None = None
    fbtrace_id: str | None = None
    transient: bool = False
    http_status: int = 400

    @property
    def verdict(self) -> Verdict:
        """What to do about it when it answers a call."""
        return verdict_of(self.code, subcode=self.subcode, http_status=self.http_status, transient=self.transient)

    def message_error(self, verdict: Verdict) -> MessageError:
        """Return our error object with Meta's own words in `meta`."""
        meta = MetaError(code=self.code, title=self.title, details=self.details, fbtrace_id=self.fbtrace_id)
        kind = "rate_limit_error" if verdict.policy in (Policy.THROTTLE, Policy.PAIR) else "upstream_error"
        words = _WORDS[verdict.code]
        return MessageError(type=kind, code=verdict.code, message=words, retryable=verdict.retryable, meta=meta)


class GraphFailure(Exception):
    """The Graph API did not do what was asked."""


class GraphRefused(GraphFailure):
    """Graph answered with an error body."""

    def __init__(self, error: GraphError) -> None:
        super().__init__(f"Graph refused with code {error.code}")
        self.error = error


class GraphUnavailable(GraphFailure, Outage):
    """Graph could not be reached, was too slow, or answered what cannot be read."""

    def __init__(self, reason: str, slow: bool = False) -> None:
        super().__init__(reason)
        self.slow = slow


def code_of(value: object) -> int | None:
    """Return a code as Graph writes it; None for what is none: a store takes no number of any size."""
    return value if isinstance(value, int) and abs(value) <= LARGEST_CODE else None


def clean(text: object, limit: int) -> str:
    """Return Graph's words, bounded, and with half surrogates replaced: JSON lets them through, no store takes them."""
    return str(text)[:limit].encode("utf-8", "replace").decode()


def read_error(body: object, http_status: int) -> GraphError | None:
    """Read Graph's error envelope; None when the body is not one (a proxy's page, an empty answer)."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or (code := code_of(error.get("code"))) is None:
        return None
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else error.get("error_user_msg")
    return GraphError(
        code=code,
        title=clean(error.get("message", ""), 300),
        details=clean(details, 500) if details else None,
        subcode=code_of(error.get("error_subcode")),
        fbtrace_id=clean(error["fbtrace_id"], 64) if error.get("fbtrace_id") else None,
        transient=error.get("is_transient") is True,
        http_status=http_status,
    )

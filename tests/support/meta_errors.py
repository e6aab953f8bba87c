"""Meta's error codes as its reference lists them, each with its class there and what becomes of a message with us.

Classes: `backoff` (try again later), `bucket` (wait for a rate), `recipient` (final for this person), `account`
(nothing goes until a person acts), `config` (the same request never succeeds).
"""

from dataclasses import dataclass

STOPPED = "stopped"  # the message waits, its account or number is stopped and says why


@dataclass(frozen=True)
class Row:
    """One code: Meta's HTTP status and class, our public code, and where a message ends that is answered with it."""

    code: int
    http: int
    sort: str
    ours: str
    end: str
    subcode: int | None = None


def _rows(sort: str, ours: str, end: str, *codes: tuple[int, int]) -> list[Row]:
    return [Row(code, http, sort, ours, end) for code, http in codes]


RETRIED, FAILED = "retried", "failed"

# What can answer a message. HTTP where Meta's table names two: the one that is documented.
MESSAGING: list[Row] = [
    *_rows("config", "token_invalid", STOPPED, (0, 401), (101, 400), (102, 401), (104, 400), (190, 401), (2500, 400)),
    *_rows("config", "permission_missing", STOPPED, (3, 500), (10, 403), (200, 403), (131005, 403)),
    *_rows("config", "permission_missing", STOPPED, (294, 403)),
    *_rows("backoff", "meta_unavailable", RETRIED, (1, 400), (2, 503), (131000, 500), (131016, 500), (131057, 500),
           (133004, 503), (134101, 400), (2494100, 400)),
    *_rows("bucket", "app_throttled", RETRIED, (4, 400), (17, 400), (32, 400), (613, 400), (80007, 400)),
    *_rows("bucket", "number_throttled", RETRIED, (130429, 400)),
    *_rows("bucket", "recipient_throttled", RETRIED, (131056, 400)),
    *_rows("bucket", "flow_throttled", RETRIED, (132069, 400)),
    *_rows("account", "account_blocked", STOPPED, (368, 403), (131031, 403)),
    *_rows("account", "number_not_registered", STOPPED, (33, 400), (131037, 400), (131045, 500), (133000, 500),
           (133006, 400), (133010, 400)),
    *_rows("backoff", "number_not_registered", STOPPED, (133015, 400)),
    Row(100, 400, "config", "number_not_found", STOPPED, subcode=33),
    *_rows("account", "payment_missing", FAILED, (131042, 400), (131044, 400), (134011, 400)),
    *_rows("account", "quality_limited", FAILED, (131048, 400), (131064, 400)),
    *_rows("account", "marketing_disabled", FAILED, (131063, 400), (134102, 500)),
    *_rows("recipient", "undeliverable", FAILED, (130472, 400), (131021, 400), (131026, 400), (131052, 400),
           (131062, 400)),
    *_rows("recipient", "recipient_not_allowed", FAILED, (131030, 400)),
    *_rows("recipient", "country_restricted", FAILED, (130497, 403)),
    *_rows("recipient", "outside_customer_window", FAILED, (131047, 400)),
    *_rows("recipient", "not_delivered_by_meta", FAILED, (131049, 400)),
    *_rows("recipient", "recipient_opted_out", FAILED, (131050, 400)),
    *_rows("recipient", "identity_changed", FAILED, (137000, 400)),
    *_rows("config", "invalid_message", FAILED, (100, 400), (192, 400), (131008, 400), (131009, 400), (131051, 400),
           (131055, 400), (131058, 400), (134100, 400), (135000, 400)),
    *_rows("config", "media_not_usable", FAILED, (131014, 400), (131053, 400)),
    *_rows("config", "template_not_found", FAILED, (132001, 404)),
    *_rows("config", "template_parameters", FAILED, (132000, 400), (132005, 400), (132007, 400), (132008, 400),
           (132012, 400), (132018, 400)),
    *_rows("config", "template_paused", FAILED, (132015, 400)),
    *_rows("config", "template_disabled", FAILED, (132016, 400)),
    *_rows("config", "flow_unavailable", FAILED, (132068, 400)),
]  # fmt: skip

# What answers other calls only: registration, templates, analytics, calls, groups, user names.
ELSEWHERE: list[Row] = [
    *_rows("bucket", "registration_throttled", RETRIED, (133008, 400), (133009, 400), (133016, 400)),
    *_rows("backoff", "meta_unavailable", RETRIED, (136024, 400)),
    *_rows("config", "invalid_message", FAILED, (131059, 400), (133005, 400), (136025, 400), (138000, 400),
           (138024, 400), (139000, 400), (139004, 400), (131201, 400), (131211, 400), (147001, 400), (147005, 400),
           (200005, 400), (200006, 400), (200007, 400), (1752041, 400), (2593107, 400), (2593108, 400)),
]  # fmt: skip
# What comes in webhooks only, as news of something else: no message is answered with it.
NEWS = {131035, 131036, 131060}

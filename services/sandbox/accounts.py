"""Accounts made for tests, and what Meta does to them: quality, limits, bans, restrictions, with its webhooks."""

import itertools
import random
from typing import Any

from services.sandbox.clock import SandboxClock
from services.sandbox.delivery import Deliveries
from services.sandbox.identifiers import access_token, graph_id
from services.sandbox.model import Account, App, Number, Portfolio, SignupCode, Template, Token
from services.sandbox.shown import tier
from services.sandbox.webhooks import Change, encode
from services.sandbox.world import World

CODE_LIFE = 30.0  # seconds a code of Embedded Signup works
HELLO = [
    {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
    {
        "type": "BODY",
        "text": "Welcome and congratulations!! This message demonstrates your ability to send a WhatsApp message.",
    },
    {"type": "FOOTER", "text": "WhatsApp Business Platform sample message"},
]


class Accounts:
    """Makes accounts, and plays Meta's decisions about them."""

    def __init__(self, world: World, clock: SandboxClock, deliveries: Deliveries, dice: random.Random) -> None:
        self._world, self._clock, self._deliveries, self._dice = world, clock, deliveries, dice

    def make(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Make a portfolio, an account, its numbers, a token and a signup code.

        `foreign_app` makes the token one of another Meta app. Raises ValueError when a field does not fit.
        """
        app = self._foreign_app() if wish.get("foreign_app") else self._world.shared_app
        portfolio = Portfolio(
            graph_id(), str(wish.get("name") or "Lucky Shrub"), _limit(wish.get("messaging_limit", 250))
        )
        account = Account(
            graph_id(), portfolio.id, portfolio.name, f"{self._dice.getrandbits(128):032x}",
            str(wish.get("currency") or "USD"), str(wish.get("country") or "US"),
        )  # fmt: skip
        self._world.save(portfolio)
        self._world.save(account)
        numbers = [self._number(account, wish, asked) for asked in _numbers(wish.get("numbers", 1))]
        token = Token(access_token(), app.id, portfolio.id, [account.id], self._clock.now(), user_id=graph_id())
        self._world.save(token)
        self._hello_world(account)
        made = {
            "waba_id": account.id, "portfolio_id": portfolio.id, "phone_numbers": numbers,
            "access_token": token.token, "code": self.code(account, app),
        }  # fmt: skip
        return made | ({"app_id": app.id, "app_secret": app.secret} if wish.get("foreign_app") else {})

    def code(self, account: Account, app: App) -> str:
        """Return a fresh code of Embedded Signup for an account: 30 seconds, once."""
        code = SignupCode(access_token().replace("EAA", "AQ", 1), app.id, account.portfolio_id, [account.id], 0.0)
        code.expires_at = self._clock.now() + CODE_LIFE
        self._world.save(code)
        return code.code

    def _foreign_app(self) -> App:
        app = App(graph_id(), f"{self._dice.getrandbits(128):032x}", "A customer's own app")
        self._world.save(app)
        return app

    def _number(self, account: Account, wish: dict[str, Any], asked: dict[str, Any]) -> dict[str, str]:
        throughput = asked.get("throughput", wish.get("throughput", 80))
        if type(throughput) is not int or throughput < 1:
            raise ValueError("throughput is messages per second, a whole number")
        number = Number(
            graph_id(), account.id, account.portfolio_id, str(asked.get("display_phone_number") or self._display()),
            str(asked.get("verified_name") or account.name), throughput,
            registered=bool(wish.get("registered", True)), verified=bool(wish.get("verified", True)),
            pin=wish.get("pin"), allowed=wish.get("allowed_recipients"),
            last_onboarded=self._clock.now(), is_on_biz_app=throughput == 20,
        )  # fmt: skip
        self._world.save(number)
        return {"phone_number_id": number.id, "display_phone_number": number.display}

    def _display(self) -> str:
        """Return a display number that no other number has; users of tests begin with +1 555 0."""
        taken = {number.display for number in self._world.numbers.values()}
        drawn = (f"+1 555-{self._dice.randint(200, 999)}-{self._dice.randint(0, 9999):04d}" for _ in itertools.count())
        return next(display for display in drawn if display not in taken)

    def _hello_world(self, account: Account) -> None:
        now = self._clock.now()
        template = Template(
            graph_id(), account.id, "hello_world", "en_US", "UTILITY", HELLO, "APPROVED", created_at=now, updated_at=now
        )
        self._world.save(template)

    def shown(self) -> list[dict[str, Any]]:
        """Return every account with its numbers and live tokens' count."""
        return [self._shown(account) for account in self._world.accounts.values()]

    def _shown(self, account: Account) -> dict[str, Any]:
        portfolio = self._world.portfolios[account.portfolio_id]
        numbers = [
            {
                "phone_number_id": number.id, "display_phone_number": number.display, "throughput": number.throughput,
                "quality": number.quality, "status": number.status, "registered": number.registered,
                "verified": number.verified, "verification_code": number.code, "pin": number.pin,
            }
            for number in self._world.numbers_of(account.id)
        ]  # fmt: skip
        return {
            "waba_id": account.id, "name": account.name, "portfolio_id": portfolio.id, "phone_numbers": numbers,
            "messaging_limit": portfolio.messaging_limit or "UNLIMITED", "subscriptions": account.subscriptions,
            "ban_state": account.ban_state, "restrictions": account.restrictions,
            "review_status": account.review_status,
        }  # fmt: skip

    # -- what Meta does

    def happen(self, account: Account, wish: dict[str, Any]) -> None:
        """Play an event: change the account or its numbers as Meta would, and send Meta's webhook.

        Raises ValueError when the event is unknown or needs something that is not given.
        """
        event = str(wish.get("event", "")).upper()
        play = {
            "TOKEN_REVOKED": self._revoke, "QUALITY": self._quality, "FLAGGED": self._flag, "UNFLAGGED": self._flag,
            "UPGRADE": self._tier, "DOWNGRADE": self._tier, "TIER": self._tier, "THROUGHPUT": self._throughput,
            "THROUGHPUT_UPGRADE": self._throughput, "BAN": self._ban, "DISABLED_UPDATE": self._ban,
            "RESTRICTION": self._restrict, "ACCOUNT_RESTRICTION": self._restrict, "UNRESTRICT": self._unrestrict,
            "REVIEW": self._review, "ACCOUNT_REVIEW_UPDATE": self._review, "NAME": self._name,
        }.get(event)  # fmt: skip
        if play is not None:
            play(account, wish, event)
        elif wish.get("field") and isinstance(wish.get("value"), dict):
            self._tell(account, str(wish["field"]), wish["value"])
        elif event:
            more = {key: value for key, value in wish.items() if key != "event"}
            self._tell(account, "account_update", {"event": event, **more})
        else:
            raise ValueError("give an event, or a field and its value")

    def _revoke(self, account: Account, wish: dict[str, Any], event: str) -> None:
        for token in self._world.tokens.values():
            if account.id in token.waba_ids and wish.get("access_token", token.token) == token.token:
                token.revoked = True
                self._world.save(token)

    def _quality(self, account: Account, wish: dict[str, Any], event: str) -> None:
        for number in self._asked(account, wish):
            number.quality = str(wish.get("quality", "YELLOW")).upper()
            self._world.save(number)
            if number.quality == "RED":
                self._tell_number(account, number, "FLAGGED")

    def _flag(self, account: Account, wish: dict[str, Any], event: str) -> None:
        for number in self._asked(account, wish):
            number.status = "FLAGGED" if event == "FLAGGED" else "CONNECTED"
            number.quality = "RED" if event == "FLAGGED" else "GREEN"
            self._world.save(number)
            self._tell_number(account, number, event)

    def _tier(self, account: Account, wish: dict[str, Any], event: str) -> None:
        portfolio = self._world.portfolios[account.portfolio_id]
        old, before = tier(portfolio), portfolio.messaging_limit
        portfolio.messaging_limit = _limit(wish.get("messaging_limit", 2000))
        self._world.save(portfolio)
        after = portfolio.messaging_limit
        up = after is None or (before is not None and after >= before)
        for number in self._asked(account, wish):
            self._tell_number(account, number, "UPGRADE" if up else "DOWNGRADE", old_limit=old)
        value = {
            "max_daily_conversations_per_business": -1 if after is None else after,
            "max_phone_numbers_per_business": 20,
        }
        self._tell(account, "business_capability_update", value)

    def _throughput(self, account: Account, wish: dict[str, Any], event: str) -> None:
        for number in self._asked(account, wish):
            number.throughput = int(wish.get("throughput", 1000))
            self._world.save(number)
            self._tell_number(account, number, "THROUGHPUT_UPGRADE")

    def _ban(self, account: Account, wish: dict[str, Any], event: str) -> None:
        state = str(wish.get("state", "DISABLE")).upper()
        account.ban_state = None if state == "REINSTATE" else state
        account.status = "DISABLED" if state == "DISABLE" else "ACTIVE"
        self._world.save(account)
        date = wish.get("date", "November 23, 2026")
        ban = {"waba_ban_state": state, "waba_ban_date": date}
        self._tell(account, "account_update", {"event": "DISABLED_UPDATE", "ban_info": ban})

    def _restrict(self, account: Account, wish: dict[str, Any], event: str) -> None:
        kind = str(wish.get("restriction_type", "RESTRICTED_BIZ_INITIATED_MESSAGING"))
        account.restrictions = sorted({*account.restrictions, kind})
        self._world.save(account)
        info = [{"restriction_type": kind, "expiration": int(self._clock.now()) + 7 * 24 * 3600}]
        self._tell(account, "account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": info})

    def _unrestrict(self, account: Account, wish: dict[str, Any], event: str) -> None:
        account.restrictions = []
        self._world.save(account)

    def _review(self, account: Account, wish: dict[str, Any], event: str) -> None:
        account.review_status = str(wish.get("decision", "APPROVED")).upper()
        self._world.save(account)
        self._tell(account, "account_review_update", {"decision": account.review_status})

    def _name(self, account: Account, wish: dict[str, Any], event: str) -> None:
        for number in self._asked(account, wish):
            decision, name = str(wish.get("decision", "APPROVED")).upper(), str(wish.get("name", number.verified_name))
            if decision == "APPROVED":
                number.verified_name = name
                self._world.save(number)
            value = {
                "display_phone_number": number.digits, "decision": decision, "requested_verified_name": name,
                "rejection_reason": wish.get("reason"),
            }  # fmt: skip
            self._tell(account, "phone_number_name_update", value)

    def _asked(self, account: Account, wish: dict[str, Any]) -> list[Number]:
        """Return the numbers an event is about: the one it names, or all of the account."""
        numbers = self._world.numbers_of(account.id)
        asked = wish.get("phone_number_id")
        return [number for number in numbers if asked in (None, number.id)]

    def _tell_number(self, account: Account, number: Number, event: str, **more: Any) -> None:
        limit = tier(self._world.portfolios[account.portfolio_id])
        value = {"display_phone_number": number.digits, "event": event, "current_limit": limit, **more}
        self._tell(account, "phone_number_quality_update", value)

    def _tell(self, account: Account, field: str, value: dict[str, Any]) -> None:
        self._deliveries.post(Change(account.id, field, encode(value), time=int(self._clock.now())))


def _limit(wish: Any) -> int | None:
    if wish in ("UNLIMITED", "TIER_UNLIMITED", None):
        return None
    if isinstance(wish, str) and wish.startswith("TIER_"):
        wish = int(wish.removeprefix("TIER_").replace("K", "000"))
    if type(wish) is not int or wish < 1:
        raise ValueError('messaging_limit is a number of people or "UNLIMITED"')
    return wish


def _numbers(wish: Any) -> list[dict[str, Any]]:
    if type(wish) is int and 1 <= wish <= 20:  # Meta's most numbers of a portfolio
        return [{}] * wish
    if isinstance(wish, list) and wish and all(isinstance(item, dict) for item in wish):
        return wish
    raise ValueError("numbers is how many (1 to 20), or a list of objects")

"""Everything that exists, by id: kept in memory, written through to the store."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

from services.sandbox.clock import SandboxClock
from services.sandbox.errors import GraphError, bad_token, unknown_object
from services.sandbox.identifiers import scoped_user_id
from services.sandbox.model import Account, App, Media, Number, Person, Portfolio, SignupCode, Template, Thread, Token
from services.sandbox.store import Store

T = TypeVar("T")
WINDOW = 24 * 3600.0  # seconds a customer service window stays open after the user's last message


class World:
    """The registry of all objects; whoever changes one calls `save`."""

    def __init__(self, store: Store, clock: SandboxClock, shared_app: App) -> None:
        self._store, self._clock = store, clock
        self.apps: dict[str, App] = _by(store, App, "id")
        self.apps[shared_app.id] = shared_app
        self.shared_app = shared_app
        self.portfolios = _by(store, Portfolio, "id")
        self.accounts = _by(store, Account, "id")
        self.numbers = _by(store, Number, "id")
        self.tokens = _by(store, Token, "token")
        self.codes = _by(store, SignupCode, "code")
        self.templates = _by(store, Template, "id")
        self.media = _by(store, Media, "id")
        self.people = _by(store, Person, "key")
        self.threads: dict[tuple[str, str], Thread] = {
            (doc["number_id"], doc["person"]): Thread(**doc) for doc in store.load("Thread")
        }
        self._day = (0, "")
        self._user_ids: dict[str, str] = {}
        for number_id, person in self.threads:
            if number_id in self.numbers:
                self.remember_user_id(self.numbers[number_id].portfolio_id, self.person(person))
        self._template_ids = {(t.waba_id, t.name, t.language): t.id for t in self.templates.values()}

    def save(self, thing: Any) -> None:
        """Keep an object's new state, in memory and on disk."""
        kind = type(thing).__name__
        if isinstance(thing, Thread):
            self.threads[thing.number_id, thing.person] = thing
            self._store.put(kind, f"{thing.number_id}:{thing.person}", asdict(thing))
            return
        table, key = self._tables()[kind]
        table[getattr(thing, key)] = thing
        if isinstance(thing, Template):
            self._template_ids[thing.waba_id, thing.name, thing.language] = thing.id
        self._store.put(kind, getattr(thing, key), asdict(thing))

    def drop(self, thing: Any) -> None:
        """Forget an object."""
        table, key = self._tables()[type(thing).__name__]
        table.pop(getattr(thing, key), None)
        if isinstance(thing, Template):
            self._template_ids.pop((thing.waba_id, thing.name, thing.language), None)
        self._store.remove(type(thing).__name__, getattr(thing, key))

    def _tables(self) -> dict[str, tuple[dict[str, Any], str]]:
        return {
            "App": (self.apps, "id"),
            "Portfolio": (self.portfolios, "id"),
            "Account": (self.accounts, "id"),
            "Number": (self.numbers, "id"),
            "Token": (self.tokens, "token"),
            "SignupCode": (self.codes, "code"),
            "Template": (self.templates, "id"),
            "Media": (self.media, "id"),
            "Person": (self.people, "key"),
        }

    # -- who may

    def token(self, text: str) -> Token:
        """Return a live token; raises GraphError 190 when it is unknown, expired or taken back."""
        token = self.tokens.get(text)
        if token is None:
            raise bad_token()
        problem = self.token_problem(token)
        if problem is not None:
            raise problem
        return token

    def token_problem(self, token: Token) -> GraphError | None:
        """Return why a token is dead, None when it lives."""
        if token.revoked:
            return bad_token(
                "Error validating access token: The session has been invalidated because the user changed their "
                "password or Facebook has changed the session for security reasons.",
                460,
            )
        if token.expires_at and token.expires_at <= self._clock.now():
            return bad_token("Error validating access token: Session has expired.", 463)
        return None

    def number(self, token: Token, number_id: str, method: str) -> Number:
        """Return a number that the token reaches; raises GraphError 100/33 otherwise."""
        number = self.numbers.get(number_id)
        if number is None or number.waba_id not in token.waba_ids:
            raise unknown_object(method, number_id)
        return number

    def account(self, token: Token, waba_id: str, method: str) -> Account:
        """Return an account that the token reaches; raises GraphError 100/33 otherwise."""
        if waba_id not in self.accounts or waba_id not in token.waba_ids:
            raise unknown_object(method, waba_id)
        return self.accounts[waba_id]

    # -- who is related to whom

    def numbers_of(self, waba_id: str) -> list[Number]:
        """Return an account's numbers, oldest first."""
        return [number for number in self.numbers.values() if number.waba_id == waba_id]

    def templates_of(self, waba_id: str) -> list[Template]:
        """Return an account's templates, oldest first."""
        return [template for template in self.templates.values() if template.waba_id == waba_id]

    def template(self, waba_id: str, name: str, language: str) -> Template | None:
        """Return the template of this name and language."""
        found = self._template_ids.get((waba_id, name, language))
        return self.templates[found] if found is not None else None

    def person(self, key: str) -> Person:
        """Return a person; one that nobody told us of is made up, and not kept."""
        return self.people.get(key) or Person(key)

    def scoped_id(self, portfolio_id: str, person: Person) -> str:
        """Return the business-scoped user id of a person for a portfolio."""
        return person.key if person.hidden else scoped_user_id(portfolio_id, person.key)

    def remember_user_id(self, portfolio_id: str, person: Person) -> None:
        """Let a business reach a person who wrote to it by the user id it was told."""
        self._user_ids[self.scoped_id(portfolio_id, person)] = person.key

    def person_of(self, user_id: str) -> str | None:
        """Return the key of the person with this business-scoped user id, None when nobody with it ever wrote."""
        return self._user_ids.get(user_id)

    def thread(self, number_id: str, person: str) -> Thread:
        """Return what a number and a person have open."""
        return self.threads.get((number_id, person)) or Thread(number_id, person)

    def count_service(self, number: Number, now: float) -> int:
        """Count a service message of this month, return which one it is; kept every fifty, near enough for a limit."""
        month = self._month_of(now)
        if number.service_month != month:
            number.service_month, number.service_used = month, 0
        number.service_used += 1
        if number.service_used % 50 == 0:
            self.save(number)
        return number.service_used

    def _month_of(self, now: float) -> str:
        day = int(now // 86400)
        if self._day[0] != day:  # a send has better to do than to format dates
            self._day = (day, datetime.fromtimestamp(now, UTC).strftime("%Y-%m"))
        return self._day[1]

    def window_open(self, thread: Thread) -> bool:
        """Tell whether free-form messages may go: the service window or a free entry point is open."""
        now = self._clock.now()
        return now < thread.last_inbound + WINDOW or now < thread.free_entry_until

    def callbacks(self, account: Account, number: Number | None) -> list[tuple[App, str]]:
        """Return the subscribed apps and where each wants this number's webhooks: number, then WABA, then app."""
        override = number.callback_override if number is not None else ""
        found = [(self.apps[app_id], override or own) for app_id, own in account.subscriptions.items()]
        return [(app, url or app.callback_url) for app, url in found if url or app.callback_url]


def _by(store: Store, kind: type[T], key: str) -> dict[str, T]:
    return {doc[key]: kind(**doc) for doc in store.load(kind.__name__)}

"""Campaigns as a client makes, presses and reads them."""

from collections import Counter, defaultdict
from typing import Any

from tests.support.running import Number, Stack, until

STORED = [
    {
        "name": "sale",
        "language": "en_US",
        "category": "MARKETING",
        "components": [
            {"type": "BODY", "text": "Hi {{1}}, our sale is on today.", "example": {"body_text": [["Ann"]]}}
        ],
    },
    {
        "name": "notice",
        "language": "en_US",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "We are closed today."}],
    },
]


def body_of(name: str) -> list[dict[str, Any]]:
    return [{"type": "body", "parameters": [{"type": "text", "text": name}]}]


def draft(number: Number, people: list[str], template: str = "notice", **more: Any) -> str:
    """Make a draft with recipients and return its id."""
    body = {"name": "a", "template": template, "phone_number_id": number.id} | more
    made = number.stack.call("POST", "/campaigns", body)
    assert made.status_code == 201, made.text
    assert made.json()["status"] == "draft"
    campaign_id = str(made.json()["id"])
    if people:
        rows = [{"to": f"+{who}"} | ({"components": body_of(who)} if template == "sale" else {}) for who in people]
        answer = number.stack.call("POST", f"/campaigns/{campaign_id}/recipients", {"recipients": rows})
        assert (answer.status_code, answer.json()["added"]) == (200, len(people)), answer.text
    return campaign_id


def does(stack: Stack, campaign_id: str, what: str, **body: Any) -> Any:
    return stack.call("POST", f"/campaigns/{campaign_id}/{what}", body)


def launched(number: Number, people: list[str], template: str = "notice", **options: Any) -> str:
    campaign_id = draft(number, people, template)
    answer = does(number.stack, campaign_id, "launch", **options)
    assert answer.status_code == 202, answer.text
    return campaign_id


def read(stack: Stack, campaign_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.call("GET", f"/campaigns/{campaign_id}").json()
    assert sum(found["counts"].values()) == found["recipients"]
    return found


def becomes(stack: Stack, campaign_id: str, status: str, seconds: float = 30) -> dict[str, Any]:
    row: dict[str, Any] = until(
        lambda: row if (row := read(stack, campaign_id))["status"] == status else None, f"it is {status}", seconds
    )
    return row


class _Log:
    """The sandbox's accepted log as far as it was read: it only grows, and reading it whole each time is dear."""

    def __init__(self) -> None:
        self._after = 0
        self._seen: dict[str, Counter[str]] = defaultdict(Counter)

    def of(self, number: Number) -> Counter[str]:
        """Read on, and return how often each person was written to by a number."""
        for row in number.stack.sends(self._after):
            self._after = row["seq"]
            self._seen[row["phone_number_id"]][row["to"].removeprefix("+")] += 1
        return Counter(self._seen[number.id])


_LOGS: dict[str, _Log] = defaultdict(_Log)  # by the sandbox's address


def arrived(number: Number) -> Counter[str]:
    """Return how often each person was written to by a number, as the sandbox saw it."""
    return _LOGS[number.stack.info["sandbox"]].of(number)

"""A key's first answer stands, whatever happened to the number or the template since."""

from collections.abc import Callable

from tests.support.running import Stack, until
from tests.support.shared_stack import install


def test_a_key_gets_its_first_answer_again_when_the_template_was_paused_since(
    stack: Stack, person: Callable[[], str]
) -> None:
    shop = stack.connect(throughput=1000)
    install(stack, shop, {
        "name": "short_lived", "language": "en_US", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello"}],
    })  # fmt: skip
    body = {"phone_number_id": shop.id, "to": f"+{person()}", "template": "short_lived", "language": "en_US"}
    key = {"Idempotency-Key": f"short-lived-{shop.id}"}
    first = stack.call("POST", "/messages/template", body, headers=key)
    assert first.status_code == 202, first.text
    there = [each for each in stack.box("GET", "/templates")["data"] if each["waba_id"] == shop.waba_id]
    meta_id = next(each["id"] for each in there if each["name"] == "short_lived")
    stack.box("POST", f"/templates/{meta_id}/review", {"action": "pause"})
    until(lambda: stack.call("POST", "/messages/template", body).status_code == 422, "it is paused", 10)
    again = stack.call("POST", "/messages/template", body, headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = stack.call("POST", "/messages/template", body | {"client_ref": "x"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")

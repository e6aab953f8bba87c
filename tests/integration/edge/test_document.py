import json
import re
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from deploy.openapi import FILE
from tests.support.message_kinds import FREE_FORM, posted
from tests.support.running import API, Number, Stack
from tests.support.shared_stack import SHAPE

EXPECTED = {
    ("GET", "/audit_log"), ("POST", "/onboarding/manual"), ("GET", "/accounts"), ("GET", "/phone_numbers"),
    ("POST", "/messages"),
    ("POST", "/messages/template"), ("POST", "/messages/media"), ("POST", "/messages/interactive"),
    ("POST", "/messages/location"), ("POST", "/messages/contacts"), ("POST", "/messages/reaction"),
    ("POST", "/messages/bulk"), ("POST", "/messages/{message_id}/read"), ("POST", "/messages/{message_id}/cancel"),
    ("GET", "/messages"), ("GET", "/messages/{message_id}"), ("GET", "/templates"),
    ("POST", "/templates/sync"), ("GET", "/templates/sync/{job_id}"), ("GET", "/templates/{template_id}"),
    ("POST", "/templates"), ("DELETE", "/templates"), ("POST", "/templates/media"),
    ("PATCH", "/templates/{template_id}"), ("DELETE", "/templates/{template_id}"),
    ("GET", "/templates/rejection_reasons"), ("POST", "/media"),
    ("GET", "/media/{media_id}"), ("DELETE", "/media/{media_id}"),
    ("POST", "/onboarding/exchange"), ("GET", "/onboarding/{onboarding_id}"), ("GET", "/accounts/{waba_id}"),
    ("DELETE", "/accounts/{waba_id}"), ("GET", "/phone_numbers/{phone_id}"),
    ("POST", "/phone_numbers/{phone_id}/refresh"),
    ("GET", "/phone_numbers/{phone_id}/profile"), ("PATCH", "/phone_numbers/{phone_id}/profile"),
    ("POST", "/phone_numbers/{phone_id}/request_code"), ("POST", "/phone_numbers/{phone_id}/verify_code"),
    ("POST", "/phone_numbers/{phone_id}/register"), ("POST", "/phone_numbers/{phone_id}/deregister"),
    ("POST", "/phone_numbers/{phone_id}/two_step_pin"), ("GET", "/phone_numbers/{phone_id}/blocked_users"),
    ("POST", "/phone_numbers/{phone_id}/blocked_users"), ("DELETE", "/phone_numbers/{phone_id}/blocked_users/{user}"),
    ("GET", "/opt_outs"), ("POST", "/opt_outs"), ("DELETE", "/opt_outs/{contact_id}"),
    ("GET", "/settings/opt_out_words"), ("PUT", "/settings/opt_out_words"),
    ("GET", "/contacts"), ("GET", "/contacts/{contact_id}"),
    ("GET", "/conversations"), ("GET", "/conversations/{conversation_id}"),
    ("POST", "/webhook_endpoints"), ("GET", "/webhook_endpoints"), ("GET", "/webhook_endpoints/{endpoint_id}"),
    ("PATCH", "/webhook_endpoints/{endpoint_id}"), ("DELETE", "/webhook_endpoints/{endpoint_id}"),
    ("POST", "/webhook_endpoints/{endpoint_id}/test"), ("POST", "/webhook_endpoints/{endpoint_id}/rotate_secret"),
    ("GET", "/webhook_endpoints/{endpoint_id}/deliveries"), ("POST", "/webhook_endpoints/{endpoint_id}/replay"),
    ("POST", "/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}/replay"),
    ("POST", "/keys"), ("GET", "/keys"), ("GET", "/keys/{key_id}"), ("POST", "/keys/{key_id}/roll"),
    ("POST", "/keys/{key_id}/revoke"), ("GET", "/dead_letters"), ("GET", "/dead_letters/{dead_letter_id}"),
    ("POST", "/dead_letters/{dead_letter_id}/replay"), ("POST", "/dead_letters/{dead_letter_id}/discard"),
    ("POST", "/dead_letters/replay"), ("POST", "/dead_letters/discard"),
}  # fmt: skip
EXAMPLES = 10  # of each call: with the many fields of a call still hundreds of odd values, in half a minute for all


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def test_the_document_names_every_call_of_every_service(stack: Stack) -> None:
    document = stack.http.get(stack.info["edge"] + "/openapi.json").json()
    assert operations(document) >= {(method, API + path) for method, path in EXPECTED}
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            if path.startswith(API):
                assert call["security"], f"{method} {path} says no key"
                assert call["x-scope"].startswith("whatsapp:")
    assert not [path for path in document["paths"] if "internal" in path]


def test_the_document_takes_what_the_api_takes(stack: Stack, number: Number) -> None:
    paths = stack.http.get(stack.info["edge"] + "/openapi.json").json()["paths"]

    def schema(path: str) -> Any:
        return paths[API + path]["post"]["requestBody"]["content"]["application/json"]["schema"]

    for name in FREE_FORM:
        wanted = posted(number, name, "15570000000")
        assert jsonschema_rs.is_valid(schema(wanted["path"]), wanted["body"]), name
        item = {"type": wanted["type"]} | wanted["body"]
        assert jsonschema_rs.is_valid(schema("/messages/bulk"), {"messages": [item]}), name
        assert not jsonschema_rs.is_valid(schema("/messages/bulk"), {"messages": [item | {"colour": "red"}]}), name


@pytest.mark.parametrize("path", ["/docs", "/healthz", "/readyz", "/metrics"])
def test_what_operators_look_at_answers_without_a_key(stack: Stack, path: str) -> None:
    assert stack.http.get(stack.info["edge"] + path).status_code == 200


def test_the_page_that_keys_are_pasted_into_runs_no_script_that_was_changed(stack: Stack) -> None:
    page = stack.http.get(stack.info["edge"] + "/docs").text
    foreign = re.findall(r"<(?:script src|link rel=\"stylesheet\" href)=\"https://[^>]*>", page)
    assert len(foreign) == 2
    for tag in foreign:
        assert re.search(r'@\d+\.\d+\.\d+/.* integrity="sha384-[A-Za-z0-9+/]{64}" crossorigin="anonymous"', tag), tag


def test_metrics_name_no_person_and_no_key(stack: Stack) -> None:
    for url in stack.info["metrics"].values():
        text = stack.http.get(url).text
        series = "\n".join(line.rpartition(" ")[0] for line in text.splitlines())  # a value may have any digits
        assert "wabus_" in series
        assert not re.search(r"155[578]\d{7}", series)
        assert "cm_" not in text


def test_internal_routes_are_shut_to_every_key(stack: Stack) -> None:
    for key in (stack.key, stack.info["admin_key"]):
        for path in ("/internal/tenants", "/internal/keys"):
            headers = {"Authorization": f"Bearer {key}"}
            assert stack.http.get(stack.info["edge"] + path, headers=headers).status_code in (401, 403, 404)


def test_generated_calls_meet_no_crash_and_no_answer_out_of_shape(stack: Stack, number: Number) -> None:
    document = schemathesis.openapi.from_url(stack.info["edge"] + "/openapi.json")
    for found in document.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # an operation that cannot be read raises here
        if operation.path.startswith(API):
            _explore(stack, operation)
    stack.call("PUT", "/settings/opt_out_words", {})  # for the tests to come STOP means stop again


def _explore(stack: Stack, operation: Any) -> None:
    of_admins = operation.path.startswith((f"{API}/keys", f"{API}/dead_letters", f"{API}/audit_log"))
    key = stack.info["admin_key"] if of_admins else stack.key

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def explore(case: Any) -> None:
        answer = case.call(base_url=stack.info["edge"], headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code < 500, f"{case.as_curl_command()} -> {answer.status_code}"
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) >= SHAPE, case.as_curl_command()
        assert "request-id" in answer.headers, f"{case.as_curl_command()} -> {answer.status_code} {answer.text[:200]}"

    explore()


def test_the_printed_document_is_the_one_that_is_served(stack: Stack) -> None:
    assert stack.http.get(stack.info["edge"] + "/openapi.json").json() == json.loads(FILE.read_text())

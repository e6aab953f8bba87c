import pytest

from libs.graph.errors import GraphError, GraphFailure, GraphRefused, GraphUnavailable
from libs.graph.refusals import answer_for
from services.templates.errors import is_gone, refused


@pytest.mark.parametrize(
    ("code", "http_status", "status", "public"),
    [
        (4, 400, 429, "app_throttled"), (80007, 400, 429, "app_throttled"), (613, 400, 429, "app_throttled"),
        (1, 400, 502, "meta_failed"), (2, 503, 502, "meta_failed"), (131000, 500, 502, "meta_failed"),
        (131016, 500, 502, "meta_failed"), (133004, 503, 502, "meta_failed"), (99_999, 500, 502, "meta_failed"),
        (0, 401, 409, "token_invalid"), (190, 401, 409, "token_invalid"), (10, 403, 409, "permission_missing"),
        (200, 403, 409, "permission_missing"), (299, 403, 409, "permission_missing"),
        (368, 403, 409, "account_blocked"), (131031, 403, 409, "account_blocked"),
        (131042, 400, 409, "payment_missing"), (133010, 400, 409, "number_not_registered"),
        (100, 400, 422, "meta_refused"), (192, 400, 422, "meta_refused"), (131053, 400, 422, "meta_refused"),
        (99_999, 400, 422, "meta_refused"),
    ],
)  # fmt: skip
def test_each_code_of_metas_has_its_answer(code: int, http_status: int, status: int, public: str) -> None:
    error = GraphError(code, "(#1) Title", "what it says", fbtrace_id="A1", http_status=http_status)
    answer = answer_for(GraphRefused(error), "do it")
    assert (answer.status, answer.public_code) == (status, public)
    assert answer.meta == {"code": code, "title": "(#1) Title", "details": "what it says", "fbtrace_id": "A1"}
    assert answer.retryable == (status in (429, 502))
    assert (answer.retry_after is not None) == (status == 429)


@pytest.mark.parametrize(("slow", "status", "public"), [(True, 504, "meta_slow"), (False, 502, "meta_failed")])
def test_silence_is_told_as_such(slow: bool, status: int, public: str) -> None:
    failure: GraphFailure = GraphUnavailable("why", slow=slow)
    answer = refused(failure, "do it")
    assert (answer.status, answer.public_code, answer.meta) == (status, public, None)


@pytest.mark.parametrize(
    ("subcode", "status", "public"),
    [
        (2388019, 409, "template_limit"), (2388023, 409, "template_name_blocked"), (2388024, 409, "template_exists"),
        (2388039, 409, "template_state"), (33, 409, "template_out_of_reach"), (2388040, 422, "template_refused"),
        (2388042, 422, "template_refused"), (2388047, 422, "template_refused"), (2388049, 422, "template_refused"),
        (2388072, 422, "template_refused"), (2388073, 422, "template_refused"), (2388293, 422, "template_refused"),
        (2388299, 422, "template_refused"), (None, 422, "template_refused"),
    ],
)  # fmt: skip
def test_what_meta_says_of_templates_has_its_answer(subcode: int | None, status: int, public: str) -> None:
    failure = GraphRefused(GraphError(100, "Invalid parameter", "too long", subcode=subcode))
    answer = refused(failure, "create the template")
    assert (answer.status, answer.public_code) == (status, public)
    assert answer.meta is not None
    assert answer.meta["code"] == 100
    assert not is_gone(failure)


def test_only_metas_own_word_says_that_a_template_is_gone() -> None:
    assert is_gone(GraphRefused(GraphError(100, "Invalid parameter", subcode=2593002)))
    assert not is_gone(GraphUnavailable("silence"))

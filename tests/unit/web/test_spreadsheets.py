"""No cell of a CSV file is a formula."""

import pytest

from libs.web.spreadsheets import cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "sale", "0.1365", "a=1", "2026-11-01T00:00:00Z"])
def test_another_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text

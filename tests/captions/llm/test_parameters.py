"""Parameters that a server refuses are renamed or left out, never both ways in turn."""

import pytest

from pipeline.captions.llm.parameters import without_unsupported

LIMIT = {"max_tokens": 200, "temperature": 0.5}


@pytest.mark.parametrize(
    ("sent", "complaint", "names"),
    [
        (LIMIT, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
         {"max_completion_tokens", "temperature"}),
        ({"max_completion_tokens": 200}, "'max_completion_tokens' is unknown; use max_tokens", {"max_tokens"}),
        (LIMIT, "Unsupported value: 'temperature' does not support 0.5 with this model.", {"max_tokens"}),
        (LIMIT, "temperature and max_tokens are not supported", {"max_tokens"}),
    ],
)  # fmt: skip
def test_what_is_named_first_goes(sent, complaint, names):
    assert without_unsupported(sent, complaint).keys() == names


def test_a_complaint_of_something_else_changes_nothing():
    assert without_unsupported(LIMIT, "the prompt is too long") is None
    assert without_unsupported({}, "temperature is not supported") is None

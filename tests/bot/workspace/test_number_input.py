"""What a person may type where a number is asked for."""

from __future__ import annotations

import pytest

from bot.workspace.modals import new_view
from bot.workspace.submitting import unfit


def answer(value, **limits):
    element = {"type": "number_input", "action_id": "n", "is_decimal_allowed": False, **limits}
    label = {"type": "plain_text", "text": "GPUs"}
    view = new_view("U01MIRA", {"blocks": [{"type": "input", "block_id": "b", "label": label, "element": element}]})
    return unfit(view, {"b": {"n": {"value": value}}}).get("b", "")


@pytest.mark.parametrize(
    ("value", "limits", "sentence"),
    [
        ("4", {"min_value": "1", "max_value": "4"}, ""),
        ("5", {"min_value": "1", "max_value": "4"}, "Enter 4 or less."),
        ("0", {"min_value": "1", "max_value": "4"}, "Enter 1 or more."),
        ("1.5", {}, "Enter a whole number."),
        ("1.5", {"is_decimal_allowed": True}, ""),
        ("1e3", {"is_decimal_allowed": True}, "Enter a number."),
        ("four", {}, "Enter a whole number."),
    ],
)
def test_a_number_keeps_to_its_limits(value, limits, sentence):
    assert answer(value, **limits) == sentence

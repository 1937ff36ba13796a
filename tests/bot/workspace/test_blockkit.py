"""Block Kit's limits, each at its edge."""

from __future__ import annotations

import pytest

from bot.workspace.blockkit import check_blocks, check_view, with_ids


def plain(length=1):
    return {"type": "plain_text", "text": "x" * length}


def mrkdwn(length=1):
    return {"type": "mrkdwn", "text": "x" * length}


def header(length=1):
    return {"type": "header", "text": plain(length)}


def section(length=1, **more):
    return {"type": "section", "text": mrkdwn(length), **more}


def button(**more):
    return {"type": "button", "text": plain(), **more}


def actions(*elements, **more):
    return {"type": "actions", "elements": list(elements), **more}


def option(text=1, value=1):
    return {"text": plain(text), "value": "v" * value}


def menu(count=1, **more):
    return {"type": "static_select", "options": [option()] * count, **more}


def fields(count, length=1):
    return {"type": "section", "fields": [mrkdwn(length)] * count}


def context(count):
    return {"type": "context", "elements": [mrkdwn()] * count}


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ([header(150)], [header(151)]),
        ([section(3000)], [section(3001)]),
        ([fields(10)], [fields(11)]),
        ([fields(1, 2000)], [fields(1, 2001)]),
        ([context(10)], [context(11)]),
        ([actions(*[button()] * 25)], [actions(*[button()] * 26)]),
        ([actions(button(text=plain(75)))], [actions(button(text=plain(76)))]),
        ([actions(button(value="v" * 2000))], [actions(button(value="v" * 2001))]),
        ([actions(button(action_id="a" * 255))], [actions(button(action_id="a" * 256))]),
        ([actions(menu(100))], [actions(menu(101))]),
        ([actions(menu(options=[option(75)]))], [actions(menu(options=[option(76)]))]),
        ([actions(menu(options=[option(1, 150)]))], [actions(menu(options=[option(1, 151)]))]),
        ([section(block_id="b" * 255)], [section(block_id="b" * 256)]),
        ([{"type": "divider"}] * 50, [{"type": "divider"}] * 51),
    ],
)
def test_blocks_fit_to_the_last_character_and_no_further(fits, too_much):
    assert check_blocks(fits) == []
    assert len(check_blocks(too_much)) == 1


@pytest.mark.parametrize(
    "blocks",
    [
        "text",
        ["text"],
        [{"type": "carousel"}],
        [{"type": "header", "text": mrkdwn()}],
        [{"type": "section"}],
        [section(0)],
        [section(colour="red")],
        [actions()],
        [actions(button(style="warning"))],
        [actions({"type": "plain_text_input", "action_id": "a"})],
        [actions(menu(initial_option=option(2)))],
        [actions({"type": "static_select"})],
        [section(accessory={"type": "datetimepicker"})],
        [{"type": "image", "alt_text": "x"}],
        [section(block_id="same"), section(block_id="same")],
        [actions(button(action_id="same"), button(action_id="same"))],
    ],
)
def test_what_slack_would_not_take_is_refused(blocks):
    assert check_blocks(blocks)


def test_the_same_action_id_may_stand_in_two_blocks():
    assert check_blocks([actions(button(action_id="same")), actions(button(action_id="same"))]) == []


def test_an_error_says_where():
    assert check_blocks([section(), header(151)]) == [
        "must be less than 151 characters [json-pointer:/blocks/1/text/text]"
    ]


def modal(*blocks, **more):
    return {"type": "modal", "title": plain(), "blocks": list(blocks), **more}


def text_input(**more):
    return {"type": "input", "label": plain(), "element": {"type": "plain_text_input", **more}}


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        (modal(title=plain(24)), modal(title=plain(25))),
        (modal(submit=plain(24)), modal(submit=plain(25))),
        (modal(close=plain(24)), modal(close=plain(25))),
        (modal(private_metadata="x" * 3000), modal(private_metadata="x" * 3001)),
        (modal(callback_id="x" * 255), modal(callback_id="x" * 256)),
        (modal(*[section()] * 100), modal(*[section()] * 101)),
        (modal(text_input(), submit=plain()), modal(text_input())),
        ({"type": "home", "blocks": [section()] * 100}, {"type": "home", "blocks": [section()] * 101}),
    ],
)
def test_views_fit_to_the_last_character_and_no_further(fits, too_much):
    assert check_view(fits) == []
    assert len(check_view(too_much)) == 1


@pytest.mark.parametrize(
    "view",
    [
        None,
        {},
        {"type": "drawer", "blocks": []},
        {"type": "modal", "blocks": []},
        {"type": "home", "title": plain(), "blocks": []},
    ],
)
def test_a_view_of_no_known_form_is_refused(view):
    assert check_view(view)


def test_missing_ids_are_filled_in_and_given_ones_stay():
    (first, second) = with_ids([actions(button(), block_id="row"), section()])
    assert first["block_id"] == "row"
    assert first["elements"][0]["action_id"]
    assert second["block_id"]

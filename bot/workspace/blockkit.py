"""Block Kit's limits, as tables, and the check of messages and views against them.

Source: Slack's published reference of blocks, block elements, composition objects and views.
"""

from __future__ import annotations

import copy
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bot.workspace.blockrules import (
    Check,
    Field,
    Findings,
    anything,
    boolean,
    integer,
    listing,
    may,
    need,
    one_of,
    shape,
    string,
    text,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bot.workspace.model import Json

MESSAGE_BLOCKS: Final = 50
VIEW_BLOCKS: Final = 100
_ID: Final = may(string(255, 1))
_PLACEHOLDER: Final = may(text(150, plain=True))

CONFIRM: Final = shape(
    {
        "title": need(text(100, plain=True)),
        "text": need(text(300)),
        "confirm": need(text(30, plain=True)),
        "deny": need(text(30, plain=True)),
        "style": may(one_of("primary", "danger")),
    }
)
_OPTION_BASE: Final = {"value": need(string(150, 1)), "description": may(text(75, plain=True))}
OPTION: Final = shape({"text": need(text(75, plain=True)), **_OPTION_BASE})
RICH_OPTION: Final = shape({"text": need(text(75)), "value": need(string(150, 1)), "description": may(text(75))})
LINK_OPTION: Final = shape({"text": need(text(75, plain=True)), "url": may(string(3000)), **_OPTION_BASE})
OPTION_GROUP: Final = shape({"label": need(text(75, plain=True)), "options": need(listing(OPTION, 100))})

_COMMON: Final = {"action_id": _ID, "confirm": may(CONFIRM), "focus_on_load": may(boolean)}
_MENU: Final = {**_COMMON, "placeholder": _PLACEHOLDER}
_STATIC: Final = {**_MENU, "options": may(listing(OPTION, 100)), "option_groups": may(listing(OPTION_GROUP, 100))}
_MANY: Final = {"max_selected_items": may(integer)}
_PICKER: Final = {**_MENU}
_FIELD: Final = {
    "action_id": _ID,
    "placeholder": _PLACEHOLDER,
    "focus_on_load": may(boolean),
    "initial_value": may(string(3000)),
    "dispatch_action_config": may(
        shape({"trigger_actions_on": may(listing(one_of("on_enter_pressed", "on_character_entered"), 2))})
    ),
}
_IMAGE: Final = {"image_url": may(string(3000)), "slack_file": may(anything), "alt_text": need(string(2000))}

ELEMENTS: Final[Mapping[str, Mapping[str, Field]]] = {
    "button": {
        "text": need(text(75, plain=True)),
        "action_id": _ID,
        "url": may(string(3000)),
        "value": may(string(2000)),
        "style": may(one_of("primary", "danger")),
        "confirm": may(CONFIRM),
        "accessibility_label": may(string(75)),
    },
    "static_select": {**_STATIC, "initial_option": may(OPTION)},
    "multi_static_select": {**_STATIC, **_MANY, "initial_options": may(listing(OPTION, 100))},
    "users_select": {**_MENU, "initial_user": may(string(255))},
    "multi_users_select": {**_MENU, **_MANY, "initial_users": may(listing(string(255), 100))},
    "channels_select": {**_MENU, "initial_channel": may(string(255)), "response_url_enabled": may(boolean)},
    "conversations_select": {
        **_MENU,
        "initial_conversation": may(string(255)),
        "default_to_current_conversation": may(boolean),
        "response_url_enabled": may(boolean),
        "filter": may(anything),
    },
    "overflow": {"action_id": _ID, "options": need(listing(LINK_OPTION, 5)), "confirm": may(CONFIRM)},
    "datepicker": {**_PICKER, "initial_date": may(string(10))},
    "timepicker": {**_PICKER, "initial_time": may(string(5)), "timezone": may(string(255))},
    "datetimepicker": {**_COMMON, "initial_date_time": may(integer)},
    "radio_buttons": {
        **_COMMON,
        "options": need(listing(RICH_OPTION, 10)),
        "initial_option": may(RICH_OPTION),
    },
    "checkboxes": {
        **_COMMON,
        "options": need(listing(RICH_OPTION, 10)),
        "initial_options": may(listing(RICH_OPTION, 10)),
    },
    "image": _IMAGE,
    "plain_text_input": {
        **_FIELD,
        "multiline": may(boolean),
        "min_length": may(integer),
        "max_length": may(integer),
    },
    "email_text_input": _FIELD,
    "url_text_input": _FIELD,
    "number_input": {
        **_FIELD,
        "is_decimal_allowed": need(boolean),
        "min_value": may(string(255)),
        "max_value": may(string(255)),
    },
}

_SELECTS: Final = ("static_select", "users_select", "channels_select", "conversations_select")
_MULTI: Final = ("multi_static_select", "multi_users_select")
_PICKERS: Final = ("datepicker", "timepicker")
_BOXES: Final = ("radio_buttons", "checkboxes")
_TYPED_IN: Final = ("plain_text_input", "email_text_input", "url_text_input", "number_input")
IN_ACTIONS: Final = ("button", "overflow", "datetimepicker", *_SELECTS, *_PICKERS, *_BOXES)
IN_SECTION: Final = ("button", "overflow", "image", *_SELECTS, *_MULTI, *_PICKERS, *_BOXES)
IN_INPUT: Final = (*_TYPED_IN, "datetimepicker", *_SELECTS, *_MULTI, *_PICKERS, *_BOXES)
STATEFUL: Final = frozenset(IN_INPUT)


def _element(*kinds: str) -> Check:
    return typed(ELEMENTS, kinds, "element")


def _context_element(value: Any, path: str, found: Findings) -> None:
    if isinstance(value, dict) and value.get("type") == "image":
        _element("image")(value, path, found)
    else:
        text(3000)(value, path, found)


BLOCKS: Final[Mapping[str, Mapping[str, Field]]] = {
    "header": {"text": need(text(150, plain=True))},
    "section": {
        "text": may(text(3000)),
        "fields": may(listing(text(2000), 10)),
        "accessory": may(_element(*IN_SECTION)),
        "expand": may(boolean),
    },
    "context": {"elements": need(listing(_context_element, 10))},
    "actions": {"elements": need(listing(_element(*IN_ACTIONS), 25))},
    "divider": {},
    "image": {**_IMAGE, "title": may(text(2000, plain=True))},
    "input": {
        "label": need(text(2000, plain=True)),
        "element": need(_element(*IN_INPUT)),
        "hint": may(text(2000, plain=True)),
        "optional": may(boolean),
        "dispatch_action": may(boolean),
    },
    "rich_text": {"elements": need(anything)},
    "markdown": {"text": need(string(12000, 1))},
}
_IN_VIEWS: Final = tuple(kind for kind in BLOCKS if kind != "markdown")

_VIEW: Final = {
    "private_metadata": may(string(3000)),
    "callback_id": may(string(255)),
    "external_id": may(string(255)),
}
VIEWS: Final[Mapping[str, Mapping[str, Field]]] = {
    "home": {**_VIEW, "blocks": need(anything)},
    "modal": {
        **_VIEW,
        "blocks": need(anything),
        "title": need(text(24, plain=True)),
        "submit": may(text(24, plain=True)),
        "close": may(text(24, plain=True)),
        "clear_on_close": may(boolean),
        "notify_on_close": may(boolean),
        "submit_disabled": may(boolean),
    },
}


def check_blocks(blocks: Any) -> list[str]:
    """Return what Slack would refuse in the blocks of a message; empty when it takes them."""
    found = Findings()
    _check_list(blocks, "/blocks", tuple(BLOCKS), MESSAGE_BLOCKS, found)
    return found.errors


def check_view(view: Any) -> list[str]:
    """Return what Slack would refuse in a view; empty when it takes it."""
    found = Findings()
    typed(VIEWS, tuple(VIEWS), "view")(view, "/view", found)
    if found.errors:
        return found.errors
    _check_list(view["blocks"], "/view/blocks", _IN_VIEWS, VIEW_BLOCKS, found)
    if not found.errors and view["type"] == "modal" and "submit" not in view and _has_input(view["blocks"]):
        found.add("`submit` is required when an `input` block is in blocks", "/view")
    return found.errors


def _has_input(blocks: list[Json]) -> bool:
    return any(block["type"] == "input" for block in blocks)


def _check_list(blocks: Any, path: str, kinds: tuple[str, ...], most: int, found: Findings) -> None:
    table = {kind: {"block_id": _ID, **fields} for kind, fields in BLOCKS.items()}
    listing(typed(table, kinds, "block"), most, 0)(blocks, path, found)
    if found.errors:
        return
    _check_unique((block.get("block_id") for block in blocks), "block_id", path, found)
    for index, block in enumerate(blocks):
        _check_across(block, f"{path}/{index}", found)


def _check_unique(names: Iterator[str | None], noun: str, path: str, found: Findings) -> None:
    for name, times in Counter(name for name in names if name).items():
        if times > 1:
            found.add(f"`{noun}` must be unique: {name}", path)


def _check_across(block: Json, path: str, found: Findings) -> None:
    """Check what no single property shows."""
    if block["type"] == "section" and not (block.get("text") or block.get("fields")):
        found.add("missing required field: text or fields", path)
    _check_unique((each.get("action_id") for each in elements_of(block)), "action_id", path, found)
    for element in elements_of(block):
        _check_options(element, path, found)
    _check_image(block, path, found)


def _check_options(element: Json, path: str, found: Findings) -> None:
    if element["type"].endswith("static_select") and ("options" in element) == ("option_groups" in element):
        found.add("exactly one of `options` and `option_groups` is required", path)
        return
    known = options_of(element)
    chosen = [element["initial_option"]] if "initial_option" in element else element.get("initial_options", [])
    if any(option not in known for option in chosen):
        found.add("`initial_option` must be one of the options", path)


def _check_image(block: Json, path: str, found: Findings) -> None:
    images = [each for each in (block, *elements_of(block)) if each["type"] == "image"]
    if any(not (image.get("image_url") or image.get("slack_file")) for image in images):
        found.add("missing required field: image_url", path)


def elements_of(block: Json) -> list[Json]:
    """Return the elements of a block: of actions and context, the accessory, the input; text objects are none."""
    single = [block[key] for key in ("accessory", "element") if isinstance(block.get(key), dict)]
    several = block.get("elements", []) if block["type"] in ("actions", "context") else []
    return [*single, *(each for each in several if each["type"] not in ("plain_text", "mrkdwn"))]


def options_of(element: Json) -> list[Json]:
    """Return every option of a menu, groups opened."""
    groups: list[Json] = element.get("option_groups") or []
    return [*(element.get("options") or []), *(option for group in groups for option in group["options"])]


def with_ids(blocks: list[Json]) -> list[Json]:
    """Return a copy in which every block has a block_id and every interactive element an action_id."""
    blocks = copy.deepcopy(blocks)
    for block in blocks:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        for element in elements_of(block):
            if element["type"] != "image":
                element.setdefault("action_id", secrets.token_urlsafe(4))
    return blocks

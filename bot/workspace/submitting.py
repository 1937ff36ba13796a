"""Submitting and closing modals: what the page checks first, what the app is told, and what its answer does."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bot.workspace import shapes
from bot.workspace.acting import GONE, NO_ANSWER, failed, interaction
from bot.workspace.blockkit import options_of
from bot.workspace.errors import SlackError
from bot.workspace.hub import NotAckedError
from bot.workspace.modals import change
from bot.workspace.view_methods import checked_view

if TYPE_CHECKING:
    from bot.workspace.core import Core
    from bot.workspace.model import Json, View

TROUBLE: Final = "We had some trouble connecting. Try again?"
MISSING: Final = "Please complete this required field."
_WHOLE: Final = re.compile(r"-?[0-9]{1,16}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,16})?")
NOT_OFFERED: Final = "Choose one of the options."


def _open_modal(core: Core, user: str, view_id: str) -> View | None:
    view = core.modals.find(view_id=view_id)
    return view if view is not None and view.user == user else None


async def submit(core: Core, user: str, view_id: str, values: Json) -> Json:
    """The app was told of a submission, and its answer is on the screen.

    Returns:
        `ok`, or `errors` by block id, or one `error` for the whole.
    """
    view = _open_modal(core, user, view_id)
    if view is None:
        return failed(GONE)
    view.errors = unfit(view, values)
    if view.errors:
        return {"ok": False, "errors": view.errors}
    payload = interaction(core, "view_submission", user)
    payload |= {
        "trigger_id": core.triggers.issue(user),
        "view": shapes.view(core, view, values),
        "response_urls": [],
    }
    try:
        answer = await core.hub.ask("interactive", payload)
        return _follow(core, view, answer)
    except NotAckedError:
        return failed(NO_ANSWER)
    except SlackError:
        return failed(TROUBLE)
    finally:
        core.stream.push([user], {"type": "modal"})


def unfit(view: View, values: Json) -> dict[str, str]:
    """Return, by block id, what Slack's own client would not let a person submit."""
    inputs = [block for block in view.blocks if block["type"] == "input"]
    state = shapes.state_values(inputs, values)
    found = {}
    for block in inputs:
        sentence = _unfit(block, state[block["block_id"]][block["element"]["action_id"]])
        if sentence:
            found[block["block_id"]] = sentence
    return found


def _unfit(block: Json, entry: Json) -> str:
    element = block["element"]
    given: Any = next((value for name, value in entry.items() if name != "type"), None)
    if given in (None, "", []):
        return "" if block.get("optional") else MISSING
    if element["type"] == "plain_text_input":
        return _wrong_length(element, str(given))
    if element["type"] == "number_input":
        return _wrong_number(element, str(given))
    return "" if _is_offered(element, given) else NOT_OFFERED


def _is_offered(element: Json, given: Any) -> bool:
    options = options_of(element)
    return not options or all(each in options for each in (given if isinstance(given, list) else [given]))


def _wrong_length(element: Json, text: str) -> str:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(text) < least:
        return f"Write at least {least} characters."
    return f"Write at most {most} characters." if len(text) > most else ""


def _wrong_number(element: Json, text: str) -> str:
    if not (_DECIMAL if element["is_decimal_allowed"] else _WHOLE).fullmatch(text):
        return "Enter a number." if element["is_decimal_allowed"] else "Enter a whole number."
    least, most = element.get("min_value"), element.get("max_value")
    if least is not None and Decimal(text) < Decimal(least):
        return f"Enter {least} or more."
    return f"Enter {most} or less." if most is not None and Decimal(text) > Decimal(most) else ""


def _follow(core: Core, view: View, answer: Json) -> Json:
    """Do what the acknowledgement says; without a word, the modal closes."""
    action = answer.get("response_action")
    if action is None:
        core.modals.pop(view)
    elif action == "clear":
        core.modals.clear(view.user)
    elif action == "errors":
        return _show_errors(view, answer.get("errors"))
    elif action == "update":
        change(view, checked_view(answer.get("view"), "modal"))
    elif action == "push":
        core.modals.push(view.user, checked_view(answer.get("view"), "modal"))
    else:
        return failed(TROUBLE)
    return {"ok": True}


def _show_errors(view: View, errors: Any) -> Json:
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
        return failed(TROUBLE)
    view.errors = {block_id: str(sentence) for block_id, sentence in errors.items()}
    return {"ok": False, "errors": view.errors}


async def close(core: Core, user: str, view_id: str) -> Json:
    """The modal is off the screen; the app was told when it asked for that."""
    view = _open_modal(core, user, view_id)
    if view is None:
        return failed(GONE)
    clears = bool(view.body.get("clear_on_close"))
    if clears:
        core.modals.clear(user)
    else:
        core.modals.pop(view)
    core.stream.push([user], {"type": "modal"})
    if view.body.get("notify_on_close"):
        await _tell_closed(core, view, clears)
    return {"ok": True}


async def _tell_closed(core: Core, view: View, clears: bool) -> None:
    payload = interaction(core, "view_closed", view.user)
    payload |= {"view": shapes.view(core, view), "is_cleared": clears}
    try:
        await core.hub.ask("interactive", payload)
    except NotAckedError:
        core.stream.push([view.user], {"type": "toast", "text": NO_ANSWER})

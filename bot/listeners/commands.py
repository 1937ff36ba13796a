"""The slash command: the same words typed as tapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from slack_bolt import Ack, App

from bot.blocks.parts import Ref
from bot.errors import Refused
from bot.front import Front, Spot, number_in
from bot.listeners.edge import guarded

USAGE: Final = (
    ("/qm gpu", "Ask for GPU time in a form"),
    ("/qm deploy", "Ask for a deployment"),
    ("/qm data", "Ask for access to data"),
    ("/qm key", "Ask for a key to a model that is served"),
    ("/qm status", "My requests and what I hold"),
    ("/qm can i 8 h100 for 3 days", "Whether policy would let me; nothing is sent"),
    ("/qm who can approve REQ-1001", "Who may, and who is missing"),
    ("/qm why REQ-1001", "Which rule decided, and why"),
    ("/qm remind REQ-1001", "Remind the people who decide"),
    ("/qm extend REQ-1001 2h", "Keep what I hold for longer"),
    ("/qm shorten REQ-1001 until 15:00", "End what I hold sooner"),
    ("/qm release REQ-1001", "Hand back what I hold"),
    ("/qm cancel REQ-1001", "Take back what has not started"),
    ("/qm what ran in production last friday", "Which version answered, by whose order"),
    ("/qm export last month", "Evidence, for auditors"),
    ("/qm halt storage incident", "Freeze approvals and starts, for admins"),
    ("/qm lift storage is healthy", "Lift another admin's freeze"),
    ("/qm doors", "Access that no grant explains, for admins"),
    ("/qm help", "Everything I may do"),
)
_FORMS: Final = {"gpu", "deploy", "data", "key"}
_VERBS: Final = {"release": "release", "cancel": "withdraw", "withdraw": "withdraw", "remind": "remind"}
Body = dict[str, Any]


def register(app: App, front: Front) -> None:
    """Listen to `/qm`."""

    @app.command("/qm")
    def qm(ack: Ack, body: Body) -> None:
        ack()
        if not front.tables.first_time(f"command:{body['trigger_id']}", front.house.book.clock()):
            return
        slack, spot = body["user_id"], Spot(channel=body["channel_id"])
        with guarded(front, slack, spot) as welcome:
            if welcome:
                _do(front, body, slack, spot)


def _do(front: Front, body: Body, slack: str, spot: Spot) -> None:
    """Commands in exact words; whatever else was typed is heard as a sentence."""
    text = " ".join(body.get("text", "").split())
    verb, _, rest = text.partition(" ")
    command = _COMMANDS.get(verb.casefold() or "help")
    if command is None or not command(front, body, slack, spot, rest):
        front.hear(slack, text, spot, f"command:{body['trigger_id']}")


_Command = Callable[[Front, Body, str, Spot, str], bool]


def _form(kind: str) -> _Command:
    def command(front: Front, body: Body, slack: str, spot: Spot, rest: str) -> bool:
        if not rest:
            view = front.form_for(slack, kind, {}, {"channel": spot.channel})
            front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)
        return not rest

    return command


def _status(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    number, everything = number_in(rest), rest.casefold() == "all"
    known = not rest or everything or number is not None
    if known:
        front.say(slack, spot, front.status(slack, number, everything=everything))
    return known


def _why(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    front.say(slack, spot, front.why(slack, number_in(rest)))
    return True


def _verb(verb: str) -> _Command:
    def command(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
        number = number_in(rest)
        if number is not None:
            front.act(slack, verb, number, spot)
        return number is not None

    return command


def _bring(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    number = number_in(rest)
    if number is not None:
        front.bring(slack, number, spot)
    return number is not None


def _revoke(front: Front, body: Body, slack: str, spot: Spot, rest: str) -> bool:
    """The one verb that is asked twice: the reason is given in a form."""
    number = number_in(rest)
    request = front.visible(slack, number) if number is not None else None
    if request is None:
        front.say(slack, spot, front.status(slack, number) if number is not None else front.help(slack))
        return True
    ref = Ref(request=request.number, version=request.version, digest=request.form_digest)
    view = front.verdict_view(slack, "revoke", ref)
    if isinstance(view, Refused):
        front.say_no(slack, spot, view)
    else:
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)
    return True


def _can(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    who, __, sentence = rest.partition(" ")
    if who.casefold() != "i" or not sentence:
        return False
    words = sentence.rstrip("?")
    for lead in ("ask for ", "have ", "get ", "use "):
        words = words.removeprefix(lead)
    front.say(slack, spot, front.can_i(slack, words))
    return True


def _who(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    words = rest.rstrip("?").split()
    number = number_in(words[-1]) if words else None
    if number is None or words[:-1] not in (["can", "approve"], ["approves"], ["decides"], ["can", "decide"]):
        return False
    front.say(slack, spot, front.who_can(slack, number))
    return True


def _export(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    number = number_in(rest)
    front.export_words(slack, f"REQ-{number}" if number is not None else rest, spot)
    return True


def _halt(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    front.halt_words(slack, rest, spot)
    return True


def _lift(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    front.lift_words(slack, rest, spot)
    return True


def _doors(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    if not rest:
        front.say(slack, spot, front.side_doors(slack))
    return not rest


def _help(front: Front, _: Body, slack: str, spot: Spot, rest: str) -> bool:
    del rest
    front.say(slack, spot, front.help(slack))
    return True


_COMMANDS: Final[dict[str, _Command]] = {
    **{kind: _form(kind) for kind in _FORMS},
    **{word: _verb(verb) for word, verb in _VERBS.items()},
    "status": _status,
    "why": _why,
    "approve": _bring,
    "deny": _bring,
    "revoke": _revoke,
    "can": _can,
    "who": _who,
    "export": _export,
    "halt": _halt,
    "lift": _lift,
    "doors": _doors,
    "help": _help,
}

"""Running longer, or ending sooner, in words: what is offered, how it stands, the Ending-soon message and what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.blocks.parts import Block, Message, Ref, actions, button, context, header, menu, option, quote, section
from bot.blocks.states import Missing, approvers, plain, state_line
from bot.blocks.words import Voice, duration, either, shown
from bot.errors import Reason, Refused
from bot.verbs.showing import takes_key, takes_password
from ledger.nouns import DataForm, GpuForm, KeyForm
from ledger.streams.request import Extension, Outcome, Request, Status
from policies.ahead import first_step_s

EXTEND: Final = "qm_extend"
BLOCK: Final = "extend:"
"""The block that offers more time names what it is about: a menu's value has no room for it."""
_DAY = 86_400
_Say = Callable[[Refused, Request | None, Voice], str]


def offers(request: Request, voice: Voice) -> list[tuple[str, int]]:
    """Return what may be added at a tap, label and seconds: hours with their price, or days."""
    step = first_step_s(request.form)
    if isinstance(request.form, DataForm | KeyForm):
        return [("1 day", step), ("3 days", 3 * step)]
    if not isinstance(request.form, GpuForm):
        return []
    return [(f"{duration(n * step)}, {price(request, n * step, voice)}", n * step) for n in (1, 2, 4)]


def price(request: Request, added_s: int, voice: Voice) -> str:
    """Return what `added_s` more cost, as people read it."""
    return voice.policy.money(voice.policy.catalogue.price_for(request.form, added_s))


def by(extension: Extension) -> str:
    """Return how much longer, as people read it."""
    return "1 day" if extension.added_s == _DAY else duration(extension.added_s)


def extensible(request: Request) -> bool:
    """Whether its holder can ask for more time now: it runs, and nothing about its end is open."""
    waiting = request.extension is not None and request.extension.outcome is Outcome.PENDING
    return request.status is Status.RUNNING and request.confirmed == request.generation and not waiting


def offering(request: Request, voice: Voice, release: str = "Release") -> Block:
    """Return the row of a running card: a menu of times to extend by while there may be one, and Release."""
    value = _value(request)
    give_back = [button("qm_release", release, value)]
    if takes_password(request):
        give_back.insert(0, button("qm_password", "Show password", value))
    if takes_key(request):
        give_back.insert(0, button("qm_password", "Show key", value, "" if request.credentials_shown else "primary"))
    chosen = [option(label, str(seconds)) for label, seconds in offers(request, voice)]
    if not chosen or not extensible(request):
        return actions(*give_back)
    return actions(menu(EXTEND, "Extend by", chosen), *give_back, block=f"{BLOCK}{value}")


def ref_in(block_id: str) -> Ref | None:
    """Return what a row that offers more time is about, None when it is no such row of ours."""
    return Ref.parse(block_id.removeprefix(BLOCK)) if block_id.startswith(BLOCK) else None


# -- how it stands ------------------------------------------------------------------------------------------------


def standing(request: Request, missing: Missing, voice: Voice) -> str:
    """Return how the last extension or shortening stands, empty when there is nothing to say of it."""
    extension = request.extension
    if extension is None:
        return _shortened(request, voice)
    say = _STANDING.get(extension.outcome)
    return say(request, extension, missing, voice) if say is not None else ""


def open_standing(request: Request, missing: Missing, voice: Voice) -> str:
    """Return how it stands while the card does not say it anyway: not what is in place."""
    extension = request.extension
    moved = extension is None or extension.outcome is Outcome.GRANTED
    in_place = moved and request.confirmed == request.generation
    return "" if in_place or request.status is not Status.RUNNING else standing(request, missing, voice)


def small_print(request: Request, voice: Voice) -> list[str]:
    """Return what a running card says small: how its end was moved, and when its holder is warned."""
    extension, warned = request.extension, voice.warned_at(request)
    parts = []
    if extension is not None and extension.outcome is Outcome.GRANTED:
        parts.append(f"extended by {by(extension)}, approved by {agreed_by(request, extension, voice)}")
    elif request.shortened_from is not None:
        parts.append(f"shortened from {voice.at(request.shortened_from)}")
    if warned is not None and request.not_after is not None:
        ahead = -int(-(request.not_after - warned).total_seconds() // 60) * 60
        parts.append(f"you are warned {duration(ahead)} before the end")
    return parts


def agreed_by(request: Request, extension: Extension, voice: Voice) -> str:
    """Return who agreed to it: people, or the rule that did without them."""
    names = [voice.name_of(vote.person) for vote in extension.votes]
    rules = extension.decision.rules if extension.decision else ()
    return either(names, "and") if names else f"rule `{rules[-1]}`" if rules else approvers(request, voice)


def _waiting(_: Request, extension: Extension, missing: Missing, voice: Voice) -> str:
    who = either(list(dict.fromkeys(voice.name_of(subject) for _, subjects in missing for subject in subjects)))
    ends = f" Without an answer it ends {voice.at(extension.before)} as planned."
    return f":hourglass_flowing_sand: *Extension by {by(extension)} waiting for {who}.*{ends}"


def _told(request: Request) -> str:
    return "" if request.confirmed == request.generation else " What holds it is being told."


def _shortened(request: Request, voice: Voice) -> str:
    if request.shortened_from is None or request.not_after is None:
        return ""
    ends = f"It ends {voice.at(request.not_after)} instead of {voice.at(request.shortened_from)}."
    return f":heavy_minus_sign: *Shortened.* {ends}{_told(request)}"


def _granted(request: Request, extension: Extension, _: Missing, voice: Voice) -> str:
    return f":heavy_plus_sign: *Extended by {by(extension)}.* Now running until {voice.at(extension.not_after)}.{_told(request)}"


def _denied(request: Request, extension: Extension, _: Missing, voice: Voice) -> str:
    ends = f" It ends {voice.at(request.not_after or extension.before)} as planned."
    if extension.denied_by is None:
        return f":no_entry: *Extension by {by(extension)} denied by policy.* {extension.why}{ends}"
    who, reason = voice.name_of(extension.denied_by), quote(shown(str(extension.reason or "")))
    return f":x: *Extension by {by(extension)} denied by {who}.*{ends}{reason}"


def _undone(request: Request, extension: Extension, _: Missing, voice: Voice) -> str:
    when = voice.at(request.not_after or extension.before)
    return f":warning: *Not extended by {by(extension)}.* {shown(extension.why)} That is {when}."


_STANDING: Final[dict[Outcome, Callable[[Request, Extension, Missing, Voice], str]]] = {
    Outcome.PENDING: _waiting,
    Outcome.GRANTED: _granted,
    Outcome.DENIED: _denied,
    Outcome.UNDONE: _undone,
}


# -- ending soon, and what it becomes -----------------------------------------------------------------------------


def ending_soon(request: Request, missing: Missing, voice: Voice, *, taken: bool, mention: str, note: bool) -> Message:
    """Return the message that warns of an end: one tap to keep going, one to give back.

    Args:
        taken: somebody else has booked it for the time after.
        note: say how the last extension stands, which did not move this end.
    """
    end = voice.at(request.not_after or request.since)
    gpus = isinstance(request.form, GpuForm)
    save = " Save your work: the devices are taken back then." if gpus else " Your access is taken back then."
    words = [f"{mention}:alarm_clock: *Ends soon: {end}.*{save}", standing(request, missing, voice) if note else ""]
    blocks = [header(voice.what(request.form)), *(section(each) for each in words if each)]
    blocks += [context(*_terms(request, voice, taken=taken)), _choices(request, voice)]
    text = f"{mention}{request.name} ends at {end}. You can extend or release it now."
    return Message(text=text, blocks=tuple(blocks))


def _terms(request: Request, voice: Voice, *, taken: bool) -> list[str]:
    label, seconds = offers(request, voice)[0]
    if not isinstance(request.form, GpuForm):
        return [request.name, f"extending by {label} is decided anew"]
    costs = f"extending by {duration(seconds)} costs {price(request, seconds, voice)} and is decided anew"
    others = "somebody else has booked these devices" if taken else "nobody else has booked these devices"
    return [request.name, costs, others]


def _choices(request: Request, voice: Voice) -> Block:
    value, (first, *rest) = _value(request), offers(request, voice)
    length = first[0].partition(",")[0]
    more = [option(label, str(seconds)) for label, seconds in rest]
    return actions(
        button(f"{EXTEND}_first", f"Extend {length}", str(first[1]), "primary"),
        button("qm_release", "Release now", value),
        menu(EXTEND, "Other time", more),
        block=f"{BLOCK}{value}",
    )


def settled_notice(request: Request, missing: Missing, voice: Voice, mention: str) -> Message:
    """Return what an Ending-soon message becomes: extended, shortened, waiting, or how it ended; never with buttons."""
    extension = request.extension
    running = request.status is Status.RUNNING
    state = (standing(request, missing, voice) if running else "") or state_line(request, (), voice)
    small = [request.name]
    if running and extension is not None and extension.outcome is Outcome.GRANTED:
        small.append(f"approved by {agreed_by(request, extension, voice)}")
        if isinstance(request.form, GpuForm):
            hours = request.form.gpus * extension.added_s / 3600
            small.append(f"+{hours:,.4g} GPU-hours, {price(request, extension.added_s, voice)}")
    told = context(*small, f"ledger entry {request.seq:,}")
    blocks = (header(voice.what(request.form)), section(f"{mention}{state}"), told)
    return Message(text=f"{mention}{request.name}, {voice.what(request.form)}: {plain(state)}", blocks=blocks)


def _value(request: Request) -> str:
    return Ref(request=request.number, version=request.version, digest=request.form_digest).value()


# -- refusals -----------------------------------------------------------------------------------------------------


def _ends(request: Request | None, voice: Voice) -> str:
    return f" It ends {voice.at(request.not_after)} as planned." if request and request.not_after else ""


SENTENCES: Final[dict[Reason, _Say]] = {
    Reason.NOT_RUNNING: lambda r, *_: f"REQ-{r.number} does not run, so it has no end to move.",
    Reason.NOT_LONGER: lambda r, q, v: (
        f"That is not later than the end of REQ-{r.number}.{_ends(q, v)} Give a later time, "
        f"or end it sooner: `/qm shorten REQ-{r.number} until 15:00`."
    ),
    Reason.NOT_SOONER: lambda r, q, v: (
        f"That is not sooner than the end of REQ-{r.number}.{_ends(q, v)} "
        f"To keep it for longer: `/qm extend REQ-{r.number} 2h`."
    ),
    Reason.END_PAST: lambda r, q, v: (
        f"That moment is over, so nothing changed.{_ends(q, v)} To hand it back now: `/qm release REQ-{r.number}`."
    ),
    Reason.END_UNTOLD: lambda r, q, v: (
        f"What holds REQ-{r.number} has not heard of its new end yet, so nothing changed.{_ends(q, v)} "
        "Ask again in a minute."
    ),
    Reason.END_MOVED: lambda r, q, v: (
        f"The end of REQ-{r.number} moved after this was sent, so nothing changed.{_ends(q, v)}"
    ),
    Reason.EXTENSION_PENDING: lambda r, *_: (
        f"An extension of REQ-{r.number} is not settled yet, so nothing changed. Ask again when it is."
    ),
    Reason.EXTENSION_SETTLED: lambda r, *_: f"That extension of REQ-{r.number} was settled already. Nothing changed.",
    Reason.TAKEN: lambda r, q, v: (
        f"Somebody else has booked what REQ-{r.number} holds, so it cannot run that long."
        f"{_ends(q, v)} Try a shorter time."
    ),
}

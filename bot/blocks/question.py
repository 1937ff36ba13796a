"""The question: what is missing or doubtful is asked, one menu for each value, and never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from bot.blocks.parts import Block, Message, actions, button, context, header, menu, option, section
from bot.blocks.words import Voice, duration, shown, tokens
from bot.intake.reading import Doubt, DoubtReason
from policies.catalogue import Catalogue

MOST_MENUS: Final = 3
NOW: Final = "now"
ALL: Final = "*"
NOT_SAID: Final = "-"
YES: Final = "yes"
_WORDS: Final = {
    "kind": "what you ask for",
    "gpu_type": "which GPU type",
    "gpu_count": "how many GPUs",
    "duration_s": "for how long",
    "start": "when it starts",
    "pool": "which pool",
    "dataset": "which data set",
    "access": "read or write",
    "columns": "which columns",
    "model": "which model",
    "version": "which version",
    "canary_percent": "how many percent first",
    "environment": "which environment",
    "tokens": "how many tokens",
    "replicas": "how many replicas",
    "strategy": "which strategy",
    "rollback": "back to an earlier version",
}
_KINDS: Final = {"gpu": "GPU time", "data": "Data access", "deploy": "A deployment"}
_ORDER: Final = tuple(_WORDS)
_MENTION: Final = re.compile(r"^\s*<@[^>]*>\s*")
_NUMBERS: Final = {1: "One thing is", 2: "Two things are", 3: "Three things are"}
_COUNTS: Final = (1, 2, 4, 8)
_FIRST: Final = (1, 5, 10, 25, 50)
_HOURS: Final = (1, 2, 4, 8, 24, 72, 168)
_TOKENS: Final = (100_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000)


def question(
    draft_id: str,
    said: str,
    slots: Mapping[str, Any],
    doubts: tuple[Doubt, ...],
    kind: str,
    voice: Voice,
    *,
    note: str = "",
) -> Message:
    """Return what is not clear, with a menu for each doubtful value where there are candidates for all of them.

    Args:
        note: how it was read, where that is to be known; a sentence of its own.
    """
    doubts = tuple(sorted(doubts, key=lambda doubt: _ORDER.index(doubt.slot) if doubt.slot in _ORDER else len(_ORDER)))
    asked = list(dict.fromkeys(doubt.slot for doubt in doubts))
    many = _NUMBERS.get(len(asked), f"{len(asked)} things are")
    menus = [_menu(slot, options) for slot, options in _options(slots, doubts, voice).items()]
    shown_menus = menus if len(menus) == len(asked) <= MOST_MENUS else []
    form = button("qm_open_form", "Open form", draft_id, "" if shown_menus else "primary")
    wrote = _MENTION.sub("", said)
    quoted = f" You wrote:\n>{shown(wrote)}" if wrote else ""
    reasons = " ".join(dict.fromkeys(filter(None, (_reason(doubt) for doubt in doubts))))
    words = ", ".join(_WORDS.get(slot, slot.replace("_", " ")) for slot in asked)
    blocks = (
        header("Your request" if "kind" in asked else partly(kind, slots, voice)),
        section(f":question: *{many} not clear:* {words}.{quoted}"),
        actions(*shown_menus, form, button("qm_discard", "Discard", draft_id), block=f"answer:{draft_id}"),
        context(f"{reasons} Nothing is sent yet.".strip(), note),
    )
    return Message(text=f"{many} not clear: {words}. Nothing is sent yet.", blocks=blocks)


def partly(kind: str, slots: Mapping[str, Any], voice: Voice) -> str:
    """Return the header of what is clear so far: `A100 GPUs until Fri 27 Nov, 17:00 CET`, `4 × H100`."""
    what = {"gpu": _gpus, "data": _data, "deploy": _deploy, "key": _key}[kind](slots, voice.policy.catalogue)
    held, end = slots.get("duration_s"), slots.get("end")
    if end:
        return f"{what} until {voice.at(end)}"
    return f"{what} for {duration(int(held))}" if held else what


def _gpus(slots: Mapping[str, Any], catalogue: Catalogue) -> str:
    count, kind = slots.get("gpu_count"), catalogue.gpu_types.get(slots.get("gpu_type") or "")
    count = count if isinstance(count, int) and count > 0 else None
    if count and kind:
        return f"{count} × {kind.label}"
    if count:
        return "1 GPU" if count == 1 else f"{count} GPUs"
    return f"{kind.label} GPUs" if kind else "GPU time"


def _data(slots: Mapping[str, Any], _: Catalogue) -> str:
    name, access = slots.get("dataset"), slots.get("access")
    if name and access:
        return f"{str(access).capitalize()} {name}"
    return f"Access to {name}" if name else "Data access"


def _deploy(slots: Mapping[str, Any], _: Catalogue) -> str:
    model, version, place = slots.get("model"), slots.get("version"), slots.get("environment")
    what = f"{model} {version}" if model and version else str(model or "Deployment")
    return f"{what} to {place}" if place else what


def _key(slots: Mapping[str, Any], _: Catalogue) -> str:
    model, place, count = slots.get("model"), slots.get("environment"), slots.get("tokens")
    what = f"Key to {model}" if model else "Key to a model"
    what = f"{what} in {place}" if place else what
    return f"{what}, {tokens(count)}" if isinstance(count, int) else what


def _menu(slot: str, options: list[Block]) -> Block:
    label = f"{_WORDS[slot][:1].upper()}{_WORDS[slot][1:]}?"
    return menu(f"qm_answer_{slot}", label, options[:100])


def _options(slots: Mapping[str, Any], doubts: tuple[Doubt, ...], voice: Voice) -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for doubt in doubts:
        offer = _OFFERS.get(doubt.slot)
        options = offer(doubt, slots, voice) if offer else []
        if options:
            found.setdefault(doubt.slot, options)
    return found


def _types(doubt: Doubt, _: Mapping[str, Any], voice: Voice) -> list[Block]:
    known = voice.policy.catalogue.gpu_types
    names = [name for name in doubt.candidates if name in known] or list(known)
    return [option(type_label(name, voice), name) for name in names]


def type_label(name: str, voice: Voice) -> str:
    """Return `H100, €2.80 per hour`."""
    kind = voice.policy.catalogue.gpu_types[name]
    return f"{kind.label}, {voice.policy.money(kind.price_minor)} per hour"


def _counts(doubt: Doubt, _: Mapping[str, Any], __: Voice) -> list[Block]:
    given = [int(each) for each in doubt.candidates if each.isascii() and each.isdigit() and int(each) > 0]
    return [option(str(count), str(count)) for count in given or _COUNTS]


def _amounts(doubt: Doubt, _: Mapping[str, Any], __: Voice) -> list[Block]:
    given = [int(each) for each in doubt.candidates if each.isascii() and each.isdigit() and int(each) > 0]
    return [option(tokens(count), str(count)) for count in given or _TOKENS]


def _lengths(doubt: Doubt, _: Mapping[str, Any], __: Voice) -> list[Block]:
    given = [int(each) for each in doubt.candidates if doubt.reason is DoubtReason.TWO_READINGS]
    return [option(duration(held), str(held)) for held in given or [hours * 3600 for hours in _HOURS]]


def _start(doubt: Doubt, _: Mapping[str, Any], voice: Voice) -> list[Block]:
    given = doubt.candidates if doubt.reason is DoubtReason.TWO_READINGS else ()
    moments = [option(voice.at(datetime.fromisoformat(each)), each) for each in given]
    return [*moments, option("As soon as it is approved", NOW)]


def _kinds(doubt: Doubt, _: Mapping[str, Any], __: Voice) -> list[Block]:
    return [option(_KINDS[each], each) for each in doubt.candidates if each in _KINDS]


def _either(unit: str) -> Callable[[Doubt, Mapping[str, Any], Voice], list[Block]]:
    """What one of two readers said, or that neither of it was meant."""

    def offer(doubt: Doubt, _: Mapping[str, Any], __: Voice) -> list[Block]:
        if doubt.reason is not DoubtReason.TWO_READINGS:
            return []
        return [*(option(f"{each}{unit}", each) for each in doubt.candidates), option("Leave it open", NOT_SAID)]

    return offer


def _back(doubt: Doubt, _: Mapping[str, Any], __: Voice) -> list[Block]:
    known = doubt.reason is DoubtReason.TWO_READINGS
    return [option("Yes, back to an earlier one", YES), option("No, a deployment", NOT_SAID)] if known else []


def _names(table: Callable[[Catalogue], Mapping[str, Any]]) -> Callable[[Doubt, Mapping[str, Any], Voice], list[Block]]:
    def offer(doubt: Doubt, _: Mapping[str, Any], voice: Voice) -> list[Block]:
        known = table(voice.policy.catalogue)
        return [option(name, name) for name in [n for n in doubt.candidates if n in known] or list(known)]

    return offer


def _pools(doubt: Doubt, slots: Mapping[str, Any], voice: Voice) -> list[Block]:
    catalogue = voice.policy.catalogue
    fitting = catalogue.pools_of(slots.get("gpu_type") or "") or tuple(catalogue.pools)
    return [option(name, name) for name in [n for n in doubt.candidates if n in catalogue.pools] or fitting]


def _access(_: Doubt, __: Mapping[str, Any], ___: Voice) -> list[Block]:
    return [option("Read", "read"), option("Write", "write")]


def _columns(doubt: Doubt, slots: Mapping[str, Any], voice: Voice) -> list[Block]:
    dataset = voice.policy.catalogue.datasets.get(slots.get("dataset") or "")
    known = dataset.columns if dataset else ()
    close = [each for each in doubt.candidates if each in known]
    return [option("All columns", ALL), *(option(f"Only {each}", each) for each in close or known)]


def _versions(doubt: Doubt, slots: Mapping[str, Any], voice: Voice) -> list[Block]:
    model = voice.policy.catalogue.models.get(slots.get("model") or "")
    known = tuple(reversed(model.versions)) if model else doubt.candidates
    return [option(each, each) for each in [c for c in doubt.candidates if c in known] or known]


def _percents(doubt: Doubt, slots: Mapping[str, Any], voice: Voice) -> list[Block]:
    if doubt.reason is DoubtReason.TWO_READINGS:
        return _either(" %")(doubt, slots, voice)
    return [option(f"{percent} % first", str(percent)) for percent in _FIRST]


_OFFERS: Final[dict[str, Callable[[Doubt, Mapping[str, Any], Voice], list[Block]]]] = {
    "kind": _kinds,
    "gpu_type": _types,
    "gpu_count": _counts,
    "tokens": _amounts,
    "duration_s": _lengths,
    "start": _start,
    "pool": _pools,
    "dataset": _names(lambda catalogue: catalogue.datasets),
    "access": _access,
    "columns": _columns,
    "model": _names(lambda catalogue: catalogue.models),
    "version": _versions,
    "canary_percent": _percents,
    "environment": _names(lambda catalogue: catalogue.environments),
    "replicas": _either(""),
    "strategy": _either(""),
    "rollback": _back,
}


def _reason(doubt: Doubt) -> str:
    """Return what is wrong with what was said, empty where nothing was."""
    say = _REASONS.get(doubt.reason)
    if say is None:
        return ""
    names = ", ".join(f"`{each}`" for each in doubt.candidates[:5])
    return say(doubt, f"\u201c{shown(doubt.said, 60)}\u201d", names)


def _unknown(doubt: Doubt, said: str, names: str) -> str:
    if doubt.slot == "version":
        return f"There is no version {said}." + (f" There are: {names}." if names else "")
    return f"I know nothing called {said}." + (f" Close names: {names}." if names else "")


def _none_yet(doubt: Doubt, _: str, __: str) -> str:
    return (
        f"No version of `{doubt.said}` is registered yet. Whoever runs Quartermaster adds one: "
        f"`quartermaster models add {doubt.said} VERSION DIRECTORY`."
    )


_REASONS: Final[dict[DoubtReason, Callable[[Doubt, str, str], str]]] = {
    DoubtReason.AMBIGUOUS: lambda doubt, said, names: (
        f"{said} matches {len(doubt.candidates)} names: {names}." if doubt.said else ""
    ),
    DoubtReason.NOT_A_NUMBER: lambda _, said, __: f"{said} is not a number I can use.",
    DoubtReason.UNKNOWN_NAME: _unknown,
    DoubtReason.COMPETING: lambda _, __, names: (
        f"You named several{f': {names}' if names else ''}. One request at a time."
    ),
    DoubtReason.NOTHING_BEFORE: lambda doubt, _, __: (
        f"Nothing answered in `{doubt.said}` before what answers there now: there is no way back."
    ),
    DoubtReason.NONE_YET: _none_yet,
    DoubtReason.TWO_READINGS: lambda *_: "Your words can be read in two ways.",
    DoubtReason.PAST: lambda *_: "That time is in the past. Give a later one.",
}

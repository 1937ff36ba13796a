"""What ran: the answer to "what ran in production last friday", a line for each routing and each adapter, and who ordered it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.blocks.states import approvers
from bot.blocks.words import Voice, shown
from ledger.streams.model import Adaptation, Model, Routing, Share, Stretch, short, stretches
from ledger.streams.request import Request

NOTHING_SERVED = "The catalogue serves no model, so nothing was routed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked about: from `start` up to, not including, `end`, or the moment `start`; None is every one."""

    start: datetime
    end: datetime | None = None
    model: str | None = None
    environment: str | None = None

    def words(self, voice: Voice) -> str:
        """Return `Fri 27 Nov, 00:00 CET to ...` as cards write it."""
        return voice.at(self.start) if self.end is None else voice.span(self.start, self.end)


def ran_words(
    asked: Asked, known: Mapping[str, Model], request_of: Callable[[int], Request | None], voice: Voice
) -> str:
    """Return what answered then, by model and environment.

    Args:
        known: what the ledger knows of each served model.
    """
    chosen = {name: model for name, model in known.items() if asked.model in {None, name}}
    if not chosen:
        return NOTHING_SERVED
    said = [
        part
        for name, model in chosen.items()
        for environment in _environments(model, asked)
        if (part := _one(name, environment, model, asked, request_of, voice))
    ]
    return "\n".join(said) or _nothing(asked, chosen, voice)


def _environments(model: Model, asked: Asked) -> list[str]:
    there = dict.fromkeys(routing.environment for routing in model.routings)
    return [each for each in there if asked.environment in {None, each}]


def during(routings: tuple[Routing, ...], start: datetime, end: datetime | None) -> list[Routing]:
    """Return the routings of one environment that answered at some time of the stretch, or at the moment `start`."""
    before = [each for each in routings if each.at <= start]
    return [*before[-1:], *(each for each in routings if end is not None and start < each.at < end)]


def _one(
    name: str,
    environment: str,
    model: Model,
    asked: Asked,
    request_of: Callable[[int], Request | None],
    voice: Voice,
) -> str:
    found = during(model.in_environment(environment), asked.start, asked.end)
    lines = [
        f"• {_shares(each.shares)}, since {voice.at(each.at)}, {_order(each.request, each.why, request_of, voice)}"
        for each in found
    ]
    beside = (each for each in stretches(model.routings, model.adapted) if each.loading.environment == environment)
    lines += [
        _adapter(each, model, request_of, voice) for each in beside if found and each.during(asked.start, asked.end)
    ]
    return "\n".join([f"*{name} in {environment}*, {asked.words(voice)}:", *lines]) if lines else ""


def _shares(shares: tuple[Share, ...]) -> str:
    """`3.2.1 (`0123456789ab`)`; with percentages when several share the calls."""
    parts = [f"{each.version} (`{short(each.digest)}`)" for each in shares]
    if len(shares) == 1:
        return parts[0]
    return " and ".join(f"{each.percent} % {part}" for each, part in zip(shares, parts, strict=True))


def _adapter(stretch: Stretch, model: Model, request_of: Callable[[int], Request | None], voice: Voice) -> str:
    """`with adapter legal-tone (`0123456789ab`) beside 3.2.1, since ..., until ..., by REQ-1002, ...`."""
    adapter, end = stretch.loading, stretch.end
    version = next(each.version for each in model.registered if each.digest == adapter.base)
    since = f"since {voice.at(stretch.since)}"
    until = f", until {voice.at(end.at)} ({_ending(end)})" if end is not None else ""
    what = f"with adapter {adapter.adapter} (`{short(adapter.digest)}`) beside {version}"
    return f"    ◦ {what}, {since}{until}, {_order(adapter.request, '', request_of, voice)}"


def _ending(end: Routing | Adaptation) -> str:
    by = f"REQ-{end.request}" if end.request is not None else "itself"
    return f"unloaded by {by}" if isinstance(end, Adaptation) else f"its version was replaced by {by}"


def _order(number: int | None, why: str, request_of: Callable[[int], Request | None], voice: Voice) -> str:
    if number is None:
        return f"by itself: {shown(why)}"
    request = request_of(number)
    if request is None:
        return f"by REQ-{number}"
    return f"by {request.name}, asked by {voice.name_of(request.asker)}, approved by {approvers(request, voice)}"


def _nothing(asked: Asked, chosen: Mapping[str, Model], voice: Voice) -> str:
    """That nothing answered yet, and when the first did."""
    what = asked.model or "anything"
    where = f" in {asked.environment}" if asked.environment else ""
    first = min(
        (
            each.at
            for model in chosen.values()
            for each in model.routings
            if asked.environment in {None, each.environment}
        ),
        default=None,
    )
    since = f" The first routing was {voice.at(first)}." if first is not None else ""
    return f"Nothing was routed for {what}{where} yet, {asked.words(voice)}.{since}"

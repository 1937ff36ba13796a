"""What is said in the asker's thread: one line for each change of state, the state alone, without fields or buttons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.blocks.extension import standing
from bot.blocks.parts import quote as quoted
from bot.blocks.states import (
    Missing,
    approved,
    disqualified,
    ended,
    lowered,
    plain,
    queued,
    revoked,
    seat_words,
    state_line,
    unconfirmed,
)
from bot.blocks.stricter import kept_words
from bot.blocks.words import Voice, shown
from ledger.nouns import Seat
from ledger.streams.request import Outcome, Request, Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `key` names it among the request's, `mentions` the asker, `changes` in place while its state lasts."""

    key: str
    text: str
    mentions: bool = False
    changes: bool = False

    @property
    def plain(self) -> str:
        """The line without icon and markup."""
        return plain(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """An entry of a request's history: its place there, when it was made, and where it stands in the ledger."""

    index: int
    kind: str
    at: datetime
    seq: int


_Say = Callable[[Request, _Event, Missing, Voice], Line | None]


def lines(request: Request, missing: Missing, voice: Voice) -> list[Line]:
    """Return every line of a request so far, oldest first, whichever entries came between two looks."""
    said = []
    for index, (kind, at, _, seq) in enumerate(request.history):
        say = _LINES.get(kind)
        line = say(request, _Event(index=index, kind=kind, at=at, seq=seq), missing, voice) if say else None
        if line is not None:
            said.append(line)
    return said


def _next(request: Request, event: _Event) -> str:
    following = request.history[event.index + 1 : event.index + 2]
    return following[0][0] if following else ""


def _approved(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    return Line(key=str(event.seq), text=approved(request, voice), mentions=True)


def _reviewed(request: Request, event: _Event, _: Missing, voice: Voice) -> Line | None:
    """A denial; or an approval that was not the last one needed."""
    review = next((each for each in request.reviews if each.seq == event.seq), None)
    lowering = any(kind == "request.lowered" for kind, *_ in request.history[max(0, event.index - 2) : event.index])
    if review is None or lowering or _next(request, event) == "request.approved":
        return None
    who, at, reason = voice.name_of(review.reviewer), voice.at(review.at), quoted(shown(str(review.reason or "")))
    if review.verdict is Verdict.DENY:
        return Line(key=str(event.seq), text=f":x: *Denied by {who}*, {at}.{reason}", mentions=True)
    seat = next((each for each in request.seats if each.name == review.seat), None)
    role = f" as {seat_words(_one(seat)).removeprefix('an ').removeprefix('a ')}" if seat else ""
    return Line(
        key=str(event.seq), text=f":white_check_mark: *{who} approves*{role}, {at}. Others must agree too.{reason}"
    )


def _one(seat: Seat) -> Seat:
    return Seat(name=seat.name, count=1, team=seat.team)


def _decided(request: Request, event: _Event, missing: Missing, voice: Voice) -> Line | None:
    """Only what was decided anew before it started: the first answer stands on the card that was just confirmed."""
    again = any(kind == "request.approved" for kind, *_ in request.history[: event.index])
    if not again or event.seq != request.seq or request.status not in {Status.DENIED, Status.WAITING}:
        return None
    words = "The policy changed after it was approved."
    return Line(key=str(event.seq), text=f"{state_line(request, missing, voice)} {words}", mentions=True)


def _reopened(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    del request
    text = f":hourglass_flowing_sand: *Waiting again*, {voice.at(event.at)}. An approver no longer holds that role."
    return Line(key=str(event.seq), text=text, mentions=True)


def _lowered(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    return Line(key=str(event.seq), text=lowered(request, voice), mentions=True)


def _queued(request: Request, _: _Event, __: Missing, voice: Voice) -> Line | None:
    if request.status not in {Status.QUEUED, Status.STARTING} or request.queued is None:
        return None
    return Line(key="queued", text=queued(request, voice), changes=True)


def _unconfirmed(request: Request, _: _Event, __: Missing, voice: Voice) -> Line | None:
    if request.status is not Status.UNCONFIRMED:
        return None
    return Line(key="unconfirmed", text=unconfirmed(request, voice), changes=True)


def _started(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    devices = ", ".join(request.receipt.devices) if request.receipt else ""
    until = f":large_green_circle: *Running until {voice.at(request.not_after or event.at)}.*"
    return Line(key=str(event.seq), text=f"{until} {devices}".rstrip(), mentions=True)


def _done(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    del request
    return Line(key=str(event.seq), text=f":white_check_mark: *Done*, {voice.at(event.at)}.", mentions=True)


def _revoked(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    return Line(key=str(event.seq), text=revoked(request, voice), mentions=True)


def _disqualified(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    return Line(key=str(event.seq), text=disqualified(request, voice), mentions=True)


def _kept(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    kept = [seq for kind, _, _, seq in request.history if kind == event.kind]
    return Line(key=str(event.seq), text=kept_words(request.keeps[kept.index(event.seq)], voice))


_SETTLES: Final = {
    Outcome.PENDING: ("request.extension-decided",),
    Outcome.GRANTED: ("request.extended",),
    Outcome.DENIED: ("request.extension-decided", "request.extension-reviewed"),
    Outcome.UNDONE: ("request.not-prolonged",),
}


def _extension(request: Request, event: _Event, missing: Missing, voice: Voice) -> Line | None:
    """How the last extension stands, at the entry that made it so; nobody is called for what they just did alone."""
    extension, since = request.extension, [kind for kind, *_ in request.history[event.index + 1 :]]
    if extension is None or "request.extension-asked" in since or request.status is not Status.RUNNING:
        return None
    if event.kind not in _SETTLES.get(extension.outcome, ()) or "request.extension-reviewed" in since:
        return None
    by_others = bool(extension.votes) or extension.denied_by is not None or extension.outcome is Outcome.UNDONE
    return Line(key=str(event.seq), text=standing(request, missing, voice), mentions=by_others)


def _shortened(request: Request, event: _Event, missing: Missing, voice: Voice) -> Line | None:
    """Where its end is now, at the entry that moved it last; the holder, who did it, is not called."""
    since = {kind for kind, *_ in request.history[event.index + 1 :]}
    over = request.status is not Status.RUNNING or request.extension is not None
    if over or "request.shortened" in since:
        return None
    return Line(key=str(event.seq), text=standing(request, missing, voice), changes=True)


def _settled(request: Request, event: _Event, _: Missing, voice: Voice) -> Line:
    if request.end in {"request.revoked", "request.disqualified"}:
        text = f":checkered_flag: *Taken back and checked*, {voice.at(event.at)}."
    else:
        text = ended(request, voice)
    cost = voice.policy.money(request.usage.cost_minor) if request.usage and request.usage.gpu_s else ""
    return Line(key=str(event.seq), text=f"{text} Final cost {cost}." if cost else text)


def _last(*, mentions: bool) -> _Say:
    def say(request: Request, event: _Event, missing: Missing, voice: Voice) -> Line:
        return Line(key=str(event.seq), text=state_line(request, missing, voice), mentions=mentions)

    return say


_LINES: Final[dict[str, _Say]] = {
    "request.approved": _approved,
    "request.reviewed": _reviewed,
    "request.decided": _decided,
    "request.reopened": _reopened,
    "request.lowered": _lowered,
    "request.queued": _queued,
    "request.not-confirmed": _unconfirmed,
    "request.started": _started,
    "request.done": _done,
    "request.revoked": _revoked,
    "request.disqualified": _disqualified,
    "request.kept": _kept,
    "request.extension-decided": _extension,
    "request.extension-reviewed": _extension,
    "request.extended": _extension,
    "request.not-prolonged": _extension,
    "request.shortened": _shortened,
    "request.settled": _settled,
    "request.failed": _last(mentions=True),
    "request.lapsed": _last(mentions=True),
    "request.missed": _last(mentions=True),
    "request.withdrawn": _last(mentions=False),
    "request.replaced": _last(mentions=False),
}

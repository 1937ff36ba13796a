"""The state of a request in words: icon, state, who and when, and the reason as a quotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.blocks.outage import unanswered
from bot.blocks.parts import quote as quoted
from bot.blocks.words import Voice, duration, either, shown
from bot.tables.messages import Nudges
from ledger.nouns import Change, Seat
from ledger.streams.request import Request, Status, Verdict
from policies.decide import SEAT_WORDS
from policies.words import of_team
from workers.outages import HELD_UP

GIVE_UP: Final = 5
"""After how many failed tries the hands give up."""
Missing = tuple[tuple[Seat, tuple[str, ...]], ...]
_State = Callable[[Request, Missing, Voice], str]


def state_line(request: Request, missing: Missing, voice: Voice, nudges: Nudges | None = None) -> str:
    """Return icon, state, who and when: at most two sentences, and the reason as a quotation."""
    outage = voice.outage_of(request) if request.status in HELD_UP and request.stumbles < GIVE_UP else None
    if outage is not None:
        return unanswered(request, outage, voice)
    if request.status is Status.LAPSED:
        return _lapsed(request, missing, voice, nudges or Nudges())
    return _STATES[request.status](request, missing, voice)


def plain(state: str) -> str:
    """Return a state line as a sentence without icon and markup, for notifications."""
    words = state[state.index(":", 1) + 1 :] if state.startswith(":") else state
    return words.strip().replace("*", "").replace("\n>", " ").replace("`", "")


def who_is_missing(missing: Missing, voice: Voice) -> str:
    """Return `a lead of platform (Ines or Jonas)` for every open seat."""
    parts = []
    for seat, subjects in missing:
        names = either([voice.name_of(subject) for subject in subjects])
        parts.append(f"{seat_words(seat)} ({names})")
    return " and ".join(parts)


def seat_words(seat: Seat) -> str:
    """Return `a lead of platform`, `2 leads of platform`."""
    word = SEAT_WORDS[seat.name]
    article = "an" if word[0] in "aeiou" else "a"
    many = f"{article} {word}" if seat.count == 1 else f"{seat.count} {word}s"
    return f"{many}{of_team(seat.team)}"


def given(request: Request, voice: Voice) -> str:
    """Return `1 of 2 given: Ines (lead)`."""
    wanted = len(request.votes) + sum(seat.count for seat in request.open_seats)
    who = [f"{voice.name_of(vote.person)} ({SEAT_WORDS[vote.seat]})" for vote in request.votes]
    return f"{len(request.votes)} of {wanted} given" + (f": {', '.join(who)}" if who else "")


def approvers(request: Request, voice: Voice) -> str:
    """Return who approved: people, or the rule that did without them. A later extension takes nothing from them."""
    names = [voice.name_of(review.reviewer) for review in request.reviews if review.verdict is Verdict.APPROVE]
    if names:
        return either(names, "and")
    return f"rule `{request.decision.rules[-1]}`" if request.decision and request.decision.rules else "rule"


def last_reason(request: Request) -> str:
    """Return the reason of the last approval as a quotation, empty when none was given."""
    given = [review for review in request.reviews if review.verdict is Verdict.APPROVE]
    return quoted(shown(str(given[-1].reason or ""))) if given else ""


def _waiting(request: Request, missing: Missing, voice: Voice) -> str:
    if request.accept_pending:
        return lowered(request, voice)
    if not request.open_seats:
        return (
            f":hourglass_flowing_sand: *Nobody needs to decide.* {approvers(request, voice).capitalize()} approves it."
        )
    return (
        f":hourglass_flowing_sand: *Waiting for approval*, {given(request, voice)}. "
        f"Missing: {who_is_missing(missing, voice)}."
    )


def lowered(request: Request, voice: Voice) -> str:
    """Return what a reviewer approves instead, and why."""
    by = voice.name_of(request.lowered_by or "")
    reason = quoted(shown(str(request.lower_reason or "")))
    return f":raised_hand: *{by} approves less: {voice.what(request.form)}.* Accept it, or withdraw.{reason}"


def approved(request: Request, voice: Voice) -> str:
    """Return who approved, when, what happens next and what they said."""
    start, at = request.form.start, request.approved_at or request.since
    starts = f" Starts {voice.at(start)}." if start is not None and start > at else " It starts now."
    less = f"\nYou asked for {voice.what(request.asked_form)}." if request.lowered_by else ""
    return f":white_check_mark: *Approved by {approvers(request, voice)}*, {voice.at(at)}.{starts}{less}{last_reason(request)}"


def queued(request: Request, voice: Voice) -> str:
    """Return the place in line and the estimate, as far as the one who queues it said."""
    entry = request.queued
    if entry is None:
        return ":hourglass_flowing_sand: *Approved and queued.* It starts as soon as there is room."
    place = f", place {entry.place} in line" if entry.place > 0 else ""
    estimate = f" Expected to start {voice.at(entry.estimate)}." if entry.estimate else " No start is known yet."
    why = f" {shown(entry.why)}" if entry.why else ""
    return f":hourglass_flowing_sand: *Approved and queued{place}.*{why}{estimate}"


def starting(request: Request, voice: Voice) -> str:
    """Return that it is being started; after a try that failed, how often, and what happens next."""
    if request.queued is not None and not request.stumbles:
        return queued(request, voice)
    if not request.stumbles:
        return ":arrows_counterclockwise: *Starting.* The approval was checked again against today's policy."
    times = "once" if request.stumbles == 1 else f"{request.stumbles} times"
    tried = f":warning: *Not started yet: it failed {times}*, {voice.at(request.since)}. {shown(request.why)}"
    if request.stumbles < GIVE_UP:
        return f"{tried} It is tried again by itself, {GIVE_UP} times in all."
    return f"{tried} It is not tried again. It is being taken back until it is seen gone; admins were told."


def _running(request: Request, _: Missing, voice: Voice) -> str:
    return f":large_green_circle: *Running until {voice.at(request.not_after or request.since)}.*"


def _ending(request: Request, _: Missing, voice: Voice) -> str:
    if request.end == "request.revoked":
        return f"{revoked(request, voice)}\nIt is being taken back and checked."
    if request.end == "request.disqualified":
        return f"{disqualified(request, voice)} It is being taken back and checked."
    word = "Released" if request.end == "request.released" else "Ending"
    return f":arrows_counterclockwise: *{word}*, {voice.at(request.since)}. It is being taken back and checked."


def unconfirmed(request: Request, voice: Voice) -> str:
    """Return that it is not seen gone yet: never a claim that it is."""
    times = "once" if request.attempts == 1 else f"{max(request.attempts, 1)} times"
    why = f" {shown(request.why)}" if request.why else ""
    return (
        f":warning: *Not confirmed gone*, {voice.at(request.since)}.{why} "
        f"Taking it back was tried {times}, and is tried until it is seen gone."
    )


def revoked(request: Request, voice: Voice) -> str:
    """Return who took it away, when and why."""
    at, by = voice.at(request.ended_at or request.since), voice.name_of(request.ended_by or "")
    return f":no_entry_sign: *Revoked by {by}*, {at}.{quoted(shown(str(request.reason or '')))}"


def disqualified(request: Request, voice: Voice) -> str:
    """Return that it ended because its holder lost what let them ask for it."""
    at, why = voice.at(request.ended_at or request.since), f" {shown(request.why)}" if request.why else ""
    return f":no_entry_sign: *Ended early by policy*, {at}.{why}"


def ended(request: Request, voice: Voice) -> str:
    """Return how a lease ended; only for one that was taken back and observed gone."""
    at = voice.at(request.ended_at or request.since)
    if request.end == "request.released":
        left = (request.not_after - request.ended_at).total_seconds() if request.not_after and request.ended_at else 0
        early = f", {duration(int(left))} early" if left >= 1 else ""
        return f":leftwards_arrow_with_hook: *Released by {voice.name_of(request.ended_by or '')}*, {at}{early}."
    if request.end == "request.revoked":
        return revoked(request, voice)
    if request.end == "request.disqualified":
        return disqualified(request, voice)
    return f":checkered_flag: *Ended on time*, {at}. It was taken back and checked."


def _denied(request: Request, _: Missing, voice: Voice) -> str:
    if request.ended_by is None:
        return f":no_entry: *Denied by policy.* {request.why}"
    reason = quoted(shown(str(request.reason or "")))
    return f":x: *Denied by {voice.name_of(request.ended_by)}*, {voice.at(request.since)}.{reason}"


def _lapsed(request: Request, missing: Missing, voice: Voice, nudges: Nudges) -> str:
    before = "before its start" if request.form.start else "within 24 hours"
    people = [voice.name_of(subject) for _, subjects in missing for subject in subjects]
    times = {0: "once", 1: "twice"}.get(nudges.count, f"{nudges.count + 1} times")
    asked = f" {either(people, 'and')} {'was' if len(people) == 1 else 'were'} asked {times}." if people else ""
    return f":zzz: *Lapsed*, {voice.at(request.since)}. Nobody decided {before}.{asked}"


def _at(icon: str, words: str, rest: str = "") -> _State:
    return lambda request, _, voice: f"{icon} *{words}*, {voice.at(request.since)}.{rest}"


NOTHING_HELD: Final = "You hold nothing and nothing is charged."


def _failed(request: Request, _: Missing, voice: Voice) -> str:
    nothing = "Nothing was changed." if isinstance(request.form, Change) else NOTHING_HELD
    why = request.why.removesuffix(NOTHING_HELD).rstrip()  # some reasons end with it
    return f":warning: *Did not start*, {voice.at(request.since)}. {shown(why)} {nothing}"


_STATES: Final[dict[Status, _State]] = {
    Status.SUBMITTED: _at(":hourglass_flowing_sand:", "Submitted"),
    Status.WAITING: _waiting,
    Status.APPROVED: lambda r, _, v: approved(r, v),
    Status.QUEUED: lambda r, _, v: queued(r, v),
    Status.STARTING: lambda r, _, v: starting(r, v),
    Status.RUNNING: _running,
    Status.DONE: _at(":white_check_mark:", "Done"),
    Status.ENDING: _ending,
    Status.UNCONFIRMED: lambda r, _, v: unconfirmed(r, v),
    Status.ENDED: lambda r, _, v: ended(r, v),
    Status.DENIED: _denied,
    Status.WITHDRAWN: lambda r, _, v: (
        f":wastebasket: *Withdrawn by {v.name_of(r.asker)}*, {v.at(r.since)}. Nothing to decide."
    ),
    Status.LAPSED: lambda r, m, v: _lapsed(r, m, v, Nudges()),
    Status.MISSED: _at(":warning:", "Missed", " Its window went by before it could start. Nothing is charged."),
    Status.FAILED: _failed,
    Status.REPLACED: lambda r, *_: f":memo: *Replaced by REQ-{r.replaced_by}.* Nothing to decide.",
}

"""A lease that stricter rules would not permit: the card that asks whether it may stand, and how that closes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from bot.blocks.parts import Block, Message, Ref, actions, button, context, fields, header, section
from bot.blocks.states import approvers, plain, state_line
from bot.blocks.words import Voice, either, shown
from ledger.streams.request import Keep, Request

KEEP: Final = "qm_keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What Keep carries: the request, the digest of the form that was seen, and what it was seen to fail."""

    request: int
    digest: str
    fails: str

    def value(self) -> str:
        """Return the button's value."""
        return json.dumps([self.request, self.digest, self.fails], separators=(",", ":"))

    @classmethod
    def parse(cls, value: str) -> Asked | None:
        """Return what a button's value says, None when it is not one that we made."""
        try:
            request, digest, fails = json.loads(value)
        except (ValueError, TypeError):
            return None
        asked = cls(request=request, digest=digest, fails=fails)
        typed = type(request) is int and type(digest) is str and type(fails) is str
        return asked if typed and asked.value() == value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What is asked of one owner.

    Args:
        fails: what does not pass, as in `policies.stricter.Shortfall`.
        why: the same as a sentence.
        also: the names of the others who are asked.
        revokes: whether this owner may revoke it.
        others: the names of those who may, when this owner may not.
    """

    fails: str
    why: str
    also: list[str]
    revokes: bool
    others: list[str]


def question(request: Request, doubt: Doubt, voice: Voice) -> Message:
    """Return the card: who holds what until when, which rule it does not pass any more, and the two answers."""
    holder, what = voice.name_of(request.beneficiary), voice.what(request.form)
    until = voice.at(request.not_after or request.since)
    text = (
        f":warning: *Today's rules would not allow this.* {doubt.why}\n"
        "It was approved under earlier rules, and runs on until its end unless it is revoked."
    )
    if not doubt.revokes and doubt.others:
        text += f" Only {either(doubt.others)} can revoke it."
    facts = [
        ("Held by", f"{holder}, {voice.title_of(request.beneficiary)}".rstrip(", ")),
        ("Until", until),
        ("From", f"{request.form.resource.partition(':')[2]} of {voice.owner(request.form)}"),
        ("Approved by", approvers(request, voice)),
        ("Purpose", shown(str(request.purpose))),
    ]
    also = f"also asked: {either(doubt.also, 'and')}" if doubt.also else ""
    blocks = (
        header(f"{what}, held by {holder}"),
        section(text),
        fields(facts),
        context(request.name, also),
        actions(*_buttons(request, doubt)),
    )
    said = f"{holder} holds {what} until {until}, and today's rules would not allow it: keep or revoke {request.name}."
    return Message(text=said, blocks=blocks)


def _buttons(request: Request, doubt: Doubt) -> list[Block]:
    asked = Asked(request=request.number, digest=request.form_digest, fails=doubt.fails)
    keep = button(KEEP, "Keep until its end", asked.value())
    if not doubt.revokes:
        return [keep]
    ref = Ref(request=request.number, version=request.version, digest=request.form_digest)
    return [keep, button("qm_revoke", "Revoke", ref.value(), "danger")]


def kept(request: Request, keep: Keep, why: str, viewer: str, voice: Voice) -> Message:
    """Return how the card closes when somebody let it stand."""
    by, until = "you" if keep.keeper == viewer else voice.name_of(keep.keeper), voice.at(request.not_after or keep.at)
    return _closed(
        request, f":white_check_mark: *Kept until its end by {by}*, {voice.at(keep.at)}.\n{why}", voice, until
    )


def allowed(request: Request, voice: Voice) -> Message:
    """Return how the card closes when the rules that were adopted since would permit it."""
    return _closed(request, ":white_check_mark: *Today's rules allow this again.* Nothing to decide.", voice)


def asked_anew(request: Request, voice: Voice) -> Message:
    """Return how the card closes when it is another part of the rules by now that it does not pass."""
    return _closed(request, ":arrows_counterclockwise: *The rules changed again.* Nothing to decide here.", voice)


def asked_others(request: Request, names: list[str], voice: Voice) -> Message:
    """Return how the card closes for somebody who does not own it any more."""
    return _closed(request, f":arrows_counterclockwise: *This is for {either(names)} to decide by now.*", voice)


def over(request: Request, voice: Voice) -> Message:
    """Return how the card closes when the lease is over: how it stands."""
    return _closed(request, state_line(request, (), voice), voice)


def kept_words(keep: Keep, voice: Voice) -> str:
    """Return what the thread says: somebody let it stand."""
    rule, _, part = keep.fails.partition(" ")
    return (
        f":white_check_mark: *Kept until its end by {voice.name_of(keep.keeper)}*, {voice.at(keep.at)}. "
        f"The rules became stricter: `{rule}`{f' ({shown(part)})' if part else ''}."
    )


def _closed(request: Request, state: str, voice: Voice, until: str = "") -> Message:
    what = f"{voice.what(request.form)}, held by {voice.name_of(request.beneficiary)}"
    small = context(request.name, f"until {until}" if until else "", f"ledger entry {request.seq:,}")
    return Message(text=f"{request.name}, {what}: {plain(state)}", blocks=(header(what), section(state), small))

"""Asking: a message becomes a read-back or a question, kept in a draft before Slack hears of it, and shown from there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.answering import Open, answered
from bot.blocks import asking, question, refusals
from bot.blocks.modals import kind_of
from bot.blocks.parts import Message
from bot.blocks.second import second_line
from bot.blocks.words import Voice
from bot.errors import Reason, Refused
from bot.intake.forms import Unclear, Understood, understand
from bot.intake.model.proposal import Second
from bot.intake.reading import Intent, Reading
from bot.manners.base import Spot
from bot.manners.reading_along import ReadingAlong
from bot.tables import Draft, State
from bot.tables.drafts import DRAFT_LIFE, key_of
from ledger.nouns import Form, GpuForm, KeyForm
from ledger.streams.codec import digest
from policies.serving import VLLM

KINDS: Final = {
    Intent.GPU_REQUEST: "gpu",
    Intent.DATA_REQUEST: "data",
    Intent.DEPLOY_REQUEST: "deploy",
    Intent.KEY_REQUEST: "key",
}


class Asking(ReadingAlong):
    """Hears, shows, and confirms."""

    def hear(self, slack: str, text: str, spot: Spot, key: str, now: datetime | None = None) -> None:
        """Answer a message: a read-back, a question, the card of a request, or a sentence.

        Args:
            key: names the message; the same one heard again makes no second draft.
            now: when it was said.
        """
        said_at = now or self.house.book.clock()
        local = said_at.astimezone(self._voice(slack).zone)
        catalogue = self.desk.policy().catalogue
        second = self.read_along(slack, text, local, catalogue)
        heard = understand(text, now=local, catalogue=catalogue, person=slack, proposal=second.proposal)
        if isinstance(heard, Understood):
            self.ask(slack, heard.form, heard.purpose, text, spot, key, now=said_at, second=second)
        elif isinstance(heard, Unclear):
            kind = KINDS[heard.reading.intent]
            self._keep(slack, spot, key, said_at, form=None, kind=kind, said=text, second=second)
        elif heard.words:
            self.say(slack, spot, heard.words)
        else:
            self.typed(slack, heard.reading, text, spot, note=second_line(second, ()))

    def typed(self, slack: str, reading: Reading, text: str, spot: Spot, note: str = "") -> None:
        """Do what words ask for that are no request; `note` says how they were read, where that is to be known."""
        raise NotImplementedError

    def ask(
        self,
        slack: str,
        form: Form,
        purpose: str,
        said: str,
        spot: Spot,
        key: str,
        *,
        replacing: int | None = None,
        now: datetime | None = None,
        second: Second | None = None,
    ) -> None:
        """Show the exact form to be confirmed, where it was asked for."""
        self._keep(
            slack,
            spot,
            key,
            now or self.house.book.clock(),
            form=form,
            kind=kind_of(form),
            purpose=purpose,
            said=said,
            replacing=replacing,
            second=second,
        )

    def _keep(
        self,
        slack: str,
        spot: Spot,
        key: str,
        now: datetime,
        *,
        form: Form | None,
        kind: str,
        said: str,
        purpose: str = "",
        replacing: int | None = None,
        second: Second | None = None,
    ) -> None:
        draft_id = hashlib.sha256(key.encode()).hexdigest()[:16]
        draft = Draft(
            id=draft_id,
            root=draft_id,
            slack=slack,
            kind=kind,
            form=form,
            answers={},
            purpose=purpose,
            said=said[:2000],
            channel=spot.channel or self.slack.direct(slack),
            inside=spot.inside,
            thread=spot.thread,
            replacing=replacing,
            asked_at=now,
            expires=now + DRAFT_LIFE,
            second=second or Second(),
        )
        self.tables.new_draft(draft)
        self.notifier.soon(draft.key)

    # -- what a draft's message says ------------------------------------------------------------------------------

    def show(self, root: str) -> None:
        """Make the message of a draft say what is so; raises what Slack raises."""
        key = key_of(root)
        with self.slack.turn(key):
            draft = self.tables.shown_draft(root)
            if draft is None or draft.state in {State.SENT, State.SENDING}:
                return
            self.slack.show(key, 0, draft.slack, draft.channel, draft.inside, self._message(draft))

    def _message(self, draft: Draft) -> Message:
        if draft.state is State.EXPIRED:
            return asking.line(asking.EXPIRED)
        if draft.state is State.DISCARDED:
            return asking.line(asking.DISCARDED)
        voice = self._voice(draft.slack)
        if draft.form is not None:
            preview = self.desk.preview(draft.slack, draft.form)
            note = self._frozen_note(draft.form, voice) or self._executor_note(draft.form)
            heard = self._left_out(draft)
            return asking.read_back(draft.id, preview, draft.purpose, voice, executor_note=note, heard=heard)
        still = self._still_open(draft)
        if not isinstance(still, Open):
            return question.question(draft.id, draft.said, {}, (), draft.kind, voice)
        note = second_line(draft.second, still.by_model)
        return question.question(
            draft.id, draft.said, still.slots, still.doubts, still.kind or draft.kind, voice, note=note
        )

    def _still_open(self, draft: Draft) -> Understood | Open:
        now = draft.asked_at.astimezone(self._voice(draft.slack).zone)
        catalogue = self.desk.policy().catalogue
        return answered(
            draft.said,
            draft.answers,
            now=now,
            catalogue=catalogue,
            person=draft.slack,
            proposal=draft.second.proposal,
        )

    def _frozen_note(self, form: Form, voice: Voice) -> str:
        stop = self.desk.book.halts().over(form.resource)
        return f"Frozen by {voice.name_of(stop.by)}: it waits until the freeze is lifted" if stop else ""

    def _executor_note(self, form: Form) -> str:
        backend = self.desk.policy().catalogue.backend(form.resource)
        if isinstance(form, GpuForm | KeyForm) or backend == VLLM:
            return ""
        return asking.SIMULATED if self._simulate else asking.NOBODY

    def _left_out(self, draft: Draft) -> str:
        """How the sentence was read, and what it said beside the form that is shown and is not asked for with it."""
        heard = self._still_open(draft)
        if not isinstance(heard, Understood) or heard.form != draft.form:
            return ""
        words = (second_line(draft.second, heard.by_model), asking.left_out(heard.also, heard.without))
        return " ".join(part for part in words if part)

    # -- what its buttons do --------------------------------------------------------------------------------------

    def draft_of(self, slack: str, draft_id: str, spot: Spot) -> Draft | None:
        """Return a draft that this person may act on now; tells them why when they may not."""
        draft = self.tables.draft(draft_id)
        if draft is not None and draft.slack != slack:
            self.say(slack, spot, refusals.NOT_YOURS_TO_CONFIRM)
            return None
        if draft is None or draft.state is not State.OPEN:
            self._over(slack, draft, spot)
            return None
        if draft.expires <= self.house.book.clock():
            self._end(draft, State.EXPIRED)
            self.say(slack, spot, asking.EXPIRED)
            return None
        return draft

    def _over(self, slack: str, draft: Draft | None, spot: Spot) -> None:
        """Say what became of a draft that was settled, and make its message say so too."""
        if draft is not None and draft.state is State.SENDING:
            return
        number = draft.request if draft is not None else None
        self.say_no(slack, spot, Refused(reason=Reason.DRAFT_GONE, number=number))
        if draft is not None:
            self.notifier.soon(draft.key if number is None else f"request:{number}")

    def _end(self, draft: Draft, state: State) -> bool:
        """Whether this call ended the draft; its message says so now, or as soon as Slack takes it."""
        ended = self.tables.take_draft(draft.id, state)
        if ended:
            self.notifier.soon(draft.key)
        return ended

    def confirm(self, slack: str, draft_id: str, spot: Spot) -> None:
        """Submit a draft, once; its message becomes the request's card."""
        draft = self.draft_of(slack, draft_id, spot)
        if draft is None or draft.form is None or not self.tables.take_draft(draft_id, State.SENDING):
            return
        try:
            outcome = self.desk.submit(
                slack, draft.form, purpose=draft.purpose, said=draft.said, replacing=draft.replacing
            )
        except Exception:
            self.settle(draft)
            raise
        if isinstance(outcome, Refused):
            self.tables.settle_draft(draft_id, State.OPEN)
            self.say_no(slack, spot, outcome)
            return
        self._became(draft, outcome.number)
        self.notifier.refresh(outcome.number)

    def settle(self, draft: Draft) -> None:
        """Link a draft that was being sent to the request it became, or open it again when nothing was entered."""
        number = self._entered(draft)
        if number is None:
            self.tables.settle_draft(draft.id, State.OPEN)
        else:
            self._became(draft, number)
            self.notifier.refresh(number)

    def _entered(self, draft: Draft) -> int | None:
        for number in self.desk.book.requests.of(self.desk.subject(draft.slack)):
            request = self.desk.book.request(number)
            if request is None or draft.form is None or request.submitted_at < draft.asked_at:
                continue
            same = digest(request.asked_form) == digest(draft.form) and str(request.purpose or "") == draft.purpose
            if same and self.tables.message(f"card:{number}") is None:
                return number
        return None

    def _became(self, draft: Draft, number: int) -> None:
        """The draft's message is the request's card from now on."""
        with self.slack.turn(draft.key):  # whoever shows it as a draft has finished: it must not overwrite the card
            shown = self.tables.message(draft.key)
            channel, ts = (shown.channel, shown.ts) if shown else (draft.channel, "")
            self.tables.claim_at(f"card:{number}", number, channel, ts, draft.thread)
            self.tables.settle_draft(draft.id, State.SENT, number)

    def discard(self, slack: str, draft_id: str, spot: Spot) -> None:
        """Forget a draft; nothing was sent."""
        draft = self.draft_of(slack, draft_id, spot)
        if draft is not None:
            self._end(draft, State.DISCARDED)

    def nearest(self, slack: str, draft_id: str, spot: Spot) -> None:
        """Read back the nearest request that would pass, in place of the one that would not."""
        draft = self.draft_of(slack, draft_id, spot)
        if draft is None or draft.form is None:
            return
        nearest = self.desk.preview(slack, draft.form).nearest
        if nearest is not None:
            self.redraft(draft, nearest.form, draft.purpose)

    def answer(self, slack: str, draft_id: str, slot: str, value: str, spot: Spot) -> None:
        """One doubtful value was chosen; when it was the last, the read-back follows in the same message."""
        draft = self.draft_of(slack, draft_id, spot)
        if draft is None or draft.form is not None:
            return
        self.tables.answer(draft_id, slot, value)
        now = self.tables.draft(draft_id)
        found = self._still_open(now) if now is not None else None
        if now is not None and isinstance(found, Understood):
            self.redraft(now, found.form, found.purpose)
        else:
            self.notifier.soon(draft.key)

    def redraft(self, draft: Draft, form: Form, purpose: str) -> None:
        """Show another form in the draft's own message; what the old buttons meant can no longer be confirmed."""
        fresh_id = hashlib.sha256(f"{draft.id}/{digest(form)}/{purpose}".encode()).hexdigest()[:16]
        now = self.house.book.clock()
        fresh = replace(
            draft, id=fresh_id, form=form, purpose=purpose, kind=kind_of(form), asked_at=now, expires=now + DRAFT_LIFE
        )
        if self.tables.swap_draft(draft.id, fresh):
            self.notifier.soon(draft.key)

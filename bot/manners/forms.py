"""Forms: filled with what is known, counted up while they are filled in, and read back when they are entered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.answering import Open
from bot.blocks import live, modals, refusals
from bot.blocks.parts import Block, Ref
from bot.errors import Reason, Refused
from bot.manners.asking import Asking
from bot.manners.base import Spot
from bot.tables import Draft, State
from ledger.nouns import Change, Form
from ledger.streams.request import Request, Status


class Forms(Asking):
    """The forms in which people ask."""

    def form_for(self, slack: str, kind: str, slots: Mapping[str, Any], private: Mapping[str, Any]) -> Block:
        """Return the modal of `kind`, filled, with its totals."""
        return self.live(slack, modals.form_modal(kind, slots, self._voice(slack), private))

    def form_of_draft(self, draft: Draft) -> Block:
        """Return the modal filled with a draft, or with whatever a doubtful sentence did say."""
        private = {"draft": draft.id}
        if draft.form is not None:
            return self.form_for(draft.slack, draft.kind, modals.slots_of(draft.form, draft.purpose), private)
        still = self._still_open(draft)
        slots = still.slots if isinstance(still, Open) else {}
        return self.form_for(draft.slack, draft.kind, slots, private)

    def form_again(self, request: Request, slack: str, spot: Spot) -> Block:
        """Return the modal filled with a request; one that still waits is replaced by what is entered."""
        private: Block = {"channel": spot.channel, "thread": spot.thread, "inside": spot.inside}
        if not request.final:
            private["replacing"] = request.number
        slots = modals.slots_of(request.asked_form, str(request.purpose or ""))
        if request.asked_form.start is None or request.asked_form.start <= self.house.book.clock():
            slots["start"] = None
        return self.form_for(slack, modals.kind_of(request.asked_form), slots, private)

    def own_request(self, slack: str, ref: Ref | None, spot: Spot) -> Request | None:
        """Return the request of a button when it is this person's own; tells them when it is not."""
        request = self.desk.book.request(ref.request) if ref is not None else None
        if request is not None and self.desk.subject(slack) == request.asker:
            return request
        if request is None:
            self.say(slack, spot, refusals.STALE)
        else:
            self.say_no(slack, spot, Refused(reason=Reason.NOT_YOURS, number=request.number, people=(request.asker,)))
        return None

    def ask_again(self, slack: str, request: Request, spot: Spot, key: str) -> None:
        """Read back what a request asked for; a start that is over becomes as soon as it is approved."""
        form, now = request.asked_form, self.house.book.clock()
        if not isinstance(form, Change):
            start = form.start if form.start is not None and form.start > now else None
            end = form.not_after if form.not_after is not None and form.not_after > now else None
            form = replace(form, start=start, not_after=end)
        self.ask(slack, form, str(request.purpose or ""), "", spot, key)

    def live(self, slack: str, view: Mapping[str, Any]) -> Block:
        """Return the view with its last line counted up from what is filled in."""
        voice = self._voice(slack)
        values = modals.values_shown(view)
        if view["callback_id"] == modals.LESS:
            request = self.desk.book.request(json.loads(view["private_metadata"])[0])
            return live.with_line(view, live.less_line(request, values, voice) if request else "")
        kind = json.loads(view["private_metadata"])["kind"]
        form, _ = modals.form_of_values(kind, values, voice.policy.catalogue, self.house.book.clock())
        preview = self.desk.preview(slack, form) if form is not None else None
        return live.with_line(view, live.totals(preview, voice))

    def form_entered(self, slack: str, view: Mapping[str, Any]) -> dict[str, str] | str | Callable[[], None]:
        """Return the errors by block, what happened meanwhile, or what to do after the acknowledgement."""
        private, values = json.loads(view["private_metadata"]), modals.values_of(view)
        moved = self._moved(slack, private)
        if moved is not None:
            return moved
        catalogue, now = self.desk.policy().catalogue, self.house.book.clock()
        form, errors = modals.form_of_values(private["kind"], values, catalogue, now)
        if form is None:
            return errors
        limits = live.limits(self.desk.preview(slack, form), self._voice(slack))
        if limits:
            return limits
        return lambda: self._read_back(slack, form, values.get("purpose", ""), private, f"view:{view['id']}")

    def _moved(self, slack: str, private: Mapping[str, Any]) -> str | None:
        """Return what became of the draft or request that the form was opened on, None while it is as it was."""
        draft = self.tables.draft(private["draft"]) if "draft" in private else None
        if draft is not None and draft.state is not State.OPEN:
            return self.sentence(slack, Refused(reason=Reason.DRAFT_GONE, number=draft.request))
        number = private.get("replacing")
        request = self.desk.book.request(number) if number is not None else None
        if request is not None and request.status is not Status.WAITING:
            return self.sentence(slack, Refused(reason=Reason.ALREADY_DECIDED, number=number))
        return None

    def _read_back(self, slack: str, form: Form, purpose: str, private: Mapping[str, Any], key: str) -> None:
        draft = self.tables.draft(private["draft"]) if "draft" in private else None
        if draft is not None and draft.slack == slack:
            self.redraft(draft, form, purpose)
            return
        spot = Spot(
            channel=private.get("channel", ""), thread=private.get("thread", ""), inside=private.get("inside", "")
        )
        self.ask(slack, form, purpose, "", spot, key, replacing=private.get("replacing"))

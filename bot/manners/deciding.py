"""Deciding and ending: votes on what was seen, reminders, and the verbs of asker and lead. Typed and tapped alike."""

from __future__ import annotations

from collections.abc import Callable

from bot.blocks import refusals, verdicts
from bot.blocks.parts import Block, Ref
from bot.blocks.password import password_modal
from bot.blocks.states import plain, state_line
from bot.blocks.stricter import Asked
from bot.blocks.words import either
from bot.errors import Reason, Refused
from bot.keeping import remindable_at
from bot.manners.base import Manners, Spot
from bot.verbs.extending import pending
from ledger.nouns import Form
from ledger.streams.request import Request, Status, Verdict


class Deciding(Manners):
    """What is done to a request."""

    def decide(self, slack: str, ref: Ref, verdict: Verdict, reason: str, spot: Spot) -> str | None:
        """Enter a vote on exactly what was seen; returns the sentence of a refusal."""
        return self.after(slack, self.desk.review(slack, ref.request, ref.digest, verdict, reason), spot)

    def approve_less(self, slack: str, ref: Ref, lower: Form, reason: str, spot: Spot) -> str | None:
        """Lower and approve; returns the sentence of a refusal."""
        return self.after(slack, self.desk.approve_less(slack, ref.request, ref.digest, lower, reason), spot)

    def revoke(self, slack: str, ref: Ref, reason: str, spot: Spot) -> str | None:
        """Take away what somebody holds; returns the sentence of a refusal."""
        return self.after(slack, self.desk.revoke(slack, ref.request, reason), spot)

    def keep(self, slack: str, asked: Asked, spot: Spot) -> str | None:
        """Let stand what stricter rules would not permit; returns the sentence of a refusal."""
        return self.after(slack, self.desk.let_stand(slack, asked.request, asked.digest, asked.fails), spot)

    def verb(self, slack: str, verb: str, number: int, digest: str, spot: Spot) -> str | None:
        """Release, withdraw, accept or remind; returns the sentence of a refusal."""
        acts: dict[str, Callable[[], Request | Refused]] = {
            "accept": lambda: self.desk.accept(slack, number, digest),
            "release": lambda: self.desk.release(slack, number),
            "withdraw": lambda: self.desk.withdraw(slack, number),
            "remind": lambda: self._remind(slack, number),
        }
        outcome = acts[verb]()
        if verb == "remind" and isinstance(outcome, Request):
            self.say(slack, spot, self._reminded(slack, outcome))
        return self.after(slack, outcome, spot)

    def after(self, slack: str, outcome: Request | Refused, spot: Spot) -> str | None:
        """Bring the messages up to date; say and return why nothing happened, if so."""
        if isinstance(outcome, Request):
            self.notifier.refresh(outcome.number)
            return None
        sentence = self.sentence(slack, outcome)
        if spot.channel:
            self.say(slack, spot, sentence)
        if outcome.number is not None:
            self.notifier.refresh(outcome.number)
        return sentence

    def state_of(self, slack: str, number: int) -> str:
        """Return the state of a request as one sentence: what typed verbs answer with, and what the card says."""
        request = self.desk.book.request(number)
        if request is None:
            return self.sentence(slack, Refused(reason=Reason.UNKNOWN_REQUEST, number=number))
        voice = self._voice(slack)
        missing = self.desk.missing(request) if request.status in {Status.WAITING, Status.LAPSED} else ()
        state = plain(state_line(request, missing, voice, self.tables.nudges(number)))
        return f"{request.name}, {voice.what(request.form)}: {state}"

    # -- reminding ------------------------------------------------------------------------------------------------

    def _remind(self, slack: str, number: int) -> Request | Refused:
        """Remind the approvers of one's own request: from half an hour on, once an hour."""
        request = self.desk.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        if self.desk.subject(slack) != request.asker:
            return Refused(reason=Reason.NOT_YOURS, number=number, people=(request.asker,))
        if request.status is not Status.WAITING or request.accept_pending:
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        at, now = remindable_at(request, self.tables.nudges(number)), self.house.book.clock()
        if at is None or at > now:
            when = self._voice(slack).at(at) if at is not None else ""
            return Refused(reason=Reason.TOO_SOON, number=number, detail=when)
        self.tables.nudge(number, now)
        return request

    def _reminded(self, slack: str, request: Request) -> str:
        voice = self._voice(slack)
        people = [voice.name_of(subject) for _, who in self.desk.missing(request) for subject in who]
        at = remindable_at(request, self.tables.nudges(request.number))
        again = f" You can remind them again from {voice.at(at)}." if at else ""
        return f"Reminded {either(people, 'and')} of {request.name}.{again}"

    # -- modals ---------------------------------------------------------------------------------------------------

    def verdict_view(self, slack: str, kind: str, ref: Ref) -> Block | Refused:
        """Return the modal in which a decision gets its values or reason, or why this person may not decide now."""
        request = self.desk.book.request(ref.request)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=ref.request)
        voice = self._voice(slack)
        if kind == "revoke":
            refused = self.desk.why_not_revoke(slack, ref.request)
            return refused or verdicts.revoke_modal(request, ref, voice)
        refused = self.desk.why_not(slack, ref.request, ref.digest, approving=kind == "less")
        if refused is not None:
            return refused
        if kind == "less":
            return verdicts.less_modal(request, ref, voice)
        me = self.desk.subject(slack)
        missing = dict.fromkeys(s for _, subjects in self.desk.missing(request) for s in subjects if s != me)
        return verdicts.deny_modal(
            request, ref, voice, either([voice.name_of(s) for s in missing], "and") if missing else ""
        )

    def password_view(self, slack: str, number: int) -> Block | Refused:
        """Return the modal with a new password for the holder, and for nobody else."""
        outcome = self.desk.show_password(slack, number)
        return outcome if isinstance(outcome, Refused) else password_modal(outcome, self._voice(slack))

    def _card_to_decide(self, slack: str, number: int) -> str | Refused:
        """Return the key of the card on which this person decides: of the extension that waits, else of the request."""
        request = self.visible(slack, number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        subject, extension = self.desk.subject(slack), pending(request)
        if extension is None:
            return self.desk.why_not(slack, number) or f"approval:{number}:{subject}"
        refused = self.desk.why_not_extension(slack, number, extension.form_digest)
        return refused or f"extension:{number}:{subject}:{extension.form_digest}"

    def bring(self, slack: str, number: int, spot: Spot) -> None:
        """Bring the card to decide on: words never vote, only the tap on what was seen does."""
        key = self._card_to_decide(slack, number)
        if isinstance(key, Refused):
            self.say_no(slack, spot, key)
            return
        self.notifier.refresh(number)
        posted = self.tables.message(key)
        if posted is None or not posted.ts:
            self.say(slack, spot, refusals.SLOW)
            return
        link = self.slack.client.chat_getPermalink(channel=posted.channel, message_ts=posted.ts)["permalink"]
        self.say(slack, spot, f"Decide on the card of REQ-{number}: <{link}|open it>. Words do not vote.")

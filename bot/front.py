"""What the desk answers on each surface: reads, shows, confirms, decides. Listeners acknowledge and call this.

Every method is given the Slack user id of the event, never a name from text. What may not be is said to that person
alone; what has a life is a message that the notifier keeps true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.blocks import asking, modals, refusals
from bot.blocks.card import card
from bot.blocks.home import home as home_view
from bot.blocks.parts import Block, Message, Ref
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.errors import Reason, Refused
from bot.evidence import Export, export
from bot.house import House
from bot.intake.forms import Other, Unclear, Understood, understand
from bot.intake.reading import Intent
from bot.notify import Notifier
from bot.slack import Slack
from bot.tables import Draft, Tables
from ledger.audit import verify_store
from ledger.export.bundle import Choice
from ledger.nouns import Form
from ledger.streams.request import Request, Status, Verdict
from policies.directory import Stranger, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where somebody spoke: the channel, and the message that a thread hangs on."""

    channel: str
    thread: str = ""


class Front:
    """The desk's manners. One a process, shared by listeners."""

    def __init__(
        self, house: House, desk: Desk, slack: Slack, tables: Tables, notifier: Notifier, *, simulate: bool
    ) -> None:
        self.house, self.desk, self.slack, self.tables, self.notifier = house, desk, slack, tables, notifier
        self._simulate = simulate

    # -- who ----------------------------------------------------------------------------------------------------

    def stranger(self, slack: str) -> str | None:
        """Return the sentence for somebody who may not be served, None for those who may."""
        policy = self.desk.policy()
        found = resolve(policy, self.slack.user(slack), self.house.genesis.workspace)
        if not isinstance(found, Stranger):
            return None
        admins = [
            p for p in policy.people() if "role:admin" in {r for r, _ in policy.snapshot.roles.roles(f"user:{p}")}
        ]
        return refusals.stranger(found, [self.slack.name(admin) for admin in admins])

    def say_no(self, slack: str, spot: Spot, refused: Refused) -> None:
        """Tell one person alone why nothing happened."""
        request = self.desk.book.request(refused.number) if refused.number is not None else None
        self.slack.whisper(
            spot.channel, slack, refusals.refusal(refused, request, self._voice(slack)), spot.thread or None
        )

    # -- asking -------------------------------------------------------------------------------------------------

    def hear(self, slack: str, text: str, spot: Spot) -> None:
        """Answer a message: a read-back, a question, the card of a request, or a sentence."""
        now = self.house.book.clock().astimezone(self._voice(slack).zone)
        heard = understand(text, now=now, catalogue=self.desk.policy().catalogue, person=slack)
        if isinstance(heard, Understood):
            self.read_back(slack, heard.form, heard.purpose, text, spot)
        elif isinstance(heard, Unclear):
            self._ask_back(heard, spot)
        else:
            self.command(slack, heard, spot)

    def read_back(
        self, slack: str, form: Form, purpose: str, said: str, spot: Spot, replacing: int | None = None
    ) -> None:
        """Show the exact form to be confirmed, where it was asked for."""
        preview = self.desk.preview(slack, form)
        draft = self.tables.new_draft(
            slack,
            form,
            purpose=purpose,
            said=said,
            channel=spot.channel,
            thread=spot.thread,
            now=self.house.book.clock(),
            replacing=replacing,
        )
        message = asking.read_back(draft, preview, purpose, self._voice(slack), executor_note=self._executor_note(form))
        ts = self._post(spot.channel, message)
        self.tables.place_draft(draft, spot.channel, ts)

    def _ask_back(self, heard: Unclear, spot: Spot) -> None:
        kinds = {Intent.GPU_REQUEST: "gpu", Intent.DATA_REQUEST: "data", Intent.DEPLOY_REQUEST: "deploy"}
        token = json.dumps({"kind": kinds[heard.reading.intent], "said": heard.reading.text[:1500]})
        self._post(spot.channel, asking.question(heard.reading.text, heard.doubts, token))

    def _executor_note(self, form: Form) -> str:
        if form.resource.startswith("gpu:"):
            return ""
        return asking.SIMULATED if self._simulate else asking.NOBODY

    def _post(self, channel: str, message: Message) -> str:
        answer = self.slack.client.chat_postMessage(
            channel=channel, text=message.text, blocks=list(message.blocks) or None
        )
        return str(answer["ts"])

    # -- drafts -------------------------------------------------------------------------------------------------

    def draft_of(self, slack: str, draft_id: str, spot: Spot) -> Draft | None:
        """Return a draft that this person may act on now; tells them why when they may not."""
        draft = self.tables.draft(draft_id)
        if draft is None:
            self.say_no(slack, spot, Refused(reason=Reason.DRAFT_GONE))
            return None
        if draft.slack != slack:
            self.slack.whisper(spot.channel, slack, refusals.NOT_YOURS_TO_CONFIRM)
            return None
        if draft.expires <= self.house.book.clock():
            self.tables.use_draft(draft_id)
            self._become(draft, asking.line(asking.EXPIRED))
            return None
        return draft

    def confirm(self, slack: str, draft_id: str, spot: Spot) -> None:
        """Submit a draft, once; its message becomes the request's card."""
        draft = self.draft_of(slack, draft_id, spot)
        if draft is None or not self.tables.use_draft(draft_id):
            return
        outcome = self.desk.submit(slack, draft.form, purpose=draft.purpose, said=draft.said, replacing=draft.replacing)
        if isinstance(outcome, Refused):
            self.tables.untake_draft(draft_id)
            self.say_no(slack, spot, outcome)
            return
        key = f"card:{outcome.number}"
        self.tables.claim(key, outcome.number, "", draft.channel, draft.thread)
        self.tables.posted(key, draft.channel, draft.ts, "")
        self.notifier.refresh(outcome.number)

    def discard(self, slack: str, draft_id: str, spot: Spot) -> None:
        """Forget a draft; nothing was sent."""
        draft = self.draft_of(slack, draft_id, spot)
        if draft is not None and self.tables.use_draft(draft_id):
            self._become(draft, asking.line(asking.DISCARDED))

    def nearest(self, slack: str, draft_id: str, spot: Spot) -> None:
        """Read back the nearest request that would pass, in place of the one that would not."""
        draft = self.draft_of(slack, draft_id, spot)
        nearest = self.desk.preview(slack, draft.form).nearest if draft else None
        if draft is None or nearest is None or not self.tables.use_draft(draft_id):
            return
        self.redraft(slack, draft, nearest.form, draft.purpose)

    def redraft(self, slack: str, draft: Draft, form: Form, purpose: str) -> None:
        """Show another form in the draft's own message."""
        fresh = self.tables.new_draft(
            slack,
            form,
            purpose=purpose,
            said=draft.said,
            channel=draft.channel,
            thread=draft.thread,
            now=self.house.book.clock(),
            replacing=draft.replacing,
        )
        self.tables.place_draft(fresh, draft.channel, draft.ts)
        preview = self.desk.preview(slack, form)
        note = self._executor_note(form)
        self._become(draft, asking.read_back(fresh, preview, purpose, self._voice(slack), executor_note=note))

    def _become(self, draft: Draft, message: Message) -> None:
        self.slack.client.chat_update(
            channel=draft.channel, ts=draft.ts, text=message.text, blocks=list(message.blocks)
        )

    # -- forms --------------------------------------------------------------------------------------------------

    def form_for(self, kind: str, slots: Mapping[str, Any], private: Mapping[str, Any]) -> Block:
        """Return the modal of `kind`, filled."""
        return modals.form_modal(kind, slots, self.desk.policy().catalogue, private)

    def form_for_text(self, slack: str, said: str, kind: str, spot: Spot) -> Block:
        """Return the modal filled with whatever a doubtful sentence did say."""
        now = self.house.book.clock().astimezone(self._voice(slack).zone)
        heard = understand(said, now=now, catalogue=self.desk.policy().catalogue, person=slack)
        slots = heard.reading.slots if isinstance(heard, Unclear | Other) else {}
        return self.form_for(kind, slots, {"channel": spot.channel, "thread": spot.thread, "said": said[:1000]})

    def form_entered(self, slack: str, view: Mapping[str, Any]) -> dict[str, str] | Callable[[], None]:
        """Return the errors by block, or what to do after the acknowledgement."""
        private = json.loads(view["private_metadata"])
        values = modals.values_of(view)
        form, errors = modals.form_of_values(
            private["kind"], values, self.desk.policy().catalogue, self.house.book.clock()
        )
        if form is None:
            return errors
        purpose, exact = values.get("purpose", ""), form

        def then() -> None:
            draft = self.tables.draft(private["draft"]) if "draft" in private else None
            if draft is not None and draft.slack == slack and self.tables.use_draft(draft.id):
                self.redraft(slack, draft, exact, purpose)
                return
            channel = private.get("channel") or self.slack.direct(slack)
            spot = Spot(channel=channel, thread=private.get("thread", ""))
            self.read_back(slack, exact, purpose, private.get("said", ""), spot, private.get("replacing"))

        return then

    # -- deciding -----------------------------------------------------------------------------------------------

    def decide(self, slack: str, ref: Ref, verdict: Verdict, reason: str, spot: Spot) -> str | None:
        """Enter a vote on exactly what was seen; returns the sentence of a refusal."""
        outcome = self.desk.review(slack, ref.request, ref.digest, verdict, reason)
        return self._after(slack, outcome, spot)

    def approve_less(self, slack: str, ref: Ref, lower: Form, reason: str, spot: Spot) -> str | None:
        """Lower and approve; returns the sentence of a refusal."""
        return self._after(slack, self.desk.approve_less(slack, ref.request, ref.digest, lower, reason), spot)

    def verb(self, slack: str, verb: str, number: int, digest: str, spot: Spot) -> str | None:
        """Release, withdraw or accept; returns the sentence of a refusal."""
        if verb == "accept":
            return self._after(slack, self.desk.accept(slack, number, digest), spot)
        act = {"release": self.desk.release, "withdraw": self.desk.withdraw}[verb]
        return self._after(slack, act(slack, number), spot)

    def _after(self, slack: str, outcome: Request | Refused, spot: Spot) -> str | None:
        if isinstance(outcome, Request):
            return None
        request = self.desk.book.request(outcome.number) if outcome.number is not None else None
        sentence = refusals.refusal(outcome, request, self._voice(slack))
        if spot.channel:
            self.slack.whisper(spot.channel, slack, sentence)
        return sentence

    # -- words instead of buttons -------------------------------------------------------------------------------

    def command(self, slack: str, heard: Other, spot: Spot) -> None:
        """Do what a typed verb asks for, or say what can be asked."""
        reading = heard.reading
        number = reading.slots.get("request_id")
        if reading.intent in {Intent.REQUEST_RELEASE, Intent.REQUEST_CANCEL} and number is not None:
            verb = "release" if reading.intent is Intent.REQUEST_RELEASE else "withdraw"
            refused = self.verb(slack, verb, number, "", spot)
            if refused is None:
                self.slack.whisper(spot.channel, slack, self.status(slack, number))
        elif reading.intent in {Intent.REQUEST_APPROVE, Intent.REQUEST_DENY} and number is not None:
            self.bring(slack, number, spot)
        elif reading.intent in {Intent.REQUEST_STATUS, Intent.POLICY_WHY}:
            words = self.why if reading.intent is Intent.POLICY_WHY else self.status
            self.slack.whisper(spot.channel, slack, words(slack, number))
        elif reading.intent is Intent.HELP:
            self.slack.whisper(spot.channel, slack, refusals.HELP)
        else:
            known = reading.intent is not Intent.OTHER
            self.slack.whisper(spot.channel, slack, refusals.NOT_BUILT if known else refusals.NOT_UNDERSTOOD)

    def bring(self, slack: str, number: int, spot: Spot) -> None:
        """Bring the card to decide on: words never vote, only the tap on what was seen does."""
        request = self._visible(slack, number)
        if request is None:
            self.say_no(slack, spot, Refused(reason=Reason.UNKNOWN_REQUEST, number=number))
            return
        self.notifier.refresh(number)
        key = f"approval:{number}:{self.desk.subject(slack)}"
        posted = self.tables.message(key)
        if posted is None:
            outcome = self.desk.why_not(slack, number)
            self.say_no(slack, spot, outcome or Refused(reason=Reason.UNKNOWN_REQUEST, number=number))
            return
        link = self.slack.client.chat_getPermalink(channel=posted.channel, message_ts=posted.ts)["permalink"]
        self.slack.whisper(
            spot.channel, slack, f"Decide on the card of REQ-{number}: <{link}|open it>. Words do not vote."
        )

    def status(self, slack: str, number: int | None) -> str:
        """Return the state of one request, or of this person's newest ones."""
        subject, voice = self.desk.subject(slack), self._voice(slack)
        if number is not None:
            request = self._visible(slack, number)
            unknown = Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
            return self._line(request, voice) if request else refusals.refusal(unknown, None, voice)
        mine = [self.desk.book.request(each) for each in self.desk.book.requests.of(subject, 10)]
        lines = [self._line(request, voice) for request in mine if request is not None]
        return "\n".join(lines) or "You have asked for nothing yet. Try `/qm gpu`, or `/qm help`."

    def why(self, slack: str, number: int | None) -> str:
        """Return which rule decided about a request, and what it says."""
        request = self._visible(slack, number) if number is not None else None
        if request is None or request.decision is None:
            return f"I find no request {f'REQ-{number}' if number else 'there'} that you may see. Write `/qm why REQ-1001`."
        rules = ", ".join(f"`{rule}`" for rule in request.decision.rules) or "no rule"
        policy = request.decision.policy[:12]
        return f"{request.name}: {request.decision.why}\nRules {rules}, policy `{policy}`, ledger entry {request.seq}."

    def _visible(self, slack: str, number: int) -> Request | None:
        """Return a request that this person may see: theirs, one they may decide, or any for auditor, admin and its team."""
        request = self.desk.book.request(number)
        if request is None:
            return None
        subject = self.desk.subject(slack)
        policy, person = self.desk.policy(), f"user:{slack}"
        roles = {role for role, _ in policy.snapshot.roles.roles(person)}
        decides = any(policy.may_vote(person, seat.name, seat.team, request.form) for seat in request.seats)
        teams = {policy.team(person)} & {
            request.decision.team if request.decision else "",
            policy.catalogue.owner(request.form.resource),
        }
        allowed = subject in request.barred or decides or bool(roles & {"role:auditor", "role:admin"}) or bool(teams)
        return request if allowed else None

    def _line(self, request: Request, voice: Voice) -> str:
        missing = self.desk.missing(request) if request.status is Status.WAITING else ()
        return card(request, missing, voice).text

    # -- evidence and home --------------------------------------------------------------------------------------

    def export(self, slack: str, number: int | None, spot: Spot) -> str | None:
        """Hand a bundle to an auditor in their direct messages; returns the sentence of a refusal."""
        made = export(self.house, slack, self.desk.subject(slack), Choice(request=number))
        if isinstance(made, Refused):
            return refusals.refusal(made, None, self._voice(slack))
        self._deliver(slack, made)
        del spot
        return None

    def _deliver(self, slack: str, made: Export) -> None:
        channel = self.slack.direct(slack)
        sound = "consistent with its key" if made.verdict.sound else f"NOT verified: {made.verdict.fault}"
        text = (
            f":package: *Export ready. {made.entries:,} entries, {sound}.* This export is ledger entry {made.seq}.\n"
            f"Verify without us, offline:\n`quartermaster ledger verify --bundle {made.path.name} --key '<your key>'`\n"
            f"SHA-256 `{made.sha256}`"
        )
        self.slack.client.files_upload_v2(
            channel=channel, file=str(made.path), filename=made.path.name, initial_comment=text
        )

    def home(self, slack: str) -> Block:
        """Return the Home view with the truth as it is now."""
        no = self.stranger(slack)
        if no is not None:
            return {"type": "home", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": no}}]}
        subject, policy = self.desk.subject(slack), self.desk.policy()
        mine = [self.desk.book.request(number) for number in self.desk.book.requests.of(subject, 50)]
        open_ones = [self.desk.book.request(number) for number in self.desk.book.requests.open()]
        waiting = [
            request
            for request in open_ones
            if request is not None
            and request.status is Status.WAITING
            and any(subject in subjects for _, subjects in self.desk.missing(request))
        ]
        auditor = policy.may(f"user:{slack}", "export", "desk:audit") is not None
        return home_view(
            [(r, self.desk.missing(r) if r.status is Status.WAITING else ()) for r in mine if r is not None],
            waiting,
            self._voice(slack),
            auditor=auditor,
            verified=self._verified() if auditor else "",
        )

    def _verified(self) -> str:
        verdict = verify_store(self.house.book.store)
        if not verdict.sound:
            return f":warning: *Entry {verdict.bad} is wrong: {verdict.fault}.* Export what you need and tell an admin."
        sound = f"*Consistent to entry {verdict.size - 1}, every entry lawful.*"
        return f":anchor: {sound} Not anchored: nobody outside holds a checkpoint yet."

    def _voice(self, slack: str) -> Voice:
        return self.notifier.voice(self.desk.subject(slack))


_NUMBER = re.compile(r"(?:REQ-)?#?([1-9][0-9]{2,8})", re.IGNORECASE)


def number_in(text: str) -> int | None:
    """Return the request that the word names, None when it names none."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match.group(1)) if match else None

"""Words instead of buttons: status, why, can I, who can, release, remind, export. The same words typed and tapped."""

from __future__ import annotations

import re
from typing import Final

from bot.blocks import refusals
from bot.blocks.help import help_text
from bot.blocks.ran import Asked, ran_words
from bot.blocks.words import Voice
from bot.errors import Reason, Refused
from bot.evidence import Export, Wish, export, wish_in
from bot.intake.forms import Unclear, Understood, understand
from bot.intake.reading import Intent, Reading
from bot.manners.asking import Asking
from bot.manners.base import Spot
from bot.manners.extending import Extending
from bot.manners.knowing import Knowing, smallest_of
from bot.manners.questioning import Questioning
from ledger.nouns import Form
from ledger.streams.request import Status

MORE: Final = "Say how many, and for how long, to hear about that."
SHORT: Final = 10
ALL: Final = 50
_VERBS: Final = {Intent.REQUEST_RELEASE: "release", Intent.REQUEST_CANCEL: "withdraw"}
_NUMBER: Final = re.compile(r"(?:REQ-)?#?([1-9][0-9]{2,8})", re.IGNORECASE)


def number_in(text: str) -> int | None:
    """Return the request that the word names, None when it names none."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match.group(1)) if match else None


class Typed(Asking, Extending, Knowing, Questioning):
    """What people type."""

    def typed(self, slack: str, reading: Reading, text: str, spot: Spot, note: str = "") -> None:
        """Do what words ask for that are no request, or say what can be asked."""
        number = reading.slots.get("request_id")
        if reading.intent in _VERBS and number is not None:
            self.act(slack, _VERBS[reading.intent], number, spot)
        elif reading.intent is Intent.REQUEST_EXTEND:
            self.extend_words(slack, reading, spot)
        elif reading.intent is Intent.REQUEST_SHORTEN:
            self.shorten_words(slack, reading, spot)
        elif reading.intent in {Intent.REQUEST_APPROVE, Intent.REQUEST_DENY} and number is not None:
            self.bring(slack, number, spot)
        elif reading.intent is Intent.AUDIT_EXPORT:
            self.export_words(slack, re.sub(r"<@[^>]*>", " ", text), spot)
        elif reading.intent is Intent.GENAI_ASK:
            self.ask_model(slack, reading.slots["prompt"], reading.slots["model"], spot)
        else:
            self.say(slack, spot, f"{self._told(slack, reading, text, number)} {note}".strip())

    def _told(self, slack: str, reading: Reading, text: str, number: int | None) -> str:
        """Return the answer to what words ask to know."""
        match reading.intent:
            case Intent.REQUEST_STATUS:
                return self.status(slack, number)
            case Intent.POLICY_WHY:
                of_pool = self.can_i_use(slack, text) if number is None else None
                return of_pool or self.why(slack, number)
            case Intent.MODELS_RAN:
                return self.ran(slack, reading)
            case Intent.HELP:
                return self.help(slack)
            case Intent.OTHER:
                return refusals.NOT_UNDERSTOOD
        return refusals.NOT_BUILT

    def act(self, slack: str, verb: str, number: int, spot: Spot) -> None:
        """Do a typed verb, and answer with the sentence that the card gives."""
        refused = self.verb(slack, verb, number, "", spot)
        if refused is None and verb != "remind":
            self.say(slack, spot, self.state_of(slack, number))

    def help(self, slack: str) -> str:
        """Return what this person may do, and how."""
        return help_text(self.may(slack))

    def status(self, slack: str, number: int | None, *, everything: bool = False) -> str:
        """Return the state of one request, or of this person's newest ones."""
        if number is not None:
            if self.visible(slack, number) is None:
                return self.sentence(slack, Refused(reason=Reason.UNKNOWN_REQUEST, number=number))
            return self.state_of(slack, number)
        numbers = self.desk.book.requests.of(self.desk.subject(slack), ALL)
        most = ALL if everything else SHORT
        lines = [self.state_of(slack, each) for each in numbers[:most]]
        if len(numbers) > most:
            lines.append(f"Showing {most} of {len(numbers)}. `/qm status all` shows all of them.")
        return "\n".join(lines) or "You have asked for nothing yet. Try `/qm gpu`, or `/qm help`."

    def why(self, slack: str, number: int | None) -> str:
        """Return which rule decided about a request, and what it says."""
        request = self.visible(slack, number) if number is not None else None
        if request is None or request.decision is None:
            return f"I find no request {f'REQ-{number}' if number else 'there'} that you may see. Write `/qm why REQ-1001`."
        rules = ", ".join(f"`{rule}`" for rule in request.decision.rules) or "no rule"
        policy = request.decision.policy[:12]
        return (
            f"{request.name}: {request.decision.why}\nRules {rules}, policy `{policy}`, ledger entry {request.seq:,}."
        )

    def who_can(self, slack: str, number: int) -> str:
        """Return who may approve a request, and who is still missing."""
        request = self.visible(slack, number)
        if request is None:
            return self.sentence(slack, Refused(reason=Reason.UNKNOWN_REQUEST, number=number))
        missing = self.desk.missing(request) if request.status is Status.WAITING else ()
        return refusals.who_can(request, missing, self._voice(slack))

    def can_i(self, slack: str, text: str) -> str:
        """Return what policy would say to a sentence; nothing is kept and nothing sent."""
        voice = self._voice(slack)
        now = self.house.book.clock().astimezone(voice.zone)
        heard = understand(text, now=now, catalogue=voice.policy.catalogue, person=slack)
        if isinstance(heard, Unclear):
            return "Say it exactly, so that I can tell: what, how many, for how long. Nothing was sent."
        if not isinstance(heard, Understood):
            if heard.words:
                return f"{heard.words} Nothing was sent."
            return self.can_i_use(slack, text) or refusals.NOT_UNDERSTOOD
        return self._would(slack, heard.form, voice)

    def can_i_use(self, slack: str, text: str) -> str | None:
        """Return what policy would say to the least that the pool has which `text` names; None when it names none."""
        form = smallest_of(self.desk.policy().catalogue, text)
        return f"{self._would(slack, form, self._voice(slack))} {MORE}" if form is not None else None

    def _would(self, slack: str, form: Form, voice: Voice) -> str:
        preview = self.desk.preview(slack, form)
        answer = "Yes" if preview.decision.permitted else "No"
        what = ", ".join(part for part in (voice.what(form), voice.cost(form)) if part)
        near = preview.nearest
        instead = f" Nearest that would pass: {voice.what(near.form)}. {near.decision.why}" if near else ""
        return f"{answer}: {what}. {preview.decision.why}{instead} Nothing was sent."

    def ran(self, slack: str, reading: Reading) -> str:
        """Return what ran at the time that the words name, by whose order; what they leave open is asked."""
        slots, now, voice = reading.slots, self.house.book.clock(), self._voice(slack)
        if reading.doubts:
            return refusals.WHICH_TIME
        start = slots["from"] or slots["at"] or now
        asked = Asked(
            start=min(start, now),
            end=min(slots["to"], now) if slots["to"] is not None else None,
            model=slots["model"],
            environment=slots["environment"],
        )
        models = voice.policy.catalogue.models
        known = {name: item.known for name, item in models.items() if item.known is not None}
        return ran_words(asked, known, self.house.book.request, voice)

    # -- evidence -------------------------------------------------------------------------------------------------

    def export_words(self, slack: str, text: str, spot: Spot) -> None:
        """Export what the words name, and say where it is."""
        wish = wish_in(text, self.house.book.clock())
        if wish is None and self.may(slack).export:
            self.say(slack, spot, refusals.NO_PERIOD)
            return
        refused = self.export(slack, wish or Wish())
        self.say(slack, spot, refused or "The export is in your direct messages with me.")

    def export(self, slack: str, wish: Wish) -> str | None:
        """Hand a file to an auditor in their direct messages; returns the sentence of a refusal."""
        made = export(self.house, slack, self.desk.subject(slack), wish)
        if isinstance(made, Refused):
            return self.sentence(slack, made)
        self._deliver(slack, made)
        return None

    def _deliver(self, slack: str, made: Export) -> None:
        sound = "verified against its key" if made.verdict.sound else f"NOT verified: {made.verdict.fault}"
        name = made.path.name
        check = "It proves nothing by itself: ask for the bundle to verify."
        if made.wish.form == "bundle":
            check = f"Verify without us, offline:\n`quartermaster ledger verify --bundle {name} --key '<your key>'`"
        text = (
            f":package: *Export ready: {made.wish.words}. {made.entries:,} entries, {sound}.*\n"
            f"Taken at ledger size {made.size:,}; this export is ledger entry {made.seq:,}. {check}\nSHA-256 `{made.sha256}`"
        )
        channel = self.slack.direct(slack)
        self.slack.client.files_upload_v2(channel=channel, file=str(made.path), filename=name, initial_comment=text)

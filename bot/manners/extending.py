"""Running longer, tapped and typed, and ending sooner: the same words, and the same answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.blocks.extending import deny_extension_modal
from bot.blocks.extension import standing
from bot.blocks.parts import Block, Ref
from bot.blocks.states import plain
from bot.errors import Reason, Refused
from bot.intake.reading import Reading
from bot.manners.base import Spot
from bot.manners.deciding import Deciding
from bot.verbs.extending import pending

HOW: Final = "Say which request and how much longer: `/qm extend REQ-1001 2h`, or `extend REQ-1001 until 18:00`. Nothing changed."
HOW_SOONER: Final = (
    "Say which request and when it shall end: `/qm shorten REQ-1001 until 15:00`, or `end REQ-1001 at 3pm`. "
    "To hand it back now: `/qm release REQ-1001`. Nothing changed."
)


class Extending(Deciding):
    """What is done to the end of a lease."""

    def extend(self, slack: str, ref: Ref, added_s: int, spot: Spot) -> str | None:
        """Ask for more time of exactly what was seen; returns the sentence of a refusal."""
        return self.after(slack, self.desk.extend(slack, ref.request, added_s, ref.digest), spot)

    def decide_extension(self, slack: str, ref: Ref, spot: Spot, *, approve: bool, reason: str = "") -> str | None:
        """Enter a vote on exactly the extension that was seen; returns the sentence of a refusal."""
        outcome = self.desk.review_extension(slack, ref.request, ref.digest, approve=approve, reason=reason)
        return self.after(slack, outcome, spot)

    def deny_extension_view(self, slack: str, ref: Ref) -> Block | Refused:
        """Return the modal in which a refusal gets its reason, or why this person may not decide now."""
        refused = self.desk.why_not_extension(slack, ref.request, ref.digest)
        request = self.desk.book.request(ref.request)
        extension = pending(request) if request is not None else None
        if refused is not None or request is None or extension is None:
            return refused or Refused(reason=Reason.EXTENSION_SETTLED, number=ref.request)
        return deny_extension_modal(request, extension, ref, self._voice(slack))

    def extend_words(self, slack: str, reading: Reading, spot: Spot) -> None:
        """Do what the words ask for, and answer how it stands; what is missing is asked, never guessed."""
        number, held, until = (reading.slots.get(slot) for slot in ("request_id", "duration_s", "until"))
        if number is None or reading.doubts or not (held or until):
            self.say(slack, spot, HOW)
            return
        added_s = int(held) if held else self._until(number, until)
        if self.after(slack, self.desk.extend(slack, number, added_s), spot) is None:
            self.say(slack, spot, f"{self.state_of(slack, number)} {self._how_it_stands(slack, number)}".rstrip())

    def shorten_words(self, slack: str, reading: Reading, spot: Spot) -> None:
        """End sooner what the words name; a new end that they leave open is asked, never guessed."""
        number, less, until = (reading.slots.get(slot) for slot in ("request_id", "duration_s", "until"))
        if number is None or reading.doubts or not (less or until):
            self.say(slack, spot, HOW_SOONER)
            return
        end = until.astimezone(UTC) if until is not None else self._sooner(number, int(less or 0))
        if self.after(slack, self.desk.shorten(slack, number, end), spot) is None:
            self.say(slack, spot, f"{self.state_of(slack, number)} {self._how_it_stands(slack, number)}".rstrip())

    def _sooner(self, number: int, less_s: int) -> datetime:
        """Its end, less so many seconds; now where it has none, and the desk says what is wrong."""
        request = self.desk.book.request(number)
        end = request.not_after if request is not None else None
        return (end or self.house.book.clock()) - timedelta(seconds=less_s)

    def _until(self, number: int, until: Any) -> int:
        """Seconds from its end to the time that was named; at least one where the desk must say what is wrong."""
        request = self.desk.book.request(number)
        end = request.not_after if request is not None else None
        return 1 if end is None else max(0, int((until.astimezone(UTC) - end).total_seconds()))

    def _how_it_stands(self, slack: str, number: int) -> str:
        request = self.desk.book.request(number)
        if request is None:
            return ""
        return plain(standing(request, self.desk.extension_missing(request), self._voice(slack)))

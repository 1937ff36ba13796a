"""What the holder of an endpoint key asked its model from Slack: one stream a key, `question:<number of its request>`.

Who asked, of which version, how it was sampled and what it cost stand in the leaf; prompt and answer only by their
salted digest. The text lies beside, where erasure clears it. The same prompt, sampling and version can be asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from ledger.nouns import Personal
from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require

PREFIX: Final = "question:"
AT_ONCE: Final = 3
"""How many questions of one key may wait for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How an answer is drawn: `temperature` in hundredths, tokens at most, and the seed."""

    temperature: int
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Entry):
    """`by` asked `model`, as it is served in `environment`; `question` is a random name, 32 hex digits."""

    kind: ClassVar[str] = "question.asked"
    question: str
    by: str
    model: str
    environment: str
    prompt: Personal
    sampling: Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Entry):
    """The version with the digest `version` answered; tokens of prompt and answer as its server counts them."""

    kind: ClassVar[str] = "question.answered"
    question: str
    answer: Personal
    version: str
    prompt_tokens: int
    answer_tokens: int
    took_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Entry):
    """There is no answer, and why, in a sentence without anybody's text."""

    kind: ClassVar[str] = "question.unanswered"
    question: str
    why: str


ENTRIES: Final = registry_of(Asked, Answered, Unanswered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A question without an answer yet; `version` is its place in the stream."""

    asked: Asked
    at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What waits for an answer with one key, the oldest first; what was answered stands in the entries alone."""

    version: int = 0
    waiting: tuple[Waiting, ...] = ()

    def find(self, question: str) -> Waiting | None:
        """Return a question that waits, None when it does not."""
        return next((each for each in self.waiting if each.asked.question == question), None)


def stream_of(number: int) -> str:
    """Return the stream of the key that request `number` granted."""
    return f"{PREFIX}{number}"


def evolve(state: Questions | None, entry: Entry, place: Place) -> Questions:
    """Return what waits after `entry`, or raise UnlawfulError when it may not follow."""
    before = state or Questions()
    if isinstance(entry, Asked):
        waiting = (*before.waiting, _asked(before, entry, place))
    elif isinstance(entry, Answered | Unanswered):
        waiting = _closed(before, entry)
    else:
        refuse(f"{entry.kind} does not belong to questions")
    return Questions(version=place.version, waiting=waiting)


def _asked(before: Questions, entry: Asked, place: Place) -> Waiting:
    require(place.actor == entry.by and entry.by.startswith("user:"), "only the holder asks")
    require(before.find(entry.question) is None, "that question waits already")
    require(len(before.waiting) < AT_ONCE, "too many questions wait for an answer")
    require(entry.sampling.max_tokens > 0 and entry.sampling.temperature >= 0, "an answer has tokens")
    return Waiting(asked=entry, at=place.at, version=place.version)


def _closed(before: Questions, entry: Answered | Unanswered) -> tuple[Waiting, ...]:
    require(before.find(entry.question) is not None, "no such question waits for an answer")
    if isinstance(entry, Answered):
        require(min(entry.prompt_tokens, entry.answer_tokens, entry.took_ms) >= 0, "tokens and time are counted")
    return tuple(each for each in before.waiting if each.asked.question != entry.question)

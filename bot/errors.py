"""Every error the desk raises, and the refusals it returns: "no" is a value that people read in one of a few sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeskError(Exception):
    """Raised when the desk cannot do what was asked. Root of every error of this folder."""

    def __init__(self, detail: str = "") -> None:
        message = (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{message} ({detail})" if detail else message)
        self.detail = detail


class SettingsError(DeskError):
    """Raised when a setting is missing or contradicts another; it names the variable and what to do."""


class Reason(StrEnum):
    """Why the desk said no."""

    UNKNOWN_REQUEST = "unknown request"
    NOT_YOUR_SEAT = "not your seat"
    OWN_REQUEST = "own request"
    OWN_LEASE = "own lease"
    PASSES = "the rules allow it"
    KEPT = "let stand already"
    ALREADY_VOTED = "already gave one approval"
    ALREADY_DECIDED = "already decided"
    OVER = "over"
    CHANGED = "changed since you saw it"
    NOT_YOURS = "not yours"
    NOT_LOWER = "not lower"
    PAST = "past time"
    NOT_RUNNING = "does not run"
    NOT_LONGER = "not longer"
    NOT_SOONER = "not sooner"
    END_PAST = "the new end is over"
    END_UNTOLD = "the backend has not heard of its end yet"
    END_MOVED = "its end moved since you saw it"
    EXTENSION_PENDING = "an extension is pending"
    EXTENSION_SETTLED = "the extension was settled"
    TAKEN = "somebody else booked it"
    UNAVAILABLE = "record unavailable"
    DISK_LOW = "the record's disk is almost full"
    NOT_ALLOWED = "not allowed"
    DRAFT_GONE = "draft gone"
    TOO_SOON = "too soon"
    FROZEN = "frozen"
    OVER_BUDGET = "over budget"
    ALREADY_FROZEN = "already frozen"
    NOT_FROZEN = "not frozen"
    OWN_FREEZE = "own freeze"
    NOT_ADMIN = "may not freeze or lift"
    NO_FINDING = "no such finding"
    ALREADY_ASKED = "asked for already"
    NO_KEY = "holds no key"
    SEVERAL_MODELS = "holds keys of several models"
    TOO_MANY_QUESTIONS = "too many questions wait"
    TOO_LONG = "too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The desk did nothing, because of `reason`.

    Args:
        number: the request it was about.
        people: the subjects to name.
        detail: a sentence, or somebody's own words, for the answer.
        resource: what is frozen, `*` for everything.
    """

    reason: Reason
    number: int | None = None
    people: tuple[str, ...] = ()
    detail: str = ""
    resource: str = ""

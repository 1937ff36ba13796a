"""What a sentence was understood to ask for, and what about it is in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class Intent(StrEnum):
    """What the person wants done; the first actionable wish of a message."""

    GPU_REQUEST = "gpu.request"
    DEPLOY_REQUEST = "deploy.request"
    DATA_REQUEST = "data.request"
    KEY_REQUEST = "key.request"
    REQUEST_EXTEND = "request.extend"
    REQUEST_SHORTEN = "request.shorten"
    REQUEST_RELEASE = "request.release"
    REQUEST_STATUS = "request.status"
    REQUEST_CANCEL = "request.cancel"
    REQUEST_APPROVE = "request.approve"
    REQUEST_DENY = "request.deny"
    POLICY_WHY = "policy.why"
    READINESS_CHECK = "readiness.check"
    MODELS_RAN = "models.ran"
    AUDIT_QUERY = "audit.query"
    AUDIT_EXPORT = "audit.export"
    GENAI_ASK = "genai.ask"
    HELP = "help"
    OTHER = "other"


class DoubtReason(StrEnum):
    """Why a slot has no value that may be acted on."""

    MISSING = "missing"
    """Nothing was said about it, and the request needs it."""
    AMBIGUOUS = "ambiguous"
    """What was said matches several; they are the candidates."""
    UNKNOWN_NAME = "unknown_name"
    """A name the vocabulary does not have; close names may be candidates."""
    NOT_A_NUMBER = "not_a_number"
    """Words such as "some", "2-3" or "-5", which are no number of things."""
    COMPETING = "competing"
    """Several values were said and none was taken back."""
    NOTHING_BEFORE = "nothing_before"
    """Going back was meant, and nothing answered there before; what was said is the environment."""
    NONE_YET = "none_yet"
    """No version of the model is registered; what was said is the model."""
    PAST = "past"
    """A time that is over."""
    TWO_READINGS = "two_readings"
    """The grammar and the model read something different; what each read are the candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing to ask about: `said` is the person's words, `candidates` are names (or values) to choose from."""

    slot: str
    reason: DoubtReason
    said: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A sentence read: an intent, its slots (each `None` when not said or not decidable), and the doubts.

    A slot in doubt is `None`, except two kinds of value that are kept so that they can be shown: a count below 1
    (`not_a_number`) and a start that is over (`past`). Act only on a reading without doubts about what you act on.
    """

    intent: Intent
    slots: Mapping[str, Any] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    unresolved: tuple[str, ...] = ()
    also: tuple[Intent, ...] = ()
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", MappingProxyType(dict(self.slots)))


SLOTS: Final[Mapping[Intent, tuple[str, ...]]] = MappingProxyType(
    {
        Intent.GPU_REQUEST: ("gpu_type", "gpu_count", "duration_s", "start", "end", "pool", "project", "purpose"),
        Intent.DEPLOY_REQUEST: (
            "model",
            "version",
            "environment",
            "replicas",
            "strategy",
            "canary_percent",
            "rollback",
            "promote",
            "start",
            "purpose",
        ),
        Intent.DATA_REQUEST: ("dataset", "access", "duration_s", "start", "end", "purpose", "columns"),
        Intent.KEY_REQUEST: ("model", "environment", "tokens", "duration_s", "start", "end", "purpose"),
        Intent.REQUEST_EXTEND: ("request_id", "duration_s", "until"),
        Intent.REQUEST_SHORTEN: ("request_id", "duration_s", "until"),
        Intent.REQUEST_RELEASE: ("request_id",),
        Intent.REQUEST_STATUS: ("request_id",),
        Intent.REQUEST_CANCEL: ("request_id",),
        Intent.REQUEST_APPROVE: ("request_id",),
        Intent.REQUEST_DENY: ("request_id",),
        Intent.POLICY_WHY: ("request_id",),
        Intent.READINESS_CHECK: ("model", "version", "environment"),
        Intent.MODELS_RAN: ("model", "environment", "at", "from", "to"),
        Intent.AUDIT_QUERY: ("from", "to", "subject", "resource"),
        Intent.AUDIT_EXPORT: ("from", "to", "format", "subject", "resource"),
        Intent.GENAI_ASK: ("prompt", "model"),
        Intent.HELP: (),
        Intent.OTHER: (),
    }
)
"""The slots a reading of each intent has, every one of them present."""

_INTERNAL: Final = {
    Intent.GPU_REQUEST: {"end"},
    Intent.DATA_REQUEST: {"start", "end"},
    Intent.DEPLOY_REQUEST: {"start", "purpose", "promote"},
    Intent.GENAI_ASK: {"model"},
}


def scorer_slots(reading: Reading) -> dict[str, Any]:
    """Return the slots under the names and units of labelled sentences: hours, "REQ-n", ISO times."""
    hidden = _INTERNAL.get(reading.intent, set())
    return dict(_labelled(key, value) for key, value in reading.slots.items() if key not in hidden)


def _labelled(key: str, value: Any) -> tuple[str, Any]:
    if key == "duration_s":
        return "duration_hours", None if value is None else round(value / 3600, 4)
    if key == "request_id":
        return key, None if value is None else f"REQ-{value}"
    if isinstance(value, datetime):
        return key, value.isoformat()
    return key, list(value) if isinstance(value, tuple) else value

"""What a sentence was read as: an intent, typed slots, and the doubts that a person must settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Intent(StrEnum):
    """What a message wants; the first actionable wish wins."""

    GPU_REQUEST = "gpu.request"
    DEPLOY_REQUEST = "deploy.request"
    DATA_REQUEST = "data.request"
    EXTEND = "request.extend"
    RELEASE = "request.release"
    STATUS = "request.status"
    CANCEL = "request.cancel"
    APPROVE = "request.approve"
    DENY = "request.deny"
    WHY = "policy.why"
    READINESS = "readiness.check"
    AUDIT_QUERY = "audit.query"
    AUDIT_EXPORT = "audit.export"
    ASK_MODEL = "genai.ask"
    HELP = "help"
    OTHER = "other"


class DoubtReason(StrEnum):
    """Why a slot is not settled."""

    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    UNKNOWN_NAME = "unknown name"
    NOT_A_NUMBER = "not a number"
    COMPETING = "competing values"
    PAST = "past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A slot that must be asked about: `said` are the words it came from, `candidates` what they may mean."""

    slot: str
    reason: DoubtReason
    said: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of one message. Slots hold only what the text, the time and the catalogue decide.

    Slots: gpu_type, gpu_count, duration_s, start, end (aware datetimes), pool, purpose, dataset, access, columns, model,
    version, environment, replicas, strategy, canary_percent, rollback, request_id.
    """

    intent: Intent
    slots: Mapping[str, Any] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    text: str = ""

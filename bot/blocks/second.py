"""One line about the second reader: what is to be checked because of it, or that the sentence was read without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.intake.model.proposal import NONE, Outcome, Second

_ALONE: Final = {
    Outcome.SLOW: "The model took too long, so I read this without it.",
    Outcome.DOWN: "The model does not answer, so I read this without it.",
    Outcome.BUSY: "The model is still busy, so I read this without it.",
    Outcome.NONSENSE: "The model's answer did not fit your words, so I read this without it.",
}
_WORDS: Final = {
    "gpu_type": "GPU type",
    "gpu_count": "how many",
    "duration_s": "how long",
    "start": "start",
    "end": "end",
    "pool": "pool",
    "project": "project",
    "dataset": "data set",
    "access": "read or write",
    "columns": "columns",
    "model": "model",
    "version": "version",
    "environment": "environment",
    "replicas": "replicas",
    "strategy": "strategy",
    "canary_percent": "canary share",
    "rollback": "going back",
    "purpose": "purpose",
}


def second_line(second: Second, by_model: Sequence[str]) -> str:
    """Return the sentence for the card, empty where both readers agree or nobody was asked.

    Args:
        by_model: the slots that stand on the model's word.
    """
    if second.outcome in _ALONE:
        return _ALONE[second.outcome]
    if by_model:
        return f"Read by the model, please check: {', '.join(_WORDS.get(slot, slot) for slot in by_model)}."
    if second.outcome is Outcome.DIFFERED and second.proposal is not None and second.proposal.kind == NONE:
        return "The model read no request in your words, please check."
    return ""

"""Asking a version the questions it must pass before anything is routed to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.models import evaluation
from workers.models.errors import EvaluationError
from workers.serving.asking import answer, answers
from workers.serving.orders import Result
from workers.serving.servers import Server

SILENT: Final = "Its server is healthy and does not answer."
FIRST: Final = 3
"""How many failures people are told."""


def evaluate(folder: Path, server: Server, heard: Callable[[int, int], None]) -> Result | str:
    """Return how a version did on `<folder>/<model>.jsonl`, or what is wrong in words.

    Without such a file it is asked for one token, and an empty text says that it answered.

    Args:
        heard: told how many cases are done, and how many there are.
    """
    try:
        data = (folder / f"{server.line.model}.jsonl").read_bytes()
    except FileNotFoundError:
        well = answers(server.port, server.key, server.served, embeddings=server.serving.embeddings)
        return "" if well else SILENT
    except OSError as error:
        return f"Its evaluation cannot be read: {error.strerror}."
    try:
        suite = evaluation.read_suite(data)
    except EvaluationError as error:
        return f"Its evaluation cannot be used: {error.detail}."
    return result_of(
        evaluation.evaluate(suite, lambda case: answer(server.port, server.key, server.served, case), heard)
    )


def result_of(outcome: evaluation.Outcome) -> Result:
    """Return an outcome in whole numbers, with its first failures in sentences."""
    return Result(
        suite=outcome.digest,
        cases=outcome.cases,
        failed=len({failure.case for failure in outcome.failures}),
        p50_ms=round(outcome.p50_ms),
        p95_ms=round(outcome.p95_ms),
        tokens=outcome.tokens,
        failures=tuple(f"{failure.case}: {failure.why}." for failure in outcome.failures[:FIRST]),
    )


def suite_digest(folder: Path, model: str) -> str:
    """Return the digest of a model's cases as they are now, empty when there are none."""
    try:
        return f"sha256:{hashlib.sha256((folder / f'{model}.jsonl').read_bytes()).hexdigest()}"
    except OSError:
        return ""

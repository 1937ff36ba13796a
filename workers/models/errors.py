"""What can be wrong with a model."""

from __future__ import annotations

from workers.errors import WorkerError


class WeightsError(WorkerError):
    """Raised when weights are missing, unsafe or not what their digest says; nothing was started with them."""


class EvaluationError(WorkerError):
    """Raised when an evaluation cannot be read, or a version does not answer to it; nothing was routed."""

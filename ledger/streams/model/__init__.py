"""A model as law: which bytes its versions are, how they did when they were evaluated, and what answers where.

One stream a model (`model:fraud-detector`). A version is a tag that people read; what is asked for, agreed to and routed
is the digest of its weights. What ran at a time is the newest `Routed` of an environment up to then, and nothing else.
"""

from __future__ import annotations

from ledger.streams.model.beside import Stretch, stretches
from ledger.streams.model.entries import (
    ADAPTER,
    DIGEST,
    ENTRIES,
    LATEST,
    SERVERS,
    VERSION,
    WHOLE,
    Adapted,
    AdapterRegistered,
    Drifted,
    Evaluated,
    Figure,
    Profiled,
    Recovered,
    Registered,
    Routed,
    Share,
    short,
)
from ledger.streams.model.fold import evolve
from ledger.streams.model.state import Adaptation, Evaluation, Model, Registration, Routing

__all__ = [
    "ADAPTER",
    "DIGEST",
    "ENTRIES",
    "LATEST",
    "SERVERS",
    "VERSION",
    "WHOLE",
    "Adaptation",
    "Adapted",
    "AdapterRegistered",
    "Drifted",
    "Evaluated",
    "Evaluation",
    "Figure",
    "Model",
    "Profiled",
    "Recovered",
    "Registered",
    "Registration",
    "Routed",
    "Routing",
    "Share",
    "Stretch",
    "evolve",
    "short",
    "stretches",
]

"""What the model may answer: a kind of request, and for each slot the words of the sentence that say it. Never a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from jsonschema import Draft202012Validator

from bot.errors import DeskError
from bot.intake.reading import Intent
from bot.intake.vocabulary import Vocabulary

MOST_WORDS: Final = 80
"""Characters of the words that say one slot."""
MOST_ANSWER: Final = 4096
"""Characters of a whole answer; far more than its schema lets through."""
NONE: Final = "none"
KINDS: Final[Mapping[str, Intent]] = MappingProxyType(
    {"gpu": Intent.GPU_REQUEST, "data": Intent.DATA_REQUEST, "deploy": Intent.DEPLOY_REQUEST}
)
PLAIN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "gpu": ("gpu_count", "duration", "start", "end", "purpose"),
        "data": ("duration", "start", "end", "purpose"),
        "deploy": ("version", "replicas", "canary_percent", "rollback", "purpose"),
    }
)
"""The slots of a kind that are words alone."""
_NAMED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "gpu": {"gpu_type": "gpu_types", "pool": "pools"},
        "data": {"dataset": "datasets", "access": ""},
        "deploy": {"model": "models", "environment": "environments", "strategy": "strategies"},
    }
)
ACCESS: Final = ("read", "write")


class NonsenseError(DeskError):
    """Raised when a model's answer is none: not of the schema, or words that are not in the sentence."""


class Outcome(StrEnum):
    """What came of asking the model about one sentence."""

    AGREED = "agreed"
    ADDED = "added"
    """It pointed at words that the grammar had left unread, or read a sentence that the grammar did not."""
    DIFFERED = "differed"
    """The two read something different, and it was asked about."""
    NONSENSE = "nonsense"
    SLOW = "slow"
    DOWN = "down"
    BUSY = "busy"
    OFF = "off"
    """There is no model, or the sentence is none for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Words of the sentence, copied; `name` is the name of the catalogue that they are said to mean, if they mean one."""

    words: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A kind (gpu, data, deploy or none), and the words for each slot that the model found said."""

    kind: str
    slots: Mapping[str, Pointer] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {"kind": self.kind, "slots": {slot: [p.words, p.name] for slot, p in self.slots.items()}}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Return the proposal that `as_json` returned."""
        slots = {slot: Pointer(words=words, name=name) for slot, (words, name) in raw["slots"].items()}
        return cls(kind=raw["kind"], slots=slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What the second reader said of a sentence: kept with its draft, so that the sentence is read alike again."""

    outcome: Outcome = Outcome.OFF
    proposal: Proposal | None = None

    def dumps(self) -> str:
        """Return it as text for a table; empty when nobody was asked."""
        if self == Second():
            return ""
        proposal = None if self.proposal is None else self.proposal.as_json()
        return json.dumps({"outcome": self.outcome, "proposal": proposal}, ensure_ascii=False)

    @classmethod
    def loads(cls, text: str) -> Self:
        """Return what `dumps` made the text of."""
        if not text:
            return cls()
        raw = json.loads(text)
        proposal = None if raw["proposal"] is None else Proposal.from_json(raw["proposal"])
        return cls(outcome=Outcome(raw["outcome"]), proposal=proposal)


def schema_of(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the JSON schema of an answer: every string bounded, catalogue names as enumerations, nothing besides."""
    shapes = [_shape(kind, vocabulary) for kind in KINDS]
    return {"anyOf": [*(shape for shape in shapes if shape), _object({"kind": {"enum": [NONE]}})]}


def _shape(kind: str, vocabulary: Vocabulary) -> dict[str, Any] | None:
    """The answer of one kind; None where the catalogue has nothing of it to ask for."""
    named = {slot: _names(table, vocabulary) for slot, table in _NAMED[kind].items()}
    if not named[next(iter(named))]:
        return None
    slots = {
        slot: _optional(_object({"words": _words(), "name": {"enum": names}})) for slot, names in named.items() if names
    }
    return _object({"kind": {"enum": [kind]}, **slots, **{slot: _optional(_words()) for slot in PLAIN[kind]}})


def _names(table: str, vocabulary: Vocabulary) -> list[str]:
    return [item.name for item in getattr(vocabulary, table)] if table else list(ACCESS)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _optional(shape: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [shape, {"type": "null"}]}


def _words() -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": MOST_WORDS}


def parse(answer: str, schema: Mapping[str, Any]) -> Proposal:
    """Return the proposal in an answer.

    Raises:
        NonsenseError: it is no JSON, says a thing twice, or is not what the schema allows.
    """
    try:
        raw = json.loads(answer[:MOST_ANSWER], object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NonsenseError("no JSON") from error
    if not Draft202012Validator(schema).is_valid(raw):
        raise NonsenseError("not of the schema")
    return Proposal(kind=raw["kind"], slots=dict(_pointers(raw)))


def _pointers(raw: Mapping[str, Any]) -> list[tuple[str, Pointer]]:
    said = [(slot, value) for slot, value in raw.items() if slot != "kind" and value is not None]
    return [
        (slot, Pointer(words=value) if isinstance(value, str) else Pointer(words=value["words"], name=value["name"]))
        for slot, value in said
    ]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(name)

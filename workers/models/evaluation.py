"""An evaluation: prompts with checks, one JSON object a line, that a version must pass before it is routed to.

    {"id": "refund", "prompt": "Is this fraud? ...", "max_tokens": 32, "checks": [{"contains": "yes"}, {"within_ms": 2000}]}

Checks are `contains`, `lacks`, `matches` (a regular expression, found anywhere), `schema` (the whole answer is JSON that
a JSON schema of draft 2020-12 allows) and `within_ms`. A case gives `prompt` or `messages`; it is asked at temperature 0
with a fixed seed, so that it can be asked again. One case that fails fails the version.
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing.exceptions import Unresolvable

from workers.models.errors import EvaluationError

SEED: Final = 0
MOST_CASES: Final = 10_000
_MOST_TOKENS: Final = 4096
_SHOWN: Final = 160
_CASE: Final = frozenset({"id", "prompt", "messages", "max_tokens", "checks"})
_CHECKS: Final = ("contains", "lacks", "matches", "schema", "within_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One prompt, and what must be true of its answer."""

    id: str
    messages: tuple[Mapping[str, str], ...]
    max_tokens: int
    checks: tuple[tuple[str, Any], ...]

    def body(self) -> dict[str, Any]:
        """Return the chat that asks it, without the model."""
        sampling = {"temperature": 0, "seed": SEED, "max_tokens": self.max_tokens}
        return {"messages": [dict(message) for message in self.messages], **sampling}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The cases of a file, and the digest of its bytes."""

    digest: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a version said to a case, and how long it took."""

    text: str
    ms: float
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A check that did not hold, in a sentence for people."""

    case: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a version did.

    Args:
        digest: of the suite.
        cases: how many were asked.
        failures: one for each check that failed, in the order of the file.
        p50_ms, p95_ms: how long answers took.
        tokens: made in all.
    """

    digest: str
    cases: int
    failures: tuple[Failure, ...]
    p50_ms: float
    p95_ms: float
    tokens: int

    @property
    def passed(self) -> bool:
        """Whether the version may be routed to."""
        return not self.failures


def read_suite(data: bytes) -> Suite:
    """Return the cases of a file; raises EvaluationError with the line that is wrong."""
    cases, seen = [], set[str]()
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        case = _case(number, line)
        if case.id in seen:
            raise EvaluationError(f"line {number}: {case.id} stands twice")
        seen.add(case.id)
        cases.append(case)
    if not 0 < len(cases) <= MOST_CASES:
        raise EvaluationError(f"there are {len(cases)} cases; 1 to {MOST_CASES:,} are needed")
    return Suite(digest=f"sha256:{hashlib.sha256(data).hexdigest()}", cases=tuple(cases))


def evaluate(suite: Suite, ask: Callable[[Case], Answer], heard: Callable[[int, int], None] | None = None) -> Outcome:
    """Ask every case and return how it went.

    Args:
        ask: raises EvaluationError when the version does not answer; the case failed then, and the next is asked.
        heard: told how many cases are done, and how many there are.
    """
    failures, answers = list[Failure](), list[Answer]()
    for done, case in enumerate(suite.cases, 1):
        try:
            answer = ask(case)
        except EvaluationError as error:
            failures.append(Failure(case=case.id, why=error.detail))
        else:
            answers.append(answer)
            failures += [Failure(case=case.id, why=why) for why in _wrong(case, answer)]
        if heard is not None:
            heard(done, len(suite.cases))
    taken = sorted(answer.ms for answer in answers) or [0.0]
    return Outcome(
        digest=suite.digest,
        cases=len(suite.cases),
        failures=tuple(failures),
        p50_ms=statistics.median(taken),
        p95_ms=taken[min(len(taken) - 1, round(0.95 * (len(taken) - 1)))],
        tokens=sum(answer.tokens for answer in answers),
    )


def _wrong(case: Case, answer: Answer) -> list[str]:
    said = (_why(name, wanted, answer) for name, wanted in case.checks)
    return [why for why in said if why]


def _why(name: str, wanted: Any, answer: Answer) -> str:
    """Return why a check does not hold, nothing when it does."""
    shown = answer.text if len(answer.text) <= _SHOWN else f"{answer.text[:_SHOWN]}..."
    match name:
        case "contains" if wanted not in answer.text:
            return f"{wanted!r} is not in {shown!r}"
        case "lacks" if wanted in answer.text:
            return f"{wanted!r} is in {shown!r}"
        case "matches" if re.search(wanted, answer.text) is None:
            return f"{wanted!r} is not found in {shown!r}"
        case "within_ms" if answer.ms > wanted:
            return f"it took {answer.ms:,.0f} ms, and {wanted:,} are allowed"
        case "schema":
            return _unlike(wanted, answer.text, shown)
    return ""


def _unlike(schema: Any, text: str, shown: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return f"it is no JSON: {shown!r}"
    try:
        error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
    except Unresolvable as missing:
        return f"its schema refers to {missing.ref}, which is not there"
    return "" if error is None else f"{error.json_path}: {error.message[:_SHOWN]}"


def _case(number: int, line: str) -> Case:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"line {number} is no JSON") from error
    if not isinstance(body, dict):
        raise EvaluationError(f"line {number} is no JSON object")
    if unknown := body.keys() - _CASE:
        raise EvaluationError(f"line {number}: unknown key {min(unknown)}; allowed: {', '.join(sorted(_CASE))}")
    name, most = body.get("id"), body.get("max_tokens", 64)
    if not isinstance(name, str) or not name:
        raise EvaluationError(f"line {number}: id is missing, a text that names the case")
    if type(most) is not int or not 0 < most <= _MOST_TOKENS:
        raise EvaluationError(f"line {number}: max_tokens must be a whole number from 1 to {_MOST_TOKENS}")
    return Case(id=name, messages=_asked(number, body), max_tokens=most, checks=_checks(number, body.get("checks")))


def _asked(number: int, body: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    match body:
        case {"prompt": str(prompt)} if prompt and "messages" not in body:
            return ({"role": "user", "content": prompt},)
        case {"messages": [*messages]} if messages and "prompt" not in body and all(map(_is_message, messages)):
            return tuple(messages)
    raise EvaluationError(f"line {number}: give prompt, a text, or messages, each with role and content")


def _is_message(message: Any) -> bool:
    roles = {"system", "user", "assistant"}
    return (
        isinstance(message, dict)
        and message.keys() == {"role", "content"}
        and message["role"] in roles
        and isinstance(message["content"], str)
    )


def _checks(number: int, found: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(found, list) or not found:
        raise EvaluationError(f"line {number}: checks is missing, a list of one or more of {', '.join(_CHECKS)}")
    return tuple(_check(number, each) for each in found)


def _check(number: int, found: Any) -> tuple[str, Any]:
    if not isinstance(found, dict) or len(found) != 1 or next(iter(found)) not in _CHECKS:
        raise EvaluationError(f"line {number}: a check is an object with one of {', '.join(_CHECKS)}")
    ((name, wanted),) = found.items()
    match name:
        case "schema":
            _schema(number, wanted)
        case "within_ms":
            if type(wanted) is not int or wanted <= 0:
                raise EvaluationError(f"line {number}: within_ms must be a whole number above 0")
        case _:
            if not isinstance(wanted, str) or not wanted:
                raise EvaluationError(f"line {number}: {name} must be a text")
    if name == "matches":
        _expression(number, wanted)
    return name, wanted


def _schema(number: int, wanted: Any) -> None:
    if any(not ref.startswith("#") for ref in _references(wanted)):
        raise EvaluationError(f"line {number}: a schema may refer to its own parts alone, such as #/$defs/amount")
    try:
        Draft202012Validator.check_schema(wanted)
    except SchemaError as error:
        raise EvaluationError(f"line {number}: schema is no JSON schema ({error.message[:_SHOWN]})") from error


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(ref) for key, ref in value.items() if key in {"$ref", "$dynamicRef"})
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(inner)


def _expression(number: int, wanted: str) -> None:
    try:
        re.compile(wanted)
    except re.error as error:
        raise EvaluationError(f"line {number}: matches is no regular expression ({error.msg})") from error

"""A typed grammar for requests in people's own words: names and ids first, then times, then quantities, then meaning.

`read` never raises and never guesses: what the text, the time and the catalogue do not decide becomes a doubt.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from bot.intake.grammar.names import Masked, clean, mask
from bot.intake.grammar.quantities import counts
from bot.intake.grammar.times import Times, find_times
from bot.intake.reading import Doubt, DoubtReason, Intent, Reading
from bot.intake.vocabulary import Name, Vocabulary

_VERBS: Final = (
    (Intent.REQUEST_DENY, r"\b(deny|decline|reject|not approve|must not be approved|no to)\b"),
    (Intent.REQUEST_APPROVE, r"\b(approve|thumbs up|sign off)\b"),
    (Intent.REQUEST_RELEASE, r"\b(release|hand back|give back|free again)\b"),
    (Intent.REQUEST_CANCEL, r"\b(cancel|withdraw|retract|forget about)\b"),
    (Intent.REQUEST_EXTEND, r"\b(extend|prolong|longer)\b"),
    (Intent.POLICY_WHY, r"\b(why|which rule|am i allowed|can i)\b"),
    (Intent.REQUEST_STATUS, r"\b(status|where does|where is|did anybody|my requests)\b"),
)
_PURPOSE: Final = re.compile(
    r"\b(?:so (?:that )?(?:i|we) can|because(?: of)?|in order to|to|for|,)\s+(?P<why>(?!\d)[^\d].*)$", re.IGNORECASE
)
_NOT: Final = r"\b(?:don'?t|do not|never|can'?t|cannot|must not|should not|not|nicht|ne)\b"
_SWEEPING: Final = re.compile(r"\b(all|everything|every|except|but)\b")
_READY: Final = re.compile(r"\b(is|are)\b.*\bready\b|\bfit for\b|\bpre-?flight\b")
_TAKEN_BACK: Final = re.compile(r"\b(actually|make (it|that)|hold on|wait|scratch that|rather|instead)\b")
_HELP: Final = re.compile(r"^(help|what can (you|i) do|how do i|how can i|which commands)\b")


def read(text: str, *, now: datetime, vocabulary: Vocabulary, sender: str = "") -> Reading:
    """Return the one reading of `text` said at `now` (aware). Linear in its length, of which 4,000 characters count."""
    del sender
    bare = clean(text)
    masked = mask(bare, vocabulary)
    times, rest = find_times(masked.text, now)
    intent = _intent(masked)
    if intent in _BUILD:
        slots, doubts = _BUILD[intent](masked, times, rest)
        slots |= {"purpose": _purpose(bare), **_time_slots(times, doubts)}
        if intent is not Intent.GPU_REQUEST and _TAKEN_BACK.search(masked.text):
            slot = "environment" if intent is Intent.DEPLOY_REQUEST else "duration_s"
            doubts.append(Doubt(slot=slot, reason=DoubtReason.COMPETING))
        return Reading(
            intent=intent, slots={k: v for k, v in slots.items() if v is not None}, doubts=tuple(doubts), text=bare
        )
    number = masked.ids[0] if len(masked.ids) == 1 else _bare_id(masked.text)
    return Reading(intent=intent, slots={} if number is None else {"request_id": number}, text=bare)


def _intent(masked: Masked) -> Intent:  # noqa: PLR0911 the first evidence wins
    text = masked.text.strip()
    if re.search(rf"{_NOT}[^.;]*\b(approve|sign|deploy|release|roll|ship|grant)", text):
        about = bool(masked.ids) and re.search(r"\b(approve|sign|grant)", text)
        return Intent.REQUEST_DENY if about else Intent.OTHER
    if _READY.search(text) and "models" in masked.names:
        return Intent.READINESS_CHECK
    if re.search(r"\b(approve|deny)\b", text) and _SWEEPING.search(text):
        return Intent.OTHER
    for intent, pattern in _VERBS:
        if re.search(pattern, text) and _about_a_request(intent, masked):
            return intent
    if _HELP.search(text):
        return Intent.HELP
    if "models" in masked.names and re.search(r"\b(deploy|roll|put|ship|release|promote|canary)", masked.text):
        return Intent.DEPLOY_REQUEST
    if "datasets" in masked.names or re.search(r"\b(access|read|query) ", masked.text):
        return Intent.DATA_REQUEST
    if "gpu_types" in masked.names or masked.unknown_gpu:
        return Intent.GPU_REQUEST
    return Intent.DEPLOY_REQUEST if "models" in masked.names else Intent.OTHER


def _about_a_request(intent: Intent, masked: Masked) -> bool:
    """A verb is about a request only with its id; `status` may stand alone. Without one, nothing is approved or denied."""
    named = bool(masked.ids) or _bare_id(masked.text) is not None
    return named or (intent is Intent.REQUEST_STATUS and not masked.names)


def _bare_id(text: str) -> int | None:
    match = re.search(
        r"\b(?:approve|deny|cancel|release|withdraw|status|why|extend|decline)\s+#?([1-9]\d{2,8})\b", text
    )
    return int(match.group(1)) if match else None


def _gpu(masked: Masked, times: Times, rest: str) -> tuple[dict[str, Any], list[Doubt]]:
    doubts: list[Doubt] = []
    found, strange = counts(rest.partition(" so ")[0].partition(" to ")[0] if " so " in rest else rest)
    distinct = sorted(set(found))
    if strange:
        doubts.append(Doubt(slot="gpu_count", reason=DoubtReason.NOT_A_NUMBER, said=strange))
    elif len(distinct) > 1:
        choices = tuple(str(each) for each in distinct)
        doubts.append(Doubt(slot="gpu_count", reason=DoubtReason.COMPETING, candidates=choices))
    elif distinct == [0]:
        doubts.append(Doubt(slot="gpu_count", reason=DoubtReason.NOT_A_NUMBER, said="0"))
    count = distinct[0] if len(distinct) == 1 and distinct != [0] else None
    gpu_type = _name(masked, "gpu_types", "gpu_type", doubts)
    if gpu_type is None and masked.unknown_gpu not in {"", "gpu", "gpus"}:
        doubts.append(Doubt(slot="gpu_type", reason=DoubtReason.UNKNOWN_NAME, said=masked.unknown_gpu))
    pool = masked.one("pools")
    del times
    return {"gpu_type": gpu_type, "gpu_count": count, "pool": pool.name if pool else None}, doubts


def _data(masked: Masked, times: Times, rest: str) -> tuple[dict[str, Any], list[Doubt]]:
    del times
    doubts: list[Doubt] = []
    dataset = _name(masked, "datasets", "dataset", doubts)
    unknown = re.search(r"\b([a-z]+_[a-z0-9_]+|\w+_\d{4})\b", rest)
    if dataset is None and unknown and not doubts:
        doubts.append(Doubt(slot="dataset", reason=DoubtReason.UNKNOWN_NAME, said=unknown.group()))
    writing = re.search(r"\b(write|update|delete|load|full|edit)\b", rest)
    reading = re.search(r"\b(read|see|query|look|pull|reading)\b", rest)
    item = masked.one("datasets")
    columns = tuple(c for c in (getattr(item, "columns", ())) if re.search(rf"\b{re.escape(c)}\b", rest))
    access = "write" if writing else "read" if reading else None
    return {"dataset": dataset, "access": access, "columns": columns or None}, doubts


def _deploy(masked: Masked, times: Times, rest: str) -> tuple[dict[str, Any], list[Doubt]]:
    del times
    doubts: list[Doubt] = []
    model = _name(masked, "models", "model", doubts)
    environment = _name(masked, "environments", "environment", doubts)
    item, strategy = masked.one("models"), masked.one("strategies")
    said = re.search(r"\bv?(\d+(?:\.\d+){1,3}(?:-\w+)?)\b", rest)
    version = (
        said.group(1)
        if said
        else getattr(item, "latest", None)
        if item and re.search(r"\b(latest|newest)\b", rest)
        else None
    )
    percent = re.search(r"\b(\d{1,3}) ?(?:%|percent)", rest)
    replicas = re.search(r"\b(\d{1,3}) replicas?\b", rest)
    return {
        "model": model,
        "version": version,
        "environment": environment,
        "strategy": strategy.name if strategy else "canary" if percent else None,
        "canary_percent": int(percent.group(1)) if percent else None,
        "replicas": int(replicas.group(1)) if replicas else None,
        "rollback": bool(re.search(r"\b(roll(?:ed)? .*back|rollback|go back)\b", rest)),
    }, doubts


_BUILD: Final = {Intent.GPU_REQUEST: _gpu, Intent.DATA_REQUEST: _data, Intent.DEPLOY_REQUEST: _deploy}


def _name(masked: Masked, kind: str, slot: str, doubts: list[Doubt]) -> str | None:
    """Return the one name of this kind; several candidates are a doubt, with the words they came from."""
    found = masked.names.get(kind, [])
    items: dict[str, Name] = {item.name: item for _, candidates in found for item in candidates}
    if len(items) > 1:
        said = ", ".join(word for word, _ in found)
        doubts.append(Doubt(slot=slot, reason=DoubtReason.AMBIGUOUS, said=said, candidates=tuple(items)))
    return next(iter(items)) if len(items) == 1 else None


def _time_slots(times: Times, doubts: list[Doubt]) -> dict[str, Any]:
    distinct = sorted(set(times.durations))
    if times.vague:
        doubts.append(Doubt(slot="duration_s", reason=DoubtReason.NOT_A_NUMBER, said=times.vague))
    if len(distinct) > 1:
        doubts.append(Doubt(slot="duration_s", reason=DoubtReason.COMPETING))
    duration = distinct[0] if len(distinct) == 1 else None
    return {"duration_s": duration, "start": times.start, "end": times.end}


def _purpose(bare: str) -> str | None:
    match = _PURPOSE.search(bare)
    while match:
        words = match.group("why").strip(" .")
        again = _PURPOSE.search(words)
        if again is None:
            plain = re.sub(r"^(?:so (?:that )?(?:i|we) can|to|for)\s+", "", words, flags=re.IGNORECASE)
            return plain if not re.match(r"^(an?|the|half|production|prod|staging|dev)\b.{0,12}$", plain) else None
        match = again
    return None

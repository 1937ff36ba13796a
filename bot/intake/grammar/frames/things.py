"""Wishes for a thing: GPU time, data, a deployment."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.corrections import choose
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.frames.window import fill_window
from bot.intake.grammar.index import of_kind
from bot.intake.grammar.quantities import count_of
from bot.intake.reading import DoubtReason
from bot.intake.vocabulary import DatasetName, GpuName, ModelName

_WRITE: Final = re.compile(
    r"\b(?:write|writing|writes|update|updating|delete|deleting|load|loading|edit|editing|modify"
    r"|modifying|append|insert|r / w|rw|r - w|r-w|read-write|overwrite|upload|ingest|full access"
    r"|full rights|full)\b"
)
_READ: Final = re.compile(
    r"\b(?:read|reading|reads|see|query|querying|look|looking|pull|pulling|view|viewing|read-only"
    r"|readonly|browse|inspect|select|peek|ro)\b"
)
_NO_WRITE: Final = re.compile(
    r"\b(?:no|not|without|don't need|never|nothing to|instead of|rather than|needn't|no need to)(?: any"
    r"| the| to| need| for){0,2} (?:write|writing|update|edit|delete|modify|full|load)(?: access)?\b"
)
_NO_READ: Final = re.compile(r"\b(?:not(?: just| only)?|instead of|rather than) read\b")
_READ_ONLY: Final = re.compile(r"\bread(?:ing)?(?:-| - | )only\b|\bonly (?:to )?read\b|\bjust (?:to )?read\b")
_CHANGED: Final = re.compile(r"\b(?:no|sorry|actually|rather|wait|make (?:it|that)|i mean|instead)\b")
_CALLED: Final = re.compile(
    r"\b(?:access to|access on|read|write|query|pull|see|need|want|get|reading|rights (?:for"
    r"|on|to)|permissions? (?:for|on|to)|look at|open up|load)\b (?:(?:access|from|to|of|the"
    r"|a|my|our|into|in|on|for|some) ){0,3}"
)
_MODEL_CALLED: Final = re.compile(
    r"\b(?:deploy|ship|promote|roll out|release|launch|put|push|rollback|roll back|roll|revert"
    r"|bring|serve|scale)\b (?:(?:the|model|our|my|new|latest|a|up|out|back) ){0,3}"
)
_POOL_SAID: Final = re.compile(r"\b(?:pool|cluster|partition|queue|in|on|from|at)\b")


def gpu(sheet: Sheet) -> None:
    """Fill in a wish for GPU time."""
    item = sheet.pick("gpu_types", "gpu_type")
    unknown = [token for token in sheet.clause.found("unknown") if token.value == "gpu_types"]
    for token in unknown:
        sheet.unknown("gpu_type", sheet.said(token))
    sheet.slots["gpu_type"] = item.name if item and not unknown else None
    nodes = {each.gpus_per_node for each in _candidates(sheet)}
    count = count_of(sheet.clause, nodes.pop() if len(nodes) == 1 else None, sheet.folded)
    if count.choices:
        sheet.doubt("gpu_count", DoubtReason.COMPETING, candidates=tuple(str(each) for each in count.choices))
    elif count.value == 0 or (count.value is None and count.said):
        sheet.doubt("gpu_count", DoubtReason.NOT_A_NUMBER, count.said or "0")
    sheet.slots["gpu_count"] = count.value
    fill_window(sheet)
    pool = _pool(sheet)
    sheet.slots["pool"] = pool
    project = sheet.pick("projects", "project")
    sheet.slots["project"] = project.name if project else None


def _candidates(sheet: Sheet) -> list[GpuName]:
    items = [item for token in sheet.clause.named("gpu_types") for item in of_kind(token.value, "gpu_types").values()]
    return [item for item in items if isinstance(item, GpuName)]


def _pool(sheet: Sheet) -> str | None:
    """A pool is one by its own name, or by another word beside "pool" or "on": "research" alone is a purpose."""
    for token in sheet.clause.named("pools"):
        at = sheet.clause.tokens.index(token)
        around = [each.pivot for each in sheet.clause.tokens[max(at - 2, 0) : at + 2]]
        item = next(iter(of_kind(token.value, "pools").values()))
        exact = sheet.folded[token.start : token.end] == item.name.lower()
        if (
            exact or any(_POOL_SAID.fullmatch(word) for word in around) or "pool" in sheet.said(token)
        ) and not sheet.negated(token):
            found = sheet.pick("pools", "pool")
            return found.name if found else None
    return None


def data(sheet: Sheet) -> None:
    """Fill in a wish for data access."""
    item = sheet.pick("datasets", "dataset")
    unknown = [token for token in sheet.clause.found("unknown") if token.value == "datasets"]
    for token in unknown:
        sheet.unknown("dataset", sheet.said(token))
    if item is None and not unknown and not sheet.clause.named("datasets"):
        _called(sheet, _CALLED, "dataset")
    sheet.slots["dataset"] = item.name if item and not unknown else None
    sheet.slots["access"] = _access(sheet)
    fill_window(sheet, starts=False)
    sheet.slots["columns"] = _columns(sheet, item) if isinstance(item, DatasetName) else None


def _access(sheet: Sheet) -> str | None:
    text = _NO_WRITE.sub(" ", sheet.clause.text)
    if _READ_ONLY.search(text):
        return None if _WRITE.search(_READ_ONLY.sub(" ", text)) else "read"
    text = _NO_READ.sub(" ", text)
    writes, reads = list(_WRITE.finditer(text)), list(_READ.finditer(text))
    if (
        writes
        and reads
        and _CHANGED.search(text, min(writes[0].start(), reads[0].start()), max(writes[-1].start(), reads[-1].start()))
    ):
        return "write" if writes[-1].start() > reads[-1].start() else "read"
    return "write" if writes else "read" if reads else None


def _columns(sheet: Sheet, item: DatasetName) -> tuple[str, ...] | None:
    only = re.search(r"\b(?:only|just|columns?|fields?|spalten?|columnas?|colonnes?)\b", sheet.clause.text)
    words = set(re.findall(r"\w+", sheet.folded[sheet.clause.tokens[0].start : sheet.clause.tokens[-1].end]))
    said = tuple(each for each in item.columns if each.lower() in words and (only or "_" in each))
    return said or None


def _called(sheet: Sheet, pattern: re.Pattern[str], slot: str) -> None:
    """Note what stands where a name is expected and is none."""
    match = pattern.search(sheet.clause.text)
    if match is None or match.end() >= len(sheet.clause.text):
        return
    first = sheet.clause.index(match.end())
    last = first
    stops = {",", ".", "?", "!", ";", "for", "to", "please", "pls", "plz", "and", "on", "in", "with", "from", "access"}
    while (
        last < len(sheet.clause.tokens)
        and sheet.clause.tokens[last].kind in {"word", "num", "punct"}
        and sheet.clause.tokens[last].pivot not in stops
    ):
        last += 1
    if last > first:
        said = sheet.text[sheet.clause.tokens[first].start : sheet.clause.tokens[last - 1].end]
        if said.lower() not in {
            "access",
            "data",
            "it",
            "that",
            "them",
            "this",
            "read",
            "write",
            "model",
            "the model",
            "some data",
            "the data",
        }:
            sheet.unknown(slot, said)


_LATEST: Final = re.compile(r"\b(?:latest|newest|most recent|current version|up-to-date)\b")
_ROLLBACK: Final = re.compile(
    r"\brollback\b|\broll-back\b|\broll(?:ing|ed)?\b.*\bback\b|\brevert\b|\bgo(?:ing)? back\b"
    r"|\bback to\b|\bprevious version\b|\bdowngrade\b|\bundo\b|\brestore\b|\b(?:last|earlier"
    r"|prior|older|old|former) (?:known )?(?:good )?(?:version|release|build|one)\b|\bswitch back\b"
    r"|\bput back\b|\breturn to\b|\bfall back\b|\bback\b"
)
_NO_ROLLBACK: Final = re.compile(
    r"\b(?:no|not|without|don't)(?: a| to){0,2} (?:rollback|roll back|revert)\b|\brollback (?:plan"
    r"|option|possible|ready)\b|\bfeedback\b|\bget back to me\b|\bif (?:needed|it fails|anything)\b.*\brollback\b"
)
_FROM_TO: Final = re.compile(r"\bfrom (?:the )?(?:current )?(ENV|VERSION)\b")
_REPLICAS: Final = re.compile(
    r"\b(?:NUM|a) (?:more |running |x )?(?:replicas?|instances?|copies|pods?|copy)\b|\b(?:replicas?"
    r"|instances?|pods?|copies) (?:[:=x] |to |count |= )?NUM\b|\bscale\b[^.;%]{0,40}\bto NUM\b(?! (?:percent"
    r"|%))|\b(?:replicas?)\b.*\b(?:to|make it|make that) NUM\b"
)
_PERCENT: Final = re.compile(r"\bNUM (?:%|percent)")
_RANGE: Final = re.compile(
    r"\bNUM (?:-|to|or) NUM (?:replicas?|instances?|pods?|copies|%|percent)|\bvague (?:replicas?"
    r"|instances?|pods?|copies)"
)


def deploy(sheet: Sheet) -> None:
    """Fill in a wish for a deployment; a rollback is one."""
    text = sheet.clause.text
    model = sheet.pick("models", "model")
    unknown = [token for token in sheet.clause.found("unknown") if token.value == "models"]
    for token in unknown:
        sheet.unknown("model", sheet.said(token))
    if model is None and not unknown and not sheet.clause.named("models"):
        _called(sheet, _MODEL_CALLED, "model")
    sheet.slots["model"] = model.name if model and not unknown else None
    rollback = bool(_ROLLBACK.search(_NO_ROLLBACK.sub(" ", text)))
    sheet.slots["version"] = _version(sheet, model if isinstance(model, ModelName) else None, rollback=rollback)
    sheet.slots["environment"] = _environment(sheet)
    sheet.slots["replicas"] = _number(sheet, _REPLICAS, "replicas")
    percent = _number(sheet, _PERCENT, "canary_percent")
    strategy = sheet.pick("strategies", "strategy")
    sheet.slots["strategy"] = strategy.name if strategy else "canary" if percent is not None else None
    sheet.slots["canary_percent"] = percent
    sheet.slots["rollback"] = rollback
    sheet.slots["start"] = None


def _environment(sheet: Sheet) -> str | None:
    sources = {
        sheet.clause.index(match.start(1)) for match in _FROM_TO.finditer(sheet.clause.text) if match.group(1) == "ENV"
    }
    tokens = tuple(token for at, token in enumerate(sheet.clause.tokens) if at not in sources)
    whole, sheet.clause = sheet.clause, type(sheet.clause).of(tokens)
    item = sheet.pick("environments", "environment")
    sheet.clause = whole
    return item.name if item else None


def _version(sheet: Sheet, model: ModelName | None, *, rollback: bool) -> str | None:
    sources = {sheet.clause.index(match.start(1)) for match in _FROM_TO.finditer(sheet.clause.text)}
    tokens = sheet.clause.tokens
    found = [at for at, token in enumerate(tokens) if token.kind == "version" and at not in sources]
    found += [
        at + 1
        for at, token in enumerate(tokens[:-1])
        if token.pivot in {"version", "ver", "v", "rev"} and tokens[at + 1].kind == "num"
    ]
    found += [
        at + 2
        for at, token in enumerate(tokens[:-2])
        if token.pivot in {"version", "ver"} and tokens[at + 2].kind == "num" and tokens[at + 1].pivot in "=:"
    ]
    said = {str(sheet.said(tokens[at])).rstrip(".") for at in found}
    if len(said) > 1:
        choice = choose(sheet.clause, [(at, float(at)) for at in found])
        if choice.values:
            sheet.doubt("version", DoubtReason.COMPETING, candidates=tuple(sorted(said)))
            return None
        return sheet.said(tokens[int(choice.value or 0)]).rstrip(".")
    if said:
        return said.pop()
    return model.latest if model and not rollback and _LATEST.search(sheet.clause.text) else None


def _number(sheet: Sheet, pattern: re.Pattern[str], slot: str) -> int | None:
    if _RANGE.search(sheet.clause.text):
        return None
    found: list[tuple[int, float | None]] = []
    for match in pattern.finditer(sheet.clause.text):
        first, last = sheet.clause.index(match.start()), sheet.clause.index(match.end() - 1)
        numbers = [at for at in range(first, last + 1) if sheet.clause.tokens[at].kind == "num"]
        at = numbers[-1] if numbers else first
        found.append((at, float(sheet.clause.tokens[at].value) if numbers else 1.0))
    choice = choose(sheet.clause, found)
    if choice.values:
        sheet.doubt(slot, DoubtReason.COMPETING, candidates=tuple(f"{each:g}" for each in choice.values))
    value = choice.value
    return int(value) if value is not None and value < 1e9 and value == int(value) else None  # noqa: PLR2004

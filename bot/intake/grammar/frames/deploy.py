"""A wish for a deployment; going back to an earlier version is one."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.corrections import choose
from bot.intake.grammar.frames.called import note_called
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.reading import DoubtReason
from bot.intake.vocabulary import ModelName

_MODEL_CALLED: Final = re.compile(
    r"\b(?:deploy|ship|promote|roll out|release|launch|put|push|rollback|roll back|roll|revert"
    r"|bring|serve|scale)\b (?:(?:the|model|our|my|new|latest|a|up|out|back) ){0,3}"
)
_LATEST: Final = re.compile(r"\b(?:latest|newest|most recent|current version|up-to-date)\b")
_ROLLBACK: Final = re.compile(
    r"\brollback\b|\broll-back\b|\broll(?:ing|ed)?\b.*\bback\b|\brevert\b|\bgo(?:ing)? back\b"
    r"|\bback to\b|\bprevious version\b|\bdowngrade\b|\bundo\b|\brestore\b|\b(?:last|earlier"
    r"|prior|older|old|former) (?:known )?(?:good )?(?:version|release|build|one)\b|\bswitch back\b"
    r"|\bput back\b|\breturn to\b|\bfall back\b|\bback\b"
)
_PROMOTE: Final = re.compile(r"\bpromote\b")
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
_WHOLE: Final = 100
_PERCENT: Final = re.compile(r"\bNUM (?:%|percent)")
_CHANGED: Final = re.compile(
    r"\b(?:no|sorry|actually|rather|wait|make (?:it|that))(?: ,)* NUM\b"
    r"(?! (?:gpus?|GPU|%|percent|replicas?|instances?|pods?|copies))"
)
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
        note_called(sheet, _MODEL_CALLED, "model")
    sheet.slots["model"] = model.name if model and not unknown else None
    rollback = bool(_ROLLBACK.search(_NO_ROLLBACK.sub(" ", text)))
    sheet.slots["version"] = version_of(sheet, model if isinstance(model, ModelName) else None, rollback=rollback)
    sheet.slots["environment"] = _environment(sheet)
    sheet.slots["replicas"] = _number(sheet, _REPLICAS, "replicas")
    percent = _number(sheet, _PERCENT, "canary_percent")
    strategy = sheet.pick("strategies", "strategy")
    whole = percent == _WHOLE
    sheet.slots["strategy"] = strategy.name if strategy else "canary" if percent is not None else None
    sheet.slots["canary_percent"] = percent
    sheet.slots["rollback"] = rollback
    sheet.slots["promote"] = bool(_PROMOTE.search(text))
    if sheet.slots["promote"] or (whole and (strategy is None or strategy.name == "canary")):
        sheet.slots |= {"strategy": None, "canary_percent": None} if whole or percent is None else {}
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


def version_of(sheet: Sheet, model: ModelName | None, *, rollback: bool) -> str | None:
    """Return the version that is meant, literally; the latest of the model where that is said."""
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
    changed = _CHANGED.search(sheet.clause.text) if found else None
    if changed and sheet.clause.index(changed.end() - 1) > max(at for at, _ in found):
        sheet.doubt(slot, DoubtReason.COMPETING)
        return None
    choice = choose(sheet.clause, found)
    if choice.values:
        sheet.doubt(slot, DoubtReason.COMPETING, candidates=tuple(f"{each:g}" for each in choice.values))
    value = choice.value
    return int(value) if value is not None and value < 1e9 and value == int(value) else None  # noqa: PLR2004

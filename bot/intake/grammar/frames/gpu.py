"""A wish for GPU time."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.frames.window import fill_window
from bot.intake.grammar.index import of_kind
from bot.intake.grammar.quantities import count_of
from bot.intake.reading import DoubtReason
from bot.intake.vocabulary import GpuName

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

"""Every side door that stands and every one that is known for now, as the admins read them: `/qm doors`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from bot.blocks.door import TITLES, asked_words, known_words, told
from bot.blocks.parts import quote
from bot.blocks.words import Voice
from ledger.streams.request import Request
from ledger.streams.watch import Finding, Watch

SHOWN: Final = 15
"""Lines under one heading: more would not fit a message, and nobody reads them there."""
NOBODY_LOOKED: Final = "No backend was looked at yet. Is the clock running? `quartermaster doctor` says."
_MORE: Final = "• and {count} more: `quartermaster reconcile` lists them"
Explained = Mapping[str, Sequence[tuple[Finding, Request]]]


def doors_text(
    watched: Mapping[str, Watch], explained: Explained, asked: Callable[[str, str], Request | None], voice: Voice
) -> str:
    """Return what stands, what is known until when and by whom, and when every backend was looked at last.

    Args:
        watched: what is known about each backend.
        explained: what is known for now in each, with the request that says so.
        asked: by backend and finding, the open request about it.
    """
    standing = [(backend, each) for backend, watch in watched.items() for each in watch.findings]
    known = [(backend, *pair) for backend, pairs in explained.items() for pair in pairs]
    lines = [f"*Side doors that stand: {len(standing)}*"]
    lines += _first(_open(backend, each, asked(backend, each.finding), voice) for backend, each in standing)
    lines.append(f"*Explained for now: {len(known)}*")
    lines += _first(_known(*each, voice) for each in known)
    looks = [f"{name} {voice.at(watch.scanned_at)}" for name, watch in watched.items() if watch.scanned_at]
    lines.append(f"Last look: {'; '.join(looks)}." if looks else NOBODY_LOOKED)
    return "\n".join(lines)


def _first(lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [*found[:SHOWN], *([_MORE.format(count=len(found) - SHOWN)] if len(found) > SHOWN else [])]


def _open(backend: str, finding: Finding, request: Request | None, voice: Voice) -> str:
    title, since = TITLES[finding.fault], voice.at(finding.since)
    what = told(str(finding.who), str(finding.what))
    by = f"\n{asked_words(request, voice)}" if request is not None else ""
    return f"• {title} in {backend} since {since} (finding {finding.finding[:8]}): {what}{by}"


def _known(backend: str, finding: Finding, request: Request, voice: Voice) -> str:
    return f"• In {backend}: {told(str(finding.who), str(finding.what))}{quote(known_words(request, voice))}"

"""What happened in random schedules, and what must never: counted, and written as a table into workers/README.md."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[2] / "workers" / "README.md"
MARKS: Final = "<!-- schedules -->", "<!-- end of schedules -->"
NEVER: Final = (
    "started early",
    "ended early",
    "alive more than 60 s past the end",
    "happened twice",
    "over and alive",
    "started during a halt",
    "not over in the end",
)
ROWS: Final = {
    "schedules": "schedules",
    "request.submitted": "requests",
    "request.started": "grants",
    "overlaps": "grants begun beside another of the same person and resource",
    "request.extended": "extensions granted",
    "extension denied": "extensions denied, by policy or people",
    "extension late": "extensions asked or agreed after the end, refused",
    "request.shortened": "ends made sooner by the holder",
    "request.released": "released",
    "request.revoked": "revoked",
    "request.expired": "expired",
    "request.ended-unlogged": "ended while the ledger could not be written, entered afterwards",
    "request.lapsed": "lapsed",
    "crashes": "crashes",
    "crash steps": "different steps that something crashed before or after",
    "restarts": "restarts of every process at once",
    "dozes": "workers that stood still between two steps",
    "down": "times of everything down for an hour or more",
    "dark": "backends that did not answer for a while",
    "full": "disks full for a while",
    "halted": "halts",
}


@dataclass
class Tally:
    """Counts of what happened, each broken promise in words, and the worst lateness of an ending."""

    counts: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)
    """(which promise, whose), each once."""
    worst: timedelta = timedelta()

    def breaks(self, promise: str, whose: str) -> None:
        """Note a broken promise."""
        if (promise, whose) not in self.broken:
            self.broken.append((promise, whose))

    def late(self, by: timedelta) -> None:
        """Note by how much an ending came after its end."""
        self.worst = max(self.worst, by)

    def table(self) -> str:
        """Return the figures as rows of a table."""
        figures = self.counts | Counter({"crashes": self.deaths.total(), "crash steps": len(self.deaths)})
        rows = [f"| {words} | {figures[name]:,} |" for name, words in ROWS.items()]
        broken = Counter(promise for promise, _ in self.broken)
        rows += [f"| **{promise}** | **{broken[promise]}** |" for promise in NEVER]
        rows.append(f"| worst lateness of an ending | {self.worst.total_seconds():.0f} s |")
        return "\n".join(["| what | how often |", "|---|---|", *rows])


def write(table: str, page: Path = README) -> None:
    """Put the table between its marks."""
    text, (begin, end) = page.read_text(), MARKS
    assert text.count(begin) == text.count(end) == 1
    page.write_text(re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{table}\n{end}", text, flags=re.DOTALL))

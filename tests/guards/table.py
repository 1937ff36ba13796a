"""The table of guards: what to take out, what it protects, and which tests must then fail."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class NotFoundError(Exception):
    """Raised when the text of a guard does not stand exactly once where the table says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One guard.

    Args:
        name: what people call it.
        where: the file it stands in, or a folder with the one file that holds it.
        text: the exact text to take out.
        instead: what is put in its place; what is left must still be Python.
        protects: one sentence.
        tests: ids of tests (without parameters); each must fail without the guard.
    """

    name: str
    where: str
    text: str
    instead: str
    protects: str
    tests: tuple[str, ...]

    def file(self, root: Path) -> Path:
        """Return the one file below `root` that holds the text, once; raises NotFoundError."""
        place = root / self.where
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        counts = {path: path.read_text().count(self.text) for path in files if path.is_file()}
        found = [path for path, count in counts.items() if count]
        if sum(counts.values()) != 1:
            raise NotFoundError(f"{self.name}: the text stands {sum(counts.values())} times in {self.where}")
        return found[0]

    def taken_out(self, source: str) -> str:
        """Return `source` without the guard."""
        return source.replace(self.text, self.instead)


def load(path: Path = HERE / "guards.toml") -> tuple[Guard, ...]:
    """Return every guard of the table, in its order."""
    rows = tomllib.loads(path.read_text())["guard"]
    return tuple(Guard(**{"instead": "True"} | row | {"tests": tuple(row["tests"])}) for row in rows)

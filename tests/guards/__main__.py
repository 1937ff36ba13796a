"""`make guards`: take out one guard at a time, in a copy of the tree, and see that its tests fail.

Slow by nature, so no part of `make test`. First every named test must pass with all guards in place.
Exit status 1 when a guard survives, its text is not found, or a named test does not run.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.guards.table import ROOT, Guard, NotFoundError, load

FOLDERS = ("ledger", "policies", "workers", "bot", "tests")
FILES = ("pyproject.toml", "Makefile", "README.md")
LIMIT_S = 300
CAUGHT, SURVIVED = "caught", "SURVIVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one guard: `caught`, or why not."""

    guard: Guard
    result: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="make guards", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="a regular expression over the guards' names")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    guards = [guard for guard in load() if re.search(arguments.only, guard.name)]
    with tempfile.TemporaryDirectory(prefix="qm-guards-") as folder:
        copies = [copy(Path(folder) / str(number)) for number in range(arguments.jobs)]
        failed, words = failing(copies[0], sorted({test for guard in guards for test in guard.tests}))
        if failed:
            Console().print(f"With every guard in place these must pass:\n{words}", markup=False)
            return 1
        outcomes = all_of(guards, copies)
    return report(outcomes)


def all_of(guards: list[Guard], copies: list[Path]) -> list[Outcome]:
    """Try every guard, each copy one at a time."""
    free: queue.Queue[Path] = queue.Queue()
    for path in copies:
        free.put(path)

    def one(guard: Guard) -> Outcome:
        path = free.get()
        try:
            return attempt(guard, path)
        finally:
            free.put(path)

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(track(pool.map(one, guards), description="Taking out", total=len(guards)))


def copy(to: Path) -> Path:
    """Copy what tests need, and nothing that was compiled."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, to / name)
    return to


def attempt(guard: Guard, root: Path) -> Outcome:
    """Take the guard out of the copy, run its tests, put it back."""
    try:
        path = guard.file(root)
    except NotFoundError as error:
        return Outcome(guard=guard, result=str(error))
    source = path.read_text()
    try:
        path.write_text(guard.taken_out(source))
        failed, words = failing(root, guard.tests)
    finally:
        path.write_text(source)
    if failed is None:
        return Outcome(guard=guard, result=f"its tests did not run: {words[-300:]}")
    passed = [test for test in guard.tests if not any(re.match(rf"{re.escape(test)}(\[|$)", each) for each in failed)]
    return Outcome(guard=guard, result=f"{SURVIVED} {', '.join(passed)}" if passed else CAUGHT)


def failing(root: Path, tests: list[str] | tuple[str, ...]) -> tuple[set[str] | None, str]:
    """Run tests; return the ids that failed (None when they could not be run) and what was said."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, "they took too long"
    words = done.stdout + done.stderr
    if done.returncode not in {0, 1}:
        return None, words
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))}, words


def report(outcomes: list[Outcome]) -> int:
    """Print the table and return the exit status."""
    table = Table("guard", "protects", "result")
    for outcome in outcomes:
        style = "" if outcome.result == CAUGHT else "bold red"
        table.add_row(outcome.guard.name, outcome.guard.protects, outcome.result, style=style)
    caught = sum(outcome.result == CAUGHT for outcome in outcomes)
    Console().print(table)
    Console().print(f"{caught} of {len(outcomes)} guards caught")
    return 0 if outcomes and caught == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

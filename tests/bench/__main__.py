"""`make bench`: ratios in one run, variants interleaved, medians of same-round ratios. Never a timed test."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move
from ledger.nouns import GpuForm
from policies.decide import Policy
from tests.bench import ledger, policies, workers

ROUNDS = 5


def drafts(count: int) -> tuple[Draft, ...]:
    salt = time.monotonic_ns()
    body = {"n": 1, "text": "x" * 200}
    return tuple(
        Draft(id=f"{salt:016x}{n:016x}", kind="bench.said", v=1, actor="svc:bench", body=body) for n in range(count)
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """How many times faster `ours` is: the median over rounds in which both ran."""
    return statistics.median(seconds(theirs) / seconds(ours) for _ in range(ROUNDS))


def decisions(folder: Path) -> float:
    """How many decisions fit into one durable append: the rules must not be what people wait for."""
    policy = Policy.load(Path(__file__).parents[2] / "policies")
    form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=4, duration_s=10800)
    store = SqliteStore(folder / "decide")
    known: dict[str, int | str] = {"held_gpus": 0, "open_requests": 0}
    return ratio(
        lambda: policy.decide("user:U01MIRA", form, known),
        lambda: store.append([Move(stream="s", expected=ANY, drafts=drafts(1))]),
    )


ROWS: tuple[tuple[str, Callable[[Path], float], str], ...] = (
    ("decisions in the time of one durable append", decisions, ">= 1"),
    *policies.ROWS,
)


def main() -> None:
    """Print every ratio beside the figure to reach."""
    table = Table("what", "measured", "reach")
    for row in ledger.rows():
        table.add_row(*row)
    with tempfile.TemporaryDirectory() as folder:
        for row in workers.rows(Path(folder)):
            table.add_row(*row)
        for name, measure, reach in ROWS:
            table.add_row(name, f"{measure(Path(folder)):.2f}", reach)
    Console().print(table)


if __name__ == "__main__":
    main()

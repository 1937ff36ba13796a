"""`make bench`: ratios in one run, variants interleaved, medians of same-round ratios. Never a timed test."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import asking, endpoint, ledger, policies, workers


def main() -> None:
    """Print every ratio beside the figure to reach."""
    table = Table("what", "measured", "reach")
    for row in ledger.rows():
        table.add_row(*row)
    with tempfile.TemporaryDirectory() as folder:
        for row in workers.rows(Path(folder)):
            table.add_row(*row)
        name = f"asking with {asking.MANY:,} open requests against {asking.FEW}"
        table.add_row(name, f"{asking.ratio(Path(folder)):.2f}", "<= 1.2")
        for row in endpoint.rows(Path(folder)):
            table.add_row(*row)
        for name, measure, reach in policies.ROWS:
            table.add_row(name, f"{measure(Path(folder)):.2f}", reach)
    Console().print(table)


if __name__ == "__main__":
    main()

"""The policy's commands: run its case table, and adopt what is in the folder."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ledger.book import open_sqlite
from policies.cases import FILE, Outcome, load_cases, run_case
from policies.decide import Policy
from policies.inforce import adopt as enter

app = typer.Typer(help="Test and adopt the rules.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.command(epilog="Example:  quartermaster policy test policies/")
def test(folder: Annotated[Path | None, typer.Argument(help="The policies folder.")] = None) -> None:
    """Run every case of cases.csv; exit 1 when one is not decided as written."""
    where = folder or Path(__file__).parent
    policy = Policy.load(where)
    outcomes = [run_case(policy, case) for case in load_cases(where / FILE)]
    failed = [outcome for outcome in outcomes if not outcome.passed]
    console = Console()
    if failed:
        console.print(_table(failed))
    console.print(f"{len(outcomes) - len(failed)} of {len(outcomes)} cases pass, policy {policy.digest[:12]}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def adopt(
    why: Annotated[str, typer.Option(help="Why the rules change; it stays in the ledger.")],
    home: Annotated[Path | None, typer.Option(help="State folder; QM_HOME by default.")] = None,
) -> None:
    """Enter the policy of the home as the one in force, as the local administrator of this machine."""
    where = home or Path(os.environ.get("QM_HOME", ".quartermaster"))
    policy = Policy.load(where / "policies")
    enter(open_sqlite(where / "ledger.sqlite3"), policy, actor=f"os:{getpass.getuser()}", why=why)
    Console().print(f"Policy {policy.digest[:12]} is in force.")


def _table(failed: list[Outcome]) -> Table:
    table = Table("line", "stage", "subject", "resource", "wanted", "got")
    for outcome in failed:
        case = outcome.case
        wanted, got = f"{case.want} {case.rule}", f"{outcome.got} {outcome.rule}"
        table.add_row(str(case.line), case.stage, case.sub, case.res, wanted, got)
    return table

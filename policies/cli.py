"""The policy's commands: run its case table, lint it, and adopt what is in the folder."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.book import open_sqlite
from policies.boundaries import Boundary, broken
from policies.cases import FILE, Outcome, check_cases, load_cases, run_cases
from policies.decide import Policy
from policies.inforce import adopt as enter
from policies.lint import Finding, Level
from policies.lint import lint as look
from policies.mutants import Mutant, survivors

app = typer.Typer(help="Test, lint and adopt the rules.", no_args_is_help=True, pretty_exceptions_enable=False)
_MANY_ROWS: Final = 500
"""Above it every single-row mistake takes minutes to try; `--mutants` does it all the same."""
_SHOWN: Final = 20
_COLOURS: Final = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "dim"}
_Folder = Annotated[Path | None, typer.Argument(help="The policies folder; the shipped one by default.")]


@app.command(
    epilog="Examples:  quartermaster policy test policies/   ·   quartermaster policy test policies/ --no-mutants"
)
def test(
    folder: _Folder = None,
    mutants: Annotated[
        bool | None, typer.Option(help="Try every single-row mistake on the cases; up to 500 rows by default.")
    ] = None,
) -> None:
    """Run the cases of cases.csv, the edges of every limit, and every single-row mistake.

    Exit 1 when a case is not decided as written, the engine and a limit disagree, or no case notices a mistake.
    """
    where = folder or Path(__file__).parent
    policy, cases = Policy.load(where), load_cases(where / FILE)
    check_cases(cases, policy.snapshot)
    failed = [outcome for outcome in run_cases(policy.snapshot, cases) if not outcome.passed]
    edges, wrong = broken(policy.snapshot)
    alive: list[Mutant] = []
    _say_failed(failed)
    _say_wrong(wrong)
    _line("cases", len(cases) - len(failed), len(cases), "decided as written")
    _line("edges", edges - len(wrong), edges, "at, beyond and without each limit")
    if _try_mutants(policy, mutants, failed):
        count, alive = survivors(policy.snapshot, cases)
        _line("mistakes", count - len(alive), count, "in a single row noticed by a case")
        _say_alive(alive)
    Console().print(f"policy    {policy.digest[:12]}", highlight=False)
    raise typer.Exit(1 if failed or wrong or alive else 0)


@app.command(epilog="Examples:  quartermaster policy lint   ·   quartermaster policy lint policies/ --notes")
def lint(
    folder: _Folder = None,
    notes: Annotated[bool, typer.Option("--notes", help="Also what is true of small teams, and no mistake.")] = False,
) -> None:
    """Name what is wrong with the rules, one finding a line; exit 1 when there is an error."""
    found = look(folder or Path(__file__).parent)
    for finding in found:
        if notes or finding.level is not Level.NOTE:
            Console().print(_finding(finding), soft_wrap=True)
    Console().print(_summary(found, notes=notes), highlight=False)
    raise typer.Exit(1 if _count(found, Level.ERROR) else 0)


@app.command(epilog='Example:  quartermaster policy adopt --why "engineers may hold 8 GPUs"')
def adopt(
    why: Annotated[str, typer.Option(help="Why the rules change; it stays in the ledger.")],
    home: Annotated[Path | None, typer.Option(help="State folder; QM_HOME by default.")] = None,
) -> None:
    """Enter the policy of the home as the one in force, as the local administrator of this machine."""
    where = home or Path(os.environ.get("QM_HOME", ".quartermaster"))
    policy = Policy.load(where / "policies")
    enter(open_sqlite(where / "ledger.sqlite3"), policy, actor=f"os:{getpass.getuser()}", why=why)
    Console().print(f"Policy {policy.digest[:12]} is in force.")


# -- what test says ---------------------------------------------------------------------------------------------


def _line(what: str, good: int, of: int, words: str) -> None:
    colour = "green" if good == of else "red"
    Console().print(f"{what:9} [{colour}]{good} of {of}[/] {words}", highlight=False)


def _say_failed(failed: Sequence[Outcome]) -> None:
    if not failed:
        return
    table = Table("line", "asked", "wanted", "got", title=f"{FILE}: decided otherwise", title_justify="left")
    for outcome in failed[:_SHOWN]:
        case = outcome.case
        asked = f"{case.stage} {case.sub} {case.act} {case.res}"
        table.add_row(str(case.line), asked, _answer(case.want, case.rule), _answer(outcome.got, outcome.rule))
    Console().print(table)


def _answer(effect: str, rule: str) -> str:
    return f"{effect}\n{rule}" if rule else effect


def _say_wrong(wrong: Sequence[Boundary]) -> None:
    for edge in wrong[:_SHOWN]:
        should = "should match" if edge.wants else "should not match"
        _plain(f"policy.csv:{edge.rule.line} {edge.rule.id}: {should} with {edge.edge}.")


def _say_alive(alive: Sequence[Mutant]) -> None:
    for mutant in alive[:_SHOWN]:
        _plain(f"policy.csv:{mutant.was.line} {mutant.name}: {mutant.how}, and no case notices. Add one.")
    if len(alive) > _SHOWN:
        _plain(f"and {len(alive) - _SHOWN} more")


def _try_mutants(policy: Policy, wish: bool | None, failed: Sequence[Outcome]) -> bool:
    """Mistakes say nothing while cases fail: every one of them would seem to be noticed."""
    rows = policy.snapshot.rows
    if failed and wish is not False:
        _plain("mistakes  not tried: the cases must pass first")
        return False
    if wish is None and len(rows.rules) + len(rows.links) > _MANY_ROWS:
        _plain(f"mistakes  not tried on more than {_MANY_ROWS} rows; --mutants tries them")
        return False
    return wish is not False


# -- what lint says ---------------------------------------------------------------------------------------------


def _finding(finding: Finding) -> Text:
    return Text(str(finding), style=_COLOURS[finding.level])


def _summary(found: Sequence[Finding], *, notes: bool) -> str:
    wrong, odd, small = (_count(found, level) for level in (Level.ERROR, Level.WARNING, Level.NOTE))
    hint = "" if notes or not small else f"; {_many(small, 'note')} with --notes"
    if not wrong and not odd:
        return f"No errors, no warnings{hint}."
    return f"{_many(wrong, 'error')}, {_many(odd, 'warning')}{hint}."


def _count(found: Sequence[Finding], level: Level) -> int:
    return sum(finding.level is level for finding in found)


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _plain(text: str) -> None:
    Console().print(Text(text), soft_wrap=True)

"""The ledger's commands: take evidence along and verify it, with nothing of Slack, Celery or Casbin."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from ledger.audit import Verdict, verify_bundle, verify_store
from ledger.errors import LedgerError, TamperedError
from ledger.exits import FAULT, NOT_ANCHORED, UNREADABLE
from ledger.export.bundle import read_bundle
from ledger.export.choice import Choice, Claim
from ledger.export.take import Taken, take
from ledger.log.sqlite import SqliteStore
from ledger.ran_told import from_bundle, parse_moment

app = typer.Typer(
    help="Verify the ledger, and take evidence along.", no_args_is_help=True, pretty_exceptions_enable=False
)

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLAIMS: Final = {
    Claim.EVERYTHING: "every one lawful",
    Claim.PERIOD: "the period is complete; the law is replayed over a whole ledger alone",
    Claim.NOTHING: "a part: each entry stands in the log, and no claim is made about the others",
}


class Format(StrEnum):
    """What an export is for."""

    BUNDLE = "bundle"
    """For an auditor: verifies offline."""
    JSONL = "jsonl"
    """For programs: an entry a line."""
    CSV = "csv"
    """For a spreadsheet."""


@app.callback()
def _ledger() -> None:
    """Verify the ledger, and take evidence along."""


@app.command(
    epilog="Examples:  quartermaster ledger verify   ·   quartermaster ledger verify --bundle q3.zip --key @key.txt"
    "   ·   quartermaster ledger verify --database copy.sqlite3 --key @key.txt --checkpoint kept.txt"
)
def verify(
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the database of QM_HOME when left out.")] = None,
    key: Annotated[str | None, typer.Option(help="The public key you were given from outside (or @file).")] = None,
    database: Annotated[Path | None, typer.Option(help="A ledger database.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint that somebody kept, of any time.")] = None,
) -> None:
    """Replay bytes and law, and name the first entry that is wrong.

    Exit 0: verified against the key. 1: a fault. 2: nothing could be read. 3: consistent, but not anchored.
    """
    with _plainly():
        outside = text_of(key)
        note = None if checkpoint is None else _read(checkpoint)
        if bundle is not None:
            read = read_bundle(bundle)
            verdict, inner = verify_bundle(read, key=outside, note=note), read.key
        else:
            store = _open(database)
            verdict, inner = verify_store(store, note=note, key=outside), ""
            store.close()
    _tell(verdict, inner)


@app.command(
    epilog="Examples:  quartermaster ledger export q3.zip --since 2026-07-01 --until 2026-10-01"
    "   ·   quartermaster ledger export one.zip --request 1042   ·   quartermaster ledger export all.csv --format csv"
)
def export(
    output: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    kind: Annotated[Format, typer.Option("--format", help="What it is for.")] = Format.BUNDLE,
    since: Annotated[str | None, typer.Option(help="From this day or time on, UTC: 2026-07-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this day or time, UTC: 2026-10-01.")] = None,
    request: Annotated[int | None, typer.Option(help="Only this request: REQ-1042 is 1042.")] = None,
    database: Annotated[Path | None, typer.Option(help="A ledger database; that of QM_HOME when left out.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The signed checkpoint to export up to.")] = None,
) -> None:
    """Write a bundle that verifies offline, JSON lines, or a table; an export from QM_HOME is entered in the ledger.

    A bundle of a period holds its neighbours on both sides, and so proves that it is complete.
    A bundle of a request claims nothing about other entries. Exit 0: written. 1: a fault. 2: it could not be written.
    """
    with _plainly():
        choice = Choice(since=_moment(since), until=_moment(until), request=request)
        with _progress() as tell:
            taken = take(output, kind.value, choice, _home(), database=database, checkpoint=checkpoint, progress=tell)
    _tell_taken(output, taken)


@app.command(
    epilog="Examples:  quartermaster ledger ran 2026-11-01T12:00 --bundle all.zip --key @key.txt"
    "   ·   quartermaster ledger ran 2026-11-01 --bundle all.zip --environment production --json"
)
def ran(
    moment: Annotated[str, typer.Argument(help="A day or a time, UTC unless it names a zone: 2026-11-01T12:00.")],
    bundle: Annotated[Path, typer.Option(help="The bundle to read; it is verified first.")],
    key: Annotated[str | None, typer.Option(help="The public key you were given from outside (or @file).")] = None,
    environment: Annotated[str | None, typer.Option(help="This environment alone, such as production.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say which models ran at a time, by whose order, with the proof of each entry; from a bundle alone.

    Exit 0: answered, and verified against the key. 1: a fault. 2: it cannot tell. 3: consistent, but not anchored.
    """
    with _plainly():
        answer = from_bundle(bundle, text_of(key), parse_moment(moment), environment)
    answer.tell(Console(), as_json=as_json)
    raise typer.Exit(answer.status)


def _tell_taken(output: Path, taken: Taken) -> None:
    console = Console()
    console.print(f"{taken.entries} entries of {taken.size} in {output}", highlight=False, soft_wrap=True)
    console.print(f"SHA-256 {taken.sha256}", highlight=False, soft_wrap=True)
    entered = "" if taken.seq is None else f"This export is ledger entry {taken.seq}."
    console.print(entered or "Not entered: only an export from QM_HOME is.", highlight=False)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A count that moves on a terminal, and nothing elsewhere."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("entries", total=None)

        def tell(count: int) -> None:
            if count % 256 == 0:
                bar.update(task, completed=count, description=f"{count:,} entries")

        yield tell


@contextmanager
def _plainly() -> Iterator[None]:
    """Say in one sentence what went wrong, and exit by its kind."""
    try:
        yield
    except TamperedError as error:
        Console(stderr=True).print(
            f"[bold red]Not verified:[/] {escape(error.detail)}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(FAULT) from None
    except LedgerError as error:
        Console(stderr=True).print(f"[red]{escape(error.detail or str(error))}[/]", highlight=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None


def _tell(verdict: Verdict, inner_key: str) -> None:
    console = Console()
    if not verdict.sound:
        where = f"entry {verdict.bad}" if verdict.bad is not None else "the ledger"
        detail = f" ({verdict.detail})" if verdict.detail else ""
        console.print(
            f"[bold red]Not verified:[/] {where}: {verdict.fault}{escape(detail)}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(FAULT)
    root = verdict.root.hex()[:16]
    console.print(f"{verdict.size} entries, root {root}, {_CLAIMS[verdict.claim]}.", highlight=False, soft_wrap=True)
    if verdict.anchored:
        console.print("[bold green]Verified[/] against the key you gave.")
        return
    inner = f" with key {escape(inner_key)}" if inner_key else ""
    console.print(f"[yellow]Consistent{inner}, not anchored.[/]", highlight=False, soft_wrap=True)
    console.print("Give --key (and --checkpoint for a database) from outside to verify.")
    raise typer.Exit(NOT_ANCHORED)


def _home() -> Path:
    return Path(os.environ.get("QM_HOME", ".quartermaster"))


def _open(database: Path | None) -> SqliteStore:
    path = database or _home() / "ledger.sqlite3"
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}; say --database or --bundle")
    return SqliteStore(path, read_only=True)


def text_of(key: str | None) -> str | None:
    """Return a key as it was given, or the text of the file that `@file` names."""
    return _read(Path(key[1:])).strip() if key and key.startswith("@") else key


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error


def _moment(text: str | None) -> datetime | None:
    """A day is its first moment, UTC; a time says its zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise LedgerError(f"{text} is not a day or a time; write 2026-07-01 or 2026-07-01T08:00:00Z") from None
    if _DATE.fullmatch(text):
        return datetime.combine(moment, time(), UTC)
    if moment.utcoffset() is None:
        raise LedgerError(f"{text} has no zone; write {text}Z for UTC")
    return moment.astimezone(UTC)


def main() -> None:
    """Run the ledger's commands alone, as an auditor does."""
    try:
        app()
    except LedgerError as error:
        Console(stderr=True).print(f"[red]{error}[/]")
        raise SystemExit(UNREADABLE) from None

"""The ledger's commands: verify a database or a bundle, with nothing of Slack, Celery or Casbin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ledger.audit import Verdict, verify_bundle, verify_store
from ledger.errors import LedgerError
from ledger.export.bundle import read_bundle
from ledger.log.sqlite import SqliteStore

app = typer.Typer(help="Read and verify the ledger.", no_args_is_help=True, pretty_exceptions_enable=False)

NOT_ANCHORED = 3
"""Exit status when nothing is wrong, but nobody outside vouches for it."""


@app.callback()
def _ledger() -> None:
    """Read and verify the ledger."""


@app.command(epilog="Example:  quartermaster ledger verify --bundle q3.zip --key 'quartermaster+1a2b3c4d+AZ...'")
def verify(
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the database of QM_HOME when left out.")] = None,
    key: Annotated[str | None, typer.Option(help="The public key you were given from outside (or @file).")] = None,
    database: Annotated[Path | None, typer.Option(help="A ledger database.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint that somebody kept, for the database.")] = None,
) -> None:
    """Replay bytes and law, and name the first entry that is wrong.

    Exit 0: verified against the key. 1: a fault. 3: consistent, but not anchored by a key from outside.
    """
    outside = Path(key[1:]).read_text().strip() if key and key.startswith("@") else key
    if bundle is not None:
        read = read_bundle(bundle)
        _tell(verify_bundle(read, key=outside), read.key)
        return
    home = Path(os.environ.get("QM_HOME", ".quartermaster"))
    path = database or home / "ledger.sqlite3"
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}; say --database or --bundle")
    store = SqliteStore(path, read_only=True)
    note = checkpoint.read_text() if checkpoint else None
    _tell(verify_store(store, note=note, key=outside), "")


def _tell(verdict: Verdict, inner_key: str) -> None:
    console = Console()
    if not verdict.sound:
        where = f"entry {verdict.bad}" if verdict.bad is not None else "the ledger"
        detail = f" ({verdict.detail})" if verdict.detail else ""
        console.print(f"[bold red]Not verified:[/] {where}: {verdict.fault}{detail}", highlight=False)
        raise typer.Exit(1)
    law = "every one lawful" if verdict.lawful else "a part of the ledger: its law was not replayed"
    console.print(f"{verdict.size} entries, root {verdict.root.hex()[:16]}, {law}.", highlight=False)
    if verdict.anchored:
        console.print("[bold green]Verified[/] against the key you gave.")
        return
    inner = f" with key {inner_key}" if inner_key else ""
    console.print(f"[yellow]Consistent{inner}, not anchored.[/]", highlight=False, soft_wrap=True)
    console.print("Give --key (and --checkpoint for a database) from outside to verify.")
    raise typer.Exit(NOT_ANCHORED)


def main() -> None:
    """Run the ledger's commands alone, as an auditor does."""
    try:
        app()
    except LedgerError as error:
        Console(stderr=True).print(f"[red]{error}[/]")
        raise SystemExit(1) from None

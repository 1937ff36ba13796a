"""Taking evidence along from a shell: find the checkpoint to export up to, write the file, enter that it was taken."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.book import Book, Write, open_sqlite
from ledger.errors import LedgerError
from ledger.export import lines, table
from ledger.export.bundle import write_bundle
from ledger.export.choice import Choice
from ledger.log.checkpoint import Checkpoint, Signer, open_checkpoint
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Store
from ledger.streams.house import Exported, Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was written: how many entries of a log of `size`, the file's SHA-256, and the entry that says so, if any."""

    entries: int
    size: int
    sha256: str
    seq: int | None


def take(
    output: Path,
    kind: str,
    choice: Choice,
    home: Path,
    *,
    database: Path | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int], None],
) -> Taken:
    """Write `choice` to `output` and return what was taken.

    Args:
        kind: `bundle`, `jsonl` or `csv`.
        home: where ledger, keys and checkpoints of an installation stand.
        database: somebody's copy instead; it is only read, and nothing is entered there.
        checkpoint: the signed checkpoint a bundle goes up to; signed anew or the newest kept one when None.

    Raises:
        LedgerError: there is no ledger, no checkpoint, or no room at `output`.
    """
    path = database or home / "ledger.sqlite3"
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}; say --database, or set QM_HOME")
    if output.exists():
        raise LedgerError(f"{output} exists; name another file")
    book = Book(SqliteStore(path, read_only=True)) if database else open_sqlite(path)
    try:
        return _write(output, kind, choice, book, home, checkpoint, progress, enter=database is None)
    except OSError as error:
        raise LedgerError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        book.store.close()


def _write(
    output: Path,
    kind: str,
    choice: Choice,
    book: Book,
    home: Path,
    checkpoint: Path | None,
    progress: Callable[[int], None],
    *,
    enter: bool,
) -> Taken:
    counted = 0

    def count(so_far: int) -> None:
        nonlocal counted
        counted = so_far
        progress(so_far)

    size = book.store.size()
    if kind == "bundle":
        genesis = book.genesis()
        if genesis is None:
            raise LedgerError("the ledger is empty")
        note = note_of(book.store, genesis, home, checkpoint)
        covered = open_checkpoint(note, genesis.checkpoint_key).size
        if covered > size:
            raise LedgerError(f"the checkpoint covers {covered} entries, and the ledger has {size}: verify it")
        size = covered
        sha256 = write_bundle(output, book.store, size, note, genesis.checkpoint_key, choice, count)
    else:
        sha256 = write_lines(output, kind, book.store, size, choice, count)
    seq = _enter(book, kind, choice, size, sha256) if enter else None
    return Taken(entries=counted, size=size, sha256=sha256, seq=seq)


def note_of(store: Store, genesis: Opened, home: Path, given: Path | None) -> str:
    """The checkpoint to export up to: the one given, one signed now, or the newest that was kept."""
    if given is not None:
        return given.read_text(encoding="utf-8")
    key = home / "keys" / "checkpoint.key"
    if key.exists():
        signer = Signer.at(key, genesis.checkpoint_key.partition("+")[0])
        if signer.verifier_key == genesis.checkpoint_key:
            size = store.size()
            return signer.sign(Checkpoint(origin=genesis.origin, size=size, root=store.root(size)))
    kept = sorted((home / "checkpoints").glob("*.txt"))
    if not kept:
        raise LedgerError(f"there is no checkpoint in {home / 'checkpoints'}; give one with --checkpoint")
    return kept[-1].read_text(encoding="utf-8")


def _counted(entries: Iterator[bytes], count: Callable[[int], None]) -> Iterator[bytes]:
    for so_far, line in enumerate(entries, start=1):
        yield line
        count(so_far)


def write_lines(
    output: Path, kind: str, store: Store, size: int, choice: Choice, progress: Callable[[int], None] = lambda _: None
) -> str:
    """Write `choice` of the first `size` entries as `jsonl` or `csv` and return the file's SHA-256."""
    digest = hashlib.sha256()
    with output.open("xb") as file:
        for line in _counted(_lines(kind, store, size, choice), progress):
            digest.update(line)
            file.write(line)
    return digest.hexdigest()


def _lines(kind: str, store: Store, size: int, choice: Choice) -> Iterator[bytes]:
    """A piece an entry: the table's head comes with its first."""
    if kind == "jsonl":
        yield from lines.lines(store, size, choice)
        return
    rows = table.lines(choice.entries(store, size, neighbours=False))
    head = table.BYTE_ORDER_MARK + next(rows)
    for row in rows:
        yield f"{head}{row}".encode()
        head = ""
    if head:
        yield head.encode()


def _enter(book: Book, kind: str, choice: Choice, size: int, sha256: str) -> int:
    actor = f"os:{os.environ.get('USER') or os.getuid()}"
    places = choice.places(book.store, size)
    entry = Exported(by=actor, format=kind, start=places.start, stop=max(places.start, places.stop), sha256=sha256)
    return book.append(Write(stream="audit", expected=ANY, entries=(entry,), actor=actor)).seqs[0]

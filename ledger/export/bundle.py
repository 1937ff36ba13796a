"""The bundle: a ZIP an auditor takes along. Entries with their bytes as hashed, every leaf hash, checkpoint, key, a table.

Reading is strict: a file that writing would not have produced is refused, so that no two readers see two bundles.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ledger.errors import MalformedError, TamperedError
from ledger.export import table
from ledger.export.choice import Choice, Claim
from ledger.log.canonical import format_time, parse_entry, parse_time
from ledger.log.merkle import HASH_SIZE, leaf_hash
from ledger.log.rows import stored_from
from ledger.log.store import Sealed, Store, Stored

__all__ = ["Bundle", "Choice", "Claim", "read_bundle", "write_bundle"]

ABOUT: Final = "bundle.json"
ENTRIES: Final = "entries.jsonl"
LEAVES: Final = "leaves.txt"
CHECKPOINT: Final = "checkpoint.txt"
KEY: Final = "key.txt"
TABLE: Final = "entries.csv"
FORMAT: Final = 1
_NAMES: Final = (ABOUT, ENTRIES, LEAVES, CHECKPOINT, KEY, TABLE)
_STAMP: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o100644 << 16
_PAGE: Final = 4096

Progress = Callable[[int], None]
"""Told after each entry how many are written."""


def _quietly(count: int) -> None:
    del count


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle holds: the chosen entries, the leaf hashes of the whole log, checkpoint and key.

    Args:
        complete: every entry of the log up to the checkpoint is here; only then can the law be replayed.
        claim: what it says of the entries that are not here.
        since, until: the period, for a claim of one.
    """

    entries: tuple[Stored, ...]
    leaves: tuple[bytes, ...]
    checkpoint: str
    key: str
    complete: bool
    claim: Claim = Claim.NOTHING
    since: datetime | None = None
    until: datetime | None = None
    table: str | None = None
    """What people read; None where there is no file."""

    @property
    def table_is_true(self) -> bool:
        """Whether the table is the one these entries make."""
        return self.table is None or self.table == table.BYTE_ORDER_MARK + "".join(table.lines(self.entries))


def write_bundle(
    path: Path, store: Store, size: int, checkpoint: str, key: str, choice: Choice, progress: Progress = _quietly
) -> str:
    """Write the bundle of the first `size` entries to `path` and return the file's SHA-256, 64 hex digits.

    The same log, choice and checkpoint give the same bytes. An interrupted write leaves nothing at `path`.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            count = _put_entries(archive, choice.entries(store, size), progress)
            _put(archive, LEAVES, _leaf_lines(store, size))
            _put(archive, ABOUT, [_about(choice, size, count)])
            _put(archive, CHECKPOINT, [checkpoint])
            _put(archive, KEY, [f"{key}\n"])
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Return what the file at `path` holds.

    Raises:
        MalformedError: it is no bundle, or not as writing would have made it.
        TamperedError: one of its entries is not an entry.
    """
    parts = _parts(path)
    try:
        about = json.loads(parts[ABOUT])
        choice = Choice(since=_time(about["since"]), until=_time(about["until"]), request=about["request"])
        entries = tuple(_stored(number, line) for number, line in enumerate(parts[ENTRIES].splitlines()))
        leaves = tuple(_leaf(line) for line in parts[LEAVES].splitlines())
        again = _about(choice, about["size"], len(entries))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"{path.name}: {error}") from error
    _as_written(ABOUT, parts, again)
    if about["size"] != len(leaves):
        raise MalformedError(f"{ABOUT} says {about['size']} entries, {LEAVES} has {len(leaves)}")
    _as_written(ENTRIES, parts, "".join(map(_line, entries)))
    _as_written(LEAVES, parts, "".join(f"{leaf.hex()}\n" for leaf in leaves))
    return Bundle(
        entries=entries,
        leaves=leaves,
        checkpoint=parts[CHECKPOINT],
        key=parts[KEY].strip(),
        complete=choice.claim is Claim.EVERYTHING,
        claim=choice.claim,
        since=choice.since,
        until=choice.until,
        table=parts[TABLE],
    )


def _parts(path: Path) -> dict[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each.filename for each in archive.infolist()]
            if sorted(names) != sorted(_NAMES):
                raise MalformedError(f"{path.name} holds {', '.join(names)}; a bundle holds {', '.join(_NAMES)}")
            return {name: archive.read(name).decode() for name in _NAMES}
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise MalformedError(f"{path.name} is not a bundle: {error}") from error


def _as_written(name: str, parts: dict[str, str], again: str) -> None:
    if parts[name] != again:
        raise MalformedError(f"{name} is not as a bundle is written")


def _about(choice: Choice, size: int, count: int) -> str:
    about = {
        "format": FORMAT,
        "size": size,
        "entries": count,
        "complete": choice.claim is Claim.EVERYTHING,
        "claim": choice.claim.value,
        "since": None if choice.since is None else format_time(choice.since),
        "until": None if choice.until is None else format_time(choice.until),
        "request": choice.request,
    }
    return json.dumps(about, indent=1) + "\n"


def _put_entries(archive: zipfile.ZipFile, entries: Iterable[Stored], progress: Progress) -> int:
    """Write entries and table in one pass over the log; the table waits in a file of its own."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as waiting:
        waiting.write(table.BYTE_ORDER_MARK)
        count = 0

        def told() -> Iterator[Stored]:
            nonlocal count
            with archive.open(_member(ENTRIES), "w", force_zip64=True) as file:
                for count, stored in enumerate(entries, start=1):
                    file.write(_line(stored).encode())
                    progress(count)
                    yield stored

        waiting.writelines(table.lines(told()))
        waiting.seek(0)
        _put(archive, TABLE, iter(lambda: waiting.read(1 << 20), ""))
    return count


def _leaf_lines(store: Store, size: int) -> Iterator[str]:
    for start in range(0, size, _PAGE):
        yield "".join(f"{leaf.hex()}\n" for leaf in store.leaf_hashes(start, min(start + _PAGE, size)))


def _line(stored: Stored) -> str:
    sealed = {field: {"salt": seal.salt.hex(), "value": seal.value} for field, seal in stored.sealed.items()}
    record = {"seq": stored.seq, "bytes": base64.b64encode(stored.data).decode(), "sealed": sealed}
    return json.dumps(record, sort_keys=True) + "\n"


def _stored(number: int, line: str) -> Stored:
    record = json.loads(line)
    seq, data = record["seq"], base64.b64decode(record["bytes"], validate=True)
    if type(seq) is not int:
        raise ValueError(f"line {number + 1}: no place")
    sealed = {
        field: Sealed(field=field, salt=bytes.fromhex(seal["salt"]), value=seal["value"])
        for field, seal in record["sealed"].items()
    }
    try:
        envelope: dict[str, Any] = parse_entry(data)
    except MalformedError as error:
        raise TamperedError(seq, error.detail) from error
    return stored_from(seq, envelope, data, leaf_hash(data), sealed)


def _leaf(line: str) -> bytes:
    leaf = bytes.fromhex(line)
    if len(leaf) != HASH_SIZE:
        raise ValueError("a leaf hash has 32 bytes")
    return leaf


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _STAMP)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = _READABLE  # unzip would make files that nobody may read
    return member


def _put(archive: zipfile.ZipFile, name: str, texts: Iterable[str]) -> None:
    with archive.open(_member(name), "w", force_zip64=True) as file:
        for text in texts:
            file.write(text.encode())

"""The bundle: a ZIP an auditor takes along. Entries as JSON lines with their bytes as hashed, checkpoint, public key, CSV."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ledger.errors import MalformedError
from ledger.log.canonical import format_time, parse_entry, parse_time
from ledger.log.store import Sealed, Store, Stored

ENTRIES: Final = "entries.jsonl"
LEAVES: Final = "leaves.txt"
CHECKPOINT: Final = "checkpoint.txt"
KEY: Final = "key.txt"
TABLE: Final = "entries.csv"
ABOUT: Final = "bundle.json"
FORMAT: Final = 1
_STAMP: Final = (1980, 1, 1, 0, 0, 0)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle holds: the chosen entries, the leaf hashes of the whole log, checkpoint and key.

    Args:
        complete: every entry of the log up to the checkpoint is here; only then can the law be replayed.
    """

    entries: tuple[Stored, ...]
    leaves: tuple[bytes, ...]
    checkpoint: str
    key: str
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which entries go into an export: of a period [since, until) and of one request, where given."""

    since: datetime | None = None
    until: datetime | None = None
    request: int | None = None

    def takes(self, stored: Stored) -> bool:
        """Whether this entry is chosen."""
        return (
            (self.since is None or stored.at >= self.since)
            and (self.until is None or stored.at < self.until)
            and (self.request is None or stored.stream == f"request:{self.request}")
        )


def write_bundle(path: Path, store: Store, size: int, checkpoint: str, key: str, choice: Choice) -> str:
    """Write the bundle of the first `size` entries to `path` and return the file's SHA-256, 64 hex digits."""
    entries = [stored for stored in store.scan(0, size) if choice.takes(stored)]
    about = {"format": FORMAT, "size": size, "entries": len(entries), "complete": len(entries) == size}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, ABOUT, json.dumps(about, indent=1) + "\n")
        _put(archive, ENTRIES, "".join(f"{_line(stored)}\n" for stored in entries))
        _put(archive, LEAVES, "".join(f"{leaf.hex()}\n" for leaf in store.leaf_hashes(0, size)))
        _put(archive, CHECKPOINT, checkpoint)
        _put(archive, KEY, f"{key}\n")
        _put(archive, TABLE, table(entries))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Return what the file at `path` holds; raises MalformedError when it is no bundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name).decode() for name in (ABOUT, ENTRIES, LEAVES, CHECKPOINT, KEY)}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise MalformedError(f"{path.name} is not a bundle: {error}") from error
    try:
        about = json.loads(parts[ABOUT])
        entries = tuple(_stored(line) for line in parts[ENTRIES].splitlines())
        leaves = tuple(bytes.fromhex(line) for line in parts[LEAVES].splitlines())
        complete = bool(about["complete"])
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedError(f"{path.name}: {error}") from error
    return Bundle(
        entries=entries, leaves=leaves, checkpoint=parts[CHECKPOINT], key=parts[KEY].strip(), complete=complete
    )


def table(entries: Iterable[Stored]) -> str:
    """Return the entries as CSV for a spreadsheet: RFC 4180, and no cell that a spreadsheet would run as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["seq", "at", "stream", "version", "kind", "actor", "id", "leaf_hash", "body"])
    for stored in entries:
        row: Sequence[Any] = (
            stored.seq,
            format_time(stored.at),
            stored.stream,
            stored.version,
            stored.kind,
            stored.actor,
            stored.id,
            stored.leaf_hash.hex(),
            json.dumps(_readable(stored), ensure_ascii=False, sort_keys=True),
        )
        writer.writerow([_safe(cell) for cell in row])
    return out.getvalue()


def _readable(stored: Stored) -> dict[str, Any]:
    """The body, with the personal values that are left beside their commitments."""
    values = {field: seal.value for field, seal in stored.sealed.items()}
    return {**stored.body, **({"personal": values} if values else {})}


def _safe(cell: Any) -> str:
    text = str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(stored: Stored) -> str:
    sealed = {field: {"salt": seal.salt.hex(), "value": seal.value} for field, seal in stored.sealed.items()}
    record = {"seq": stored.seq, "bytes": base64.b64encode(stored.data).decode(), "sealed": sealed}
    return json.dumps(record, sort_keys=True)


def _stored(line: str) -> Stored:
    record = json.loads(line)
    data = base64.b64decode(record["bytes"], validate=True)
    envelope = parse_entry(data)
    sealed = {
        field: Sealed(field=field, salt=bytes.fromhex(seal["salt"]), value=seal["value"])
        for field, seal in record["sealed"].items()
    }
    return Stored(
        seq=record["seq"],
        id=envelope["id"],
        stream=envelope["stream"],
        version=envelope["version"],
        kind=envelope["kind"],
        v=envelope["v"],
        at=parse_time(envelope["at"]),
        actor=envelope["actor"],
        body=envelope["body"],
        data=data,
        leaf_hash=b"",
        sealed=sealed,
    )


def _put(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(name, _STAMP), text, zipfile.ZIP_DEFLATED)

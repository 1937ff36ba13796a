"""Entries for a spreadsheet: RFC 4180, and no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from ledger.log.canonical import format_time
from ledger.log.store import Stored

HEAD: Final = ("seq", "at", "stream", "version", "kind", "actor", "id", "leaf_hash", "body")
BYTE_ORDER_MARK: Final = "\ufeff"
"""In front of the file: without it Excel reads UTF-8 as something else."""
_FORMULA: Final = frozenset("=+-@|%'")


def lines(entries: Iterable[Stored]) -> Iterator[str]:
    """Yield the table's lines, the head first, each with its end; personal values that are left stand in the body."""
    out = csv.writer(_Line())
    yield out.writerow(HEAD)  # writerow returns what `write` does
    for stored in entries:
        yield out.writerow([safe(cell) for cell in _cells(stored)])


def safe(cell: object) -> str:
    """Return the cell's text, with an apostrophe in front where a spreadsheet could read it as a formula.

    Spreadsheets skip what does not print and take full-width signs for plain ones, so this does too. A text that begins
    with an apostrophe gets another, so that taking one away always gives the text back.
    Source: OWASP, CSV Injection.
    """
    text = str(cell)
    return f"'{text}" if _may_run(text) else text


def _may_run(text: str) -> bool:
    if text[:1] in {"\t", "\r", "\n"}:
        return True
    visible = text.lstrip().lstrip("\x00\u200b\u200e\u200f\u2060\ufeff").lstrip()
    return unicodedata.normalize("NFKC", visible[:1])[:1] in _FORMULA


def readable(stored: Stored) -> dict[str, Any]:
    """Return the body, with the personal values that are left beside their commitments."""
    values = {field: seal.value for field, seal in stored.sealed.items()}
    return {**stored.body, **({"personal": values} if values else {})}


def _cells(stored: Stored) -> Sequence[object]:
    return (
        stored.seq,
        format_time(stored.at),
        stored.stream,
        stored.version,
        stored.kind,
        stored.actor,
        stored.id,
        stored.leaf_hash.hex(),
        orjson.dumps(readable(stored), option=orjson.OPT_SORT_KEYS).decode(),
    )


class _Line:
    """A file for csv.writer that hands each line back."""

    def write(self, line: str) -> str:
        return line

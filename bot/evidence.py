"""Taking evidence along: what is chosen is written and verified, and the export is an entry itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bot.errors import Reason, Refused
from bot.house import House
from bot.periods import Period, period_in
from ledger.audit import Verdict, verify_bundle, verify_store
from ledger.book import Write
from ledger.export.bundle import Choice, read_bundle, write_bundle
from ledger.export.take import write_lines
from ledger.log.store import ANY
from ledger.streams.house import Exported

FORMATS: Final = ("bundle", "csv", "jsonl")
ONLY_AUDITORS: Final = "Only an auditor exports the ledger."
_REQUEST: Final = re.compile(r"\b(?:REQ-|#)([1-9][0-9]{2,8})\b", re.IGNORECASE)
_FORMAT: Final = re.compile(rf"\b({'|'.join(FORMATS)}|zip)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants exported: everything, a period, a request; as a bundle, a table or JSON lines."""

    period: Period | None = None
    request: int | None = None
    form: str = "bundle"

    @property
    def words(self) -> str:
        """What was chosen, for people."""
        if self.request is not None:
            return f"REQ-{self.request}"
        return str(self.period) if self.period else "the whole ledger"


def wish_in(text: str, now: datetime) -> Wish | None:
    """Return what `text` asks to export, None when it says something that is no period, request or format."""
    found, form = _REQUEST.search(text), _FORMAT.search(text)
    rest = _FORMAT.sub(" ", _REQUEST.sub(" ", text))
    period = period_in(rest, now)
    asked = re.sub(r"\b(export|everything|all|please|as|the|for|of|ledger|audit|evidence|me)\b", " ", rest.casefold())
    if period is None and asked.strip(" .!?"):
        return None
    word = form[1].casefold() if form else "bundle"
    return Wish(period=period, request=int(found[1]) if found else None, form="bundle" if word == "zip" else word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file on disk, with what was verified about it."""

    wish: Wish
    path: Path
    sha256: str
    verdict: Verdict
    entries: int
    seq: int
    size: int


def export(house: House, slack: str, subject: str, wish: Wish) -> Export | Refused:
    """Write a file for a person whom the policy lets export; refused in words otherwise."""
    if house.policy.current().may(f"user:{slack}", "export", "desk:audit") is None:
        return Refused(reason=Reason.NOT_ALLOWED, detail=ONLY_AUDITORS)
    size = house.book.store.size()
    now = house.book.clock().astimezone(UTC)
    suffix = {"bundle": "zip"}.get(wish.form, wish.form)
    path = house.home / "exports" / f"quartermaster-{now:%Y%m%d-%H%M%S}-{size}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    period = wish.period
    choice = Choice(
        since=period.since if period else None, until=period.until if period else None, request=wish.request
    )
    write = _bundle if wish.form == "bundle" else _lines
    sha256, verdict, entries = write(house, path, size, choice)
    entry = Exported(by=subject, format=wish.form, start=0, stop=size, sha256=sha256)
    receipt = house.book.append(Write(stream="audit", expected=ANY, entries=(entry,), actor=subject))
    return Export(wish=wish, path=path, sha256=sha256, verdict=verdict, entries=entries, seq=receipt.seqs[0], size=size)


def _bundle(house: House, path: Path, size: int, choice: Choice) -> tuple[str, Verdict, int]:
    sha256 = write_bundle(path, house.book.store, size, house.checkpoint(), house.signer.verifier_key, choice)
    bundle = read_bundle(path)
    return sha256, verify_bundle(bundle, key=house.signer.verifier_key), len(bundle.entries)


def _lines(house: House, path: Path, size: int, choice: Choice) -> tuple[str, Verdict, int]:
    """The entries as CSV or JSON lines. They prove nothing by themselves; what is verified is the ledger they were taken from."""
    counted = 0

    def count(so_far: int) -> None:
        nonlocal counted
        counted = so_far

    sha256 = write_lines(path, path.suffix.removeprefix("."), house.book.store, size, choice, count)
    return sha256, verify_store(house.book.store), counted

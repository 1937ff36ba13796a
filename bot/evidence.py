"""Taking evidence along: the export is an entry itself, then the bundle is written and verified before it is handed out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from bot.errors import Reason, Refused
from bot.house import House
from ledger.audit import Verdict, verify_bundle
from ledger.book import Write
from ledger.export.bundle import Choice, read_bundle, write_bundle
from ledger.log.store import ANY
from ledger.streams.house import Exported


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A bundle on disk, with what was verified about it."""

    path: Path
    sha256: str
    verdict: Verdict
    entries: int
    seq: int


def export(house: House, slack: str, subject: str, choice: Choice) -> Export | Refused:
    """Write a bundle for a person whom the policy lets export; refused in words otherwise."""
    if house.policy.current().may(f"user:{slack}", "export", "desk:audit") is None:
        return Refused(reason=Reason.NOT_ALLOWED, detail="Only an auditor exports the ledger.")
    size = house.book.store.size()
    now = house.book.clock().astimezone(UTC)
    path = house.home / "exports" / f"quartermaster-{now:%Y%m%d-%H%M%S}-{size}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = write_bundle(path, house.book.store, size, house.checkpoint(), house.signer.verifier_key, choice)
    entry = Exported(by=subject, format="bundle", start=0, stop=size, sha256=digest)
    receipt = house.book.append(Write(stream="audit", expected=ANY, entries=(entry,), actor=subject))
    bundle = read_bundle(path)
    return Export(
        path=path,
        sha256=digest,
        verdict=verify_bundle(bundle, key=house.signer.verifier_key),
        entries=len(bundle.entries),
        seq=receipt.seqs[0],
    )

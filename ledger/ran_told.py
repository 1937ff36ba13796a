"""What ran, told to people and programs with its proof: from a ledger, or from a bundle alone, which is verified first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from ledger.audit import Verdict, verify_bundle
from ledger.book import Book
from ledger.errors import LedgerError
from ledger.exits import FAULT, NOT_ANCHORED
from ledger.export.bundle import Bundle, read_bundle
from ledger.export.take import note_of
from ledger.log.checkpoint import open_checkpoint
from ledger.log.merkle import verify_inclusion
from ledger.ran import Beside, Proof, Ran, Step, of_bundle, of_store, ran_at
from ledger.streams import law_of
from ledger.streams.codec import entry_of
from ledger.streams.house import Enrolled
from ledger.streams.model import Share, short

_CURRENT: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What ran, under which checkpoint; of a bundle also what verifying it found."""

    moment: datetime
    environment: str | None
    found: tuple[Ran, ...]
    checkpoint: str
    names: dict[str, str]
    verdict: Verdict | None = None
    begins: datetime | None = None
    """Where a bundle of a period begins."""

    @property
    def status(self) -> int:
        """The exit status: 0 for a ledger of one's own, else that of the verification."""
        if self.verdict is None or (self.verdict.sound and self.verdict.anchored):
            return 0
        return NOT_ANCHORED if self.verdict.sound else FAULT

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs, with everything that checking it needs."""
        return {
            "at": self.moment.isoformat(),
            "environment": self.environment,
            "ran": [_ran_json(each) for each in self.found],
            "checkpoint": self.checkpoint,
            "verified": None if self.verdict is None else _verdict_words(self.verdict),
        }

    def tell(self, console: Console, *, as_json: bool = False) -> None:
        """Say it, to people or to programs."""
        if as_json:
            console.print_json(data=self.as_json(), indent=1)
        elif self.verdict is not None and not self.verdict.sound:
            console.print(f"[bold red]Not verified:[/] {escape(_verdict_words(self.verdict))}", soft_wrap=True)
        else:
            self._tell_found(console)

    def _tell_found(self, console: Console) -> None:
        if not self.found:
            where = f" in {self.environment}" if self.environment else ""
            console.print(f"Nothing was routed{where} yet at {self.moment:{_CURRENT}} UTC.", highlight=False)
        for each in self.found:
            self._tell_one(each, console)
        if self.begins is not None:
            since = f"{self.begins:{_CURRENT}} UTC"
            console.print(f"What was routed or loaded before {since}, and not since, is not in this bundle.")
        if self.verdict is not None:
            colour = "green" if self.verdict.anchored else "yellow"
            console.print(f"[{colour}]{_verdict_words(self.verdict)}[/]", highlight=False, soft_wrap=True)

    def _tell_one(self, ran: Ran, console: Console) -> None:
        lines = (
            f"[bold]{escape(ran.model)}[/] in {escape(ran.environment)}: {shares_words(ran.shares)}",
            f"  since {ran.by.at:{_CURRENT}} UTC, {escape(self._ordered(ran.by))}",
            f"  {_place_words(ran.by.proof)}",
            *(line for each in ran.adapters for line in self._beside(each, ran.shares)),
            f"  in the tree of {ran.by.proof.size} entries, root {ran.by.proof.root.hex()}",
        )
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)

    def _beside(self, beside: Beside, shares: tuple[Share, ...]) -> Iterator[str]:
        version = next((each.version for each in shares if each.digest == beside.base), short(beside.base))
        where = f" beside {escape(version)}" if len(shares) > 1 else ""
        yield f"  with adapter [bold]{escape(beside.adapter)}[/] ({short(beside.digest)}){where}"
        since = f"since {beside.since:{_CURRENT}} UTC"
        if beside.since != beside.loading.at:
            since += f", when its version came back; loaded {beside.loading.at:{_CURRENT}} UTC"
        yield f"    {since}, {escape(self._ordered(beside.loading))}"
        yield f"    {_place_words(beside.loading.proof)}"
        if beside.ending is None:
            yield "    not ended yet where this bundle ends" if self.verdict is not None else "    still loaded"
            return
        how = "unloaded" if beside.unloaded else "when its version answered no more,"
        yield f"    until {beside.ending.at:{_CURRENT}} UTC, {how} {escape(self._ordered(beside.ending))}"
        yield f"    {_place_words(beside.ending.proof)}"

    def _ordered(self, step: Step) -> str:
        if step.ordered is None:
            return f"by itself: {step.why}"
        if step.request is None:
            return f"by REQ-{step.ordered}, which this bundle does not hold"
        people = " and ".join(self.names.get(each, each) for each in step.approvers)
        asker = self.names.get(step.request.asker, step.request.asker)
        decision = step.request.decision
        by = people or f"rule {', '.join(decision.rules)}" if decision is not None else people
        return f"by REQ-{step.ordered}, asked by {asker}, approved by {by}"


def parse_moment(text: str) -> datetime:
    """Return the time that `text` names, UTC where it names no zone; raises LedgerError when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise LedgerError(f"{text[:80]} is not a day or a time; write 2026-11-01 or 2026-11-01T12:00") from None
    return (moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def shares_words(shares: tuple[Share, ...]) -> str:
    """Return `3.2.1 (0123456789ab)`; with percentages when several share the calls."""
    whole = len(shares) == 1
    return ", ".join(
        f"{each.version} ({short(each.digest)})"
        if whole
        else f"{each.percent}\N{NO-BREAK SPACE}% {each.version} ({short(each.digest)})"
        for each in shares
    )


def from_book(book: Book, home: Path, moment: datetime, environment: str | None) -> Answer:
    """Return what a ledger says, under a checkpoint signed now or the newest that was kept.

    Raises:
        LedgerError: there is no checkpoint, or the ledger is not the one that it covers.
    """
    genesis = book.genesis()
    if genesis is None:
        raise LedgerError("the ledger is empty")
    note = note_of(book.store, genesis, home, None)
    checkpoint = open_checkpoint(note, genesis.checkpoint_key)
    found = ran_at(of_store(book.store, checkpoint.size), moment, environment=environment)
    for proof in (proof for each in found for proof in each.proofs):
        verify_inclusion(proof.leaf, proof.seq, checkpoint.size, proof.siblings, checkpoint.root)
    names = {subject: slack for subject, slack in book.people().slack_of if slack is not None}
    return Answer(moment=moment, environment=environment, found=found, checkpoint=note, names=names)


def from_bundle(path: Path, key: str | None, moment: datetime, environment: str | None) -> Answer:
    """Return what a bundle says, verified first; what is not sound answers nothing.

    Raises:
        LedgerError: it is no bundle, or does not reach back to that time.
    """
    bundle = read_bundle(path)
    verdict = verify_bundle(bundle, key=key)
    source = of_bundle(bundle)
    found = ran_at(source, moment, environment=environment) if verdict.sound else ()
    return Answer(
        moment=moment,
        environment=environment,
        found=found,
        checkpoint=bundle.checkpoint,
        names=_names(bundle),
        verdict=verdict,
        begins=source.begins,
    )


def _names(bundle: Bundle) -> dict[str, str]:
    """The Slack ids of those who are enrolled in the bundle, as far as they are not erased."""
    people = (entry_of(each, law_of("people").entries) for each in bundle.entries if each.stream == "people")
    enrolled = (each for each in people if isinstance(each, Enrolled))
    return {each.subject: each.slack.value for each in enrolled if each.slack.value is not None}


def _verdict_words(verdict: Verdict) -> str:
    if not verdict.sound:
        where = f"entry {verdict.bad}: " if verdict.bad is not None else ""
        return f"{where}{verdict.fault} {verdict.detail}".strip()
    return (
        "Verified against the key you gave."
        if verdict.anchored
        else "Consistent, not anchored: give --key from outside to verify."
    )


def _place_words(proof: Proof) -> str:
    return f"entry {proof.seq}, leaf {proof.leaf.hex()}"


def _ran_json(ran: Ran) -> dict[str, Any]:
    return {
        "model": ran.model,
        "environment": ran.environment,
        "shares": [{"version": s.version, "digest": s.digest, "percent": s.percent} for s in ran.shares],
        "since": ran.by.at.isoformat(),
        **_step_json(ran.by),
        "adapters": [_beside_json(each) for each in ran.adapters],
    }


def _beside_json(beside: Beside) -> dict[str, Any]:
    ending = beside.ending
    return {
        "adapter": beside.adapter,
        "digest": beside.digest,
        "base": beside.base,
        "since": beside.since.isoformat(),
        "until": None if ending is None else ending.at.isoformat(),
        "loaded": {"at": beside.loading.at.isoformat(), **_step_json(beside.loading)},
        "ended": None if ending is None else {"unloaded": beside.unloaded, **_step_json(ending)},
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "request": None if step.ordered is None else f"REQ-{step.ordered}",
        "asked_by": step.request.asker if step.request is not None else None,
        "approved_by": list(step.approvers),
        "why": step.why,
        "proof": step.proof.as_json(),
    }

"""Law between streams: refused by expected versions when written, found by verification when written around."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.audit import Kind, verify_store
from ledger.book import Write, open_memory
from ledger.errors import VersionConflictError
from ledger.nouns import Decision, Effect, GpuForm, Personal
from ledger.streams.codec import digest
from ledger.streams.halt import STREAM, Halted, Lifted
from ledger.streams.holding import Claimed, stream_of
from ledger.streams.request import Approved, Decided, Phase, Submitted

ASKER, KOFI, ADA = "user:" + "a" * 32, "user:" + "b" * 32, "user:" + "c" * 32
FORM = GpuForm(resource="gpu:p", gpu_type="t", gpus=1, duration_s=3600)
AUTO = Decision(effect=Effect.PERMIT, rules=("r",), auto=True)


def book():
    return open_memory(clock=lambda: datetime(2026, 11, 24, 9, tzinfo=UTC))


def submit(made, *entries):
    said = Submitted(
        request=1,
        asker=ASKER,
        beneficiary=ASKER,
        form=FORM,
        form_digest=digest(FORM),
        purpose=Personal(""),
        said=Personal(""),
    )
    decided = Decided(phase=Phase.SUBMIT, form_digest=digest(FORM), decision=AUTO)
    made.append(Write(stream="request:1", expected=0, entries=(said, decided, *entries), actor=ASKER))


def halt(made):
    entry = Halted(resource="*", by=KOFI, rule="admin-halt", reason=Personal("fire"))
    made.append(Write(stream=STREAM, expected=made.halts().version, entries=(entry,), actor=KOFI))


def test_a_write_without_entries_insists_that_nothing_moved():
    made = book()
    seen = made.halts().version
    halt(made)
    claim = Write(stream=stream_of(ASKER), expected=0, entries=(Claimed(request=1),), actor=ASKER)
    with pytest.raises(VersionConflictError):
        made.append(claim, Write(stream=STREAM, expected=seen, entries=(), actor=ASKER))
    assert made.holding(ASKER).version == 0
    made.append(claim, Write(stream=STREAM, expected=made.halts().version, entries=(), actor=ASKER))
    assert made.holding(ASKER).request == 1


def test_an_approval_written_around_a_halt_is_found():
    made = book()
    submit(made)
    halt(made)
    made.append(Write(stream="request:1", expected=2, entries=(Approved(form_digest=digest(FORM)),), actor=ASKER))
    verdict = verify_store(made.store)
    assert (verdict.fault, verdict.bad) == (Kind.UNLAWFUL, 3)
    assert "halted since entry 2" in verdict.detail


def test_before_and_after_a_halt_nothing_is_wrong():
    made = book()
    submit(made, Approved(form_digest=digest(FORM)))
    halt(made)
    entry = Lifted(resource="*", by=ADA, rule="admin-lift", reason=Personal("out"))
    made.append(Write(stream=STREAM, expected=1, entries=(entry,), actor=ADA))
    assert verify_store(made.store).sound

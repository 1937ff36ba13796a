"""A short history that touches every law of seats, and the bundle of it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ledger.export.bundle import Choice, write_bundle
from ledger.log.checkpoint import Checkpoint, Signer
from ledger.log.memory import MemoryStore
from ledger.log.store import ANY, Move
from ledger.nouns import Access, DataForm, Decision, Effect, Enforcement, Fact, GpuForm, Personal, Receipt, Seat, Usage
from ledger.streams import budget, halt, house
from ledger.streams import request as req
from ledger.streams.codec import digest, draft

ORIGIN = "quartermaster/demo/0123456789abcdef"
ASKER, LEAD, OWNER, OTHER = ("user:" + letter * 32 for letter in "abcd")
FORM = GpuForm(resource="gpu:p", gpu_type="t", gpus=4, duration_s=3600)
DATA = DataForm(resource="data:d", access=Access.READ, duration_s=7200, columns=("x", "y"))
TWO = (Seat(name="asker-lead", count=1, team="team:a"), Seat(name="owner-lead", count=1, team="team:b"))
PERMIT = Decision(
    effect=Effect.PERMIT, rules=("r1",), seats=TWO, policy="p" * 64, facts=(Fact(name="gpus", value=4, source="form"),)
)
RECEIPT = Receipt(executor="memory", enforcement=Enforcement.ADVISORY, devices=("gpu-01:0",), simulated=True)
START = datetime(2026, 11, 24, 9, tzinfo=UTC)


def submitted(number, form=FORM, **other):
    fields = {"asker": ASKER, "beneficiary": ASKER, "form_digest": digest(form)} | other
    return req.Submitted(request=number, form=form, purpose=Personal("retrain"), said=Personal("4 h100"), **fields)


def decided(form=FORM, decision=PERMIT, phase=req.Phase.SUBMIT):
    return req.Decided(phase=phase, form_digest=digest(form), decision=decision)


def reviewed(who, seat, form=FORM, verdict=req.Verdict.APPROVE):
    return req.Reviewed(
        reviewer=who, seat=seat, verdict=verdict, form_digest=digest(form), rule="v1", reason=Personal("fine")
    )


def dispatched(form=FORM, generation=1):
    end = START + timedelta(hours=1)
    return req.Dispatched(
        generation=generation,
        grant_key="0" * 32,
        form_digest=digest(form),
        not_after=end,
        executor="memory",
        devices=(),
    )


LOWER = replace(FORM, gpus=2)
FEWER = replace(DATA, columns=("x",))
GENESIS = ("ledger", house.Opened(origin=ORIGIN, mode="demo", workspace="T0", checkpoint_key="k"), "os:qm")
ENROLLED = ("people", house.Enrolled(subject=ASKER, slack=Personal("U01MIRA")), "svc:desk")
APPROVED = [
    ("request:1001", submitted(1001), ASKER),
    ("request:1001", decided(), "svc:desk"),
    ("request:1001", reviewed(LEAD, "asker-lead"), LEAD),
    ("request:1001", reviewed(OWNER, "owner-lead"), OWNER),
    ("request:1001", req.Approved(form_digest=digest(FORM)), "svc:desk"),
]
HELD = [
    ("request:1001", dispatched(), "svc:worker"),
    ("request:1001", req.Started(generation=1, receipt=RECEIPT), "svc:worker"),
]
RELEASED = ("request:1001", req.Released(holder=ASKER), ASKER)
LONGER = replace(FORM, duration_s=7200)
STOP = halt.Halted(resource="*", by=LEAD, rule="admin-halt", reason=Personal("fire"))
GO_ON = halt.Lifted(resource="*", by=OTHER, rule="admin-lift", reason=Personal("out"))
ALLOTTED = budget.Allotted(window="2026-11", gpu_s=100, cost_minor=1000, currency="EUR", policy="0" * 64)
STOPPED = [("halt", STOP, LEAD), ("halt", GO_ON, OTHER)]


BY_RULE = Decision(effect=Effect.PERMIT, rules=("r",), auto=True, team="team:vision")
PAID_FOR = replace(BY_RULE, facts=(Fact(name="budget", value="vision", source="catalogue"),))
GPU_S = FORM.gpus * FORM.duration_s


def paid(*entries):
    return [("budget:vision", entry, "svc:desk") for entry in entries]


def agreed(number, decision=BY_RULE):
    """A request that a rule approved, three entries of one moment."""
    stream = f"request:{number}"
    return [
        (stream, submitted(number), ASKER),
        (stream, decided(decision=decision), ASKER),
        (stream, req.Approved(form_digest=digest(FORM)), ASKER),
    ]


def ended(number, gpu_s, cost_minor):
    """The end of a request that was agreed to, but for what its budget says of it."""
    stream = f"request:{number}"
    usage = Usage(held_s=1, gpu_s=gpu_s, cost_minor=cost_minor, currency="EUR")
    return [
        (stream, dispatched(), "svc:worker"),
        (stream, req.Started(generation=1, receipt=RECEIPT), "svc:worker"),
        (stream, req.Released(holder=ASKER), ASKER),
        (stream, req.Settled(usage=usage), "svc:worker"),
    ]


def booked(request, gpu_s=60, cost_minor=600, window="2026-11"):
    return budget.Reserved(request=request, window=window, gpu_s=gpu_s, cost_minor=cost_minor)


def more_asked(added_s=3600, form=LONGER):
    end = START + timedelta(hours=1, seconds=added_s)
    return req.ExtensionAsked(form=form, form_digest=digest(form), added_s=added_s, not_after=end)


def more_reviewed(who, seat, *, approve=True):
    return req.ExtensionReviewed(
        reviewer=who, seat=seat, approve=approve, form_digest=digest(LONGER), rule="v1", reason=Personal("go on")
    )


def more_asked_again():
    longer, end = replace(FORM, duration_s=10800), START + timedelta(hours=3)
    return req.ExtensionAsked(form=longer, form_digest=digest(longer), added_s=3600, not_after=end)


EXTENDED = [
    ("request:1001", more_asked(), ASKER),
    ("request:1001", req.ExtensionDecided(form_digest=digest(LONGER), decision=PERMIT), "svc:desk"),
    ("request:1001", more_reviewed(LEAD, "asker-lead"), LEAD),
    ("request:1001", more_reviewed(OWNER, "owner-lead"), OWNER),
    ("request:1001", req.Extended(form_digest=digest(LONGER), generation=2, not_after=more_asked().not_after), OWNER),
    ("request:1001", req.Prolonged(generation=2, receipt=RECEIPT), "svc:worker"),
    ("request:1001", req.Warned(not_after=more_asked().not_after), "svc:clock"),
    RELEASED,
]


def less(end=START + timedelta(minutes=40), form=None, generation=2, before=START + timedelta(hours=1), holder=ASKER):
    left = req.shorter(form or FORM, before, end)
    return req.Shortened(holder=holder, form=left, form_digest=digest(left), generation=generation, not_after=end)


def more_asked_sooner():
    longer, end = req.longer(less().form, 60, less().not_after), less().not_after + timedelta(minutes=1)
    return req.ExtensionAsked(form=longer, form_digest=digest(longer), added_s=60, not_after=end)


SHORTENED = [
    ("request:1001", less(), ASKER),
    ("request:1001", less(START + timedelta(minutes=30, seconds=1), less().form, 3, less().not_after), ASKER),
    ("request:1001", req.Prolonged(generation=3, receipt=RECEIPT), "svc:worker"),
    RELEASED,
]
LOWERED = [
    ("request:1002", submitted(1002), ASKER),
    ("request:1002", decided(), "svc:desk"),
    ("request:1002", reviewed(LEAD, "asker-lead"), LEAD),
    (
        "request:1002",
        req.Lowered(
            reviewer=OWNER, form=LOWER, form_digest=digest(LOWER), reason=Personal("two will do"), carried=(LEAD,)
        ),
        OWNER,
    ),
    ("request:1002", decided(LOWER, phase=req.Phase.LOWER), "svc:desk"),
    ("request:1002", reviewed(OWNER, "owner-lead", LOWER), OWNER),
    ("request:1002", req.Accepted(form_digest=digest(LOWER)), ASKER),
    ("request:1002", req.Approved(form_digest=digest(LOWER)), "svc:desk"),
    ("request:1002", req.Reopened(reviewer=LEAD, seat="asker-lead", why="no longer a lead"), "svc:worker"),
    ("request:1002", reviewed(OTHER, "asker-lead", LOWER), OTHER),
    ("request:1002", req.Approved(form_digest=digest(LOWER)), "svc:desk"),
]
DENIED = [
    ("request:1003", submitted(1003, DATA), ASKER),
    ("request:1003", decided(DATA), "svc:desk"),
    ("request:1003", reviewed(LEAD, "owner-lead", DATA, req.Verdict.DENY), LEAD),
]
STORY = [GENESIS, ENROLLED, *APPROVED, *HELD, RELEASED, *LOWERED, *DENIED]


@dataclass
class Evidence:
    """A history written around the law, and its bundle, signed by the key as only its holder can."""

    folder: object
    signer: Signer
    store: MemoryStore = field(init=False)

    def write(self, story, *, choice=None, minutes=1, origin=ORIGIN):
        times = iter(START + timedelta(minutes=minutes * number) for number in range(10_000))
        self.store = MemoryStore(projectors=(), schema=(), clock=lambda: next(times))
        for each in story:
            moment = each if isinstance(each, list) else [each]  # a list is one transaction
            self.store.append(
                [Move(stream=stream, expected=ANY, drafts=(draft(entry, actor=who),)) for stream, entry, who in moment]
            )
        return self.bundle(choice=choice, origin=origin)

    def note(self, size=None, origin=ORIGIN):
        size = self.store.size() if size is None else size
        return self.signer.sign(Checkpoint(origin=origin, size=size, root=self.store.root(size)))

    def bundle(self, *, choice=None, origin=ORIGIN):
        path = self.folder / "bundle.zip"
        write_bundle(
            path, self.store, self.store.size(), self.note(origin=origin), self.signer.verifier_key, choice or Choice()
        )
        return path


def unpacked(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def packed(path, files, *again):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in [*files.items(), *again]:
            archive.writestr(name, text)
    return path


def with_about(files, **changes):
    return files | {"bundle.json": json.dumps(json.loads(files["bundle.json"]) | changes, indent=1) + "\n"}

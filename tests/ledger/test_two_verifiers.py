"""Two verifiers, one written from the code's side and one from SPEC.md alone, must say the same of every bundle."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import ledger_tale as tale
import pytest
import second_verifier

from ledger.audit import Kind, verify_bundle
from ledger.errors import LedgerError, TamperedError
from ledger.export.bundle import Choice, read_bundle
from ledger.log.checkpoint import Signer
from ledger.nouns import Decision, Effect, Personal, Seat
from ledger.streams import house
from ledger.streams import request as req
from ledger.streams.budget import HandedBack, Spent
from ledger.streams.codec import digest


def first(path, key=None):
    """(sound, first bad entry) by ledger/audit.py."""
    try:
        verdict = verify_bundle(read_bundle(path), key=key)
    except TamperedError as error:
        return False, error.seq
    except LedgerError:
        return False, None
    return verdict.sound, verdict.bad


def second(path, key=None):
    """The same by the verifier that knows SPEC.md alone."""
    try:
        second_verifier.verify(path, key)
    except second_verifier.RefusedError as refused:
        return False, refused.seq
    return True, None


def test_the_second_verifier_imports_nothing_of_ours():
    text = Path(second_verifier.__file__).read_text()
    assert not [line for line in text.splitlines() if line.startswith(("import ledger", "from ledger"))]


@pytest.mark.parametrize("keyed", [False, True])
def test_a_good_bundle_is_good_to_both(evidence, keyed):
    path = evidence.write(tale.STORY)
    key = evidence.signer.verifier_key if keyed else None
    assert first(path, key) == second(path, key) == (True, None)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(request=1002),
        Choice(since=tale.START.replace(minute=3), until=tale.START.replace(minute=9)),
        Choice(until=tale.START.replace(minute=3)),
        Choice(since=tale.START.replace(minute=3)),
        Choice(since=tale.START.replace(minute=3, second=1), until=tale.START.replace(minute=3, second=2)),
        Choice(since=tale.START.replace(year=2030)),
    ],
    ids=["request", "period", "until", "since", "empty period", "later"],
)
def test_a_part_is_good_to_both(evidence, choice):
    path = evidence.write(tale.STORY, choice=choice)
    assert first(path) == second(path) == (True, None)


# -- bytes, tree, checkpoint ----------------------------------------------------------------------------------------------


def lines_of(files):
    return [json.loads(line) for line in files["entries.jsonl"].splitlines()]


def with_lines(files, lines):
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    return files | {"entries.jsonl": text}


def edit(seq, old, new):
    """Change an entry's bytes; its leaf stays."""

    def change(files):
        lines = lines_of(files)
        data = base64.b64decode(lines[seq]["bytes"])
        assert old in data
        lines[seq]["bytes"] = base64.b64encode(data.replace(old, new)).decode()
        return with_lines(files, lines)

    return change


def both(*changes):
    def change(files):
        for each in changes:
            files = each(files)
        return files

    return change


def leaf_follows(seq):
    def change(files):
        leaves = files["leaves.txt"].splitlines()
        data = base64.b64decode(lines_of(files)[seq]["bytes"])
        leaves[seq] = hashlib.sha256(b"\x00" + data).hexdigest()
        return files | {"leaves.txt": "".join(f"{leaf}\n" for leaf in leaves)}

    return change


def on_lines(act):
    def change(files):
        lines = lines_of(files)
        act(lines)
        return tale.with_about(with_lines(files, lines), entries=len(lines))

    return change


def text(name, old, new):
    def change(files):
        assert old in files[name], (name, old)
        return files | {name: files[name].replace(old, new, 1)}

    return change


def swap(lines):
    lines[4]["bytes"], lines[6]["bytes"] = lines[6]["bytes"], lines[4]["bytes"]


def swap_all(lines):
    lines[4], lines[6] = lines[6], lines[4]


def reseal(lines):
    lines[1]["sealed"]["slack"]["value"] = "U05ODILE"


def resalt(lines):
    lines[1]["sealed"]["slack"]["salt"] = "00" * 16


def misplace_seal(lines):
    lines[1]["sealed"] = {"subject": lines[1]["sealed"]["slack"]}


def cut_leaf(files):
    return files | {"leaves.txt": "".join(f"{leaf}\n" for leaf in files["leaves.txt"].splitlines()[:-1])}


ALTERED = {
    "altered": (edit(5, b"owner-lead", b"other-lead"), 5),
    "altered with its leaf": (both(edit(5, b"owner-lead", b"other-lead"), leaf_follows(5)), 0),
    "altered first": (edit(0, b'"demo"', b'"real"'), 0),
    "whitespace": (edit(3, b'"v":1', b'"v": 1'), 3),
    "swapped bytes": (on_lines(swap), 4),
    "swapped lines": (on_lines(swap_all), 4),
    "missing": (on_lines(lambda lines: lines.pop(7)), 7),
    "missing first": (on_lines(lambda lines: lines.pop(0)), 0),
    "missing last": (on_lines(lambda lines: lines.pop()), 23),
    "twice": (on_lines(lambda lines: lines.insert(7, lines[6])), 7),
    "another value": (on_lines(reseal), 1),
    "another salt": (on_lines(resalt), 1),
    "a value elsewhere": (on_lines(misplace_seal), 1),
    "beyond the log": (on_lines(lambda lines: lines[-1].update(seq=99)), 23),
    "cut tail": (
        both(on_lines(lambda lines: lines.pop()), cut_leaf, text("bundle.json", '"size": 24', '"size": 23')),
        23,
    ),
    "cut leaf": (cut_leaf, None),
    "leaf altered": (lambda f: f | {"leaves.txt": "00" * 32 + f["leaves.txt"][64:]}, 0),
    "leaf upper": (lambda f: f | {"leaves.txt": f["leaves.txt"].upper()}, None),
    "size": (text("bundle.json", '"size": 24', '"size": 23'), None),
    "claims less than it is": (lambda f: tale.with_about(f, complete=False), None),
    "claims a period without one": (lambda f: tale.with_about(f, claim="period"), None),
    "format": (lambda f: tale.with_about(f, format=2), None),
    "no claim": (lambda f: f | {"bundle.json": "{}"}, None),
    "not base64": (text("entries.jsonl", '"bytes": "', '"bytes": "!'), None),
    "a second key": (text("entries.jsonl", '{"bytes"', '{"seq": 9, "bytes"'), None),
    "checkpoint size": (text("checkpoint.txt", "\n24\n", "\n25\n"), None),
    "checkpoint size with a zero": (text("checkpoint.txt", "\n24\n", "\n024\n"), None),
    "checkpoint origin": (text("checkpoint.txt", "demo", "real"), None),
    "no signature": (lambda f: f | {"checkpoint.txt": f["checkpoint.txt"].partition("\n\n")[0] + "\n\n"}, None),
    "signed twice": (
        lambda f: f | {"checkpoint.txt": f["checkpoint.txt"] + f["checkpoint.txt"].partition("\n\n")[2]},
        None,
    ),
    "junk behind": (lambda f: f | {"checkpoint.txt": f["checkpoint.txt"] + "junk\n"}, None),
    "key name": (text("key.txt", "quartermaster", "someone"), None),
    "no key": (lambda f: f | {"key.txt": "\n"}, None),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_bundle_is_refused_by_both_at_the_same_entry(evidence, name):
    path = evidence.write(tale.STORY)
    change, seq = ALTERED[name]
    tale.packed(path, change(tale.unpacked(path)))
    if name == "beyond the log":  # either the place that is missing or the one that is not there
        assert not first(path)[0] and not second(path)[0]
        return
    if seq is None:
        assert (first(path)[0], second(path)[0]) == (False, False)
    else:
        assert first(path) == second(path) == (False, seq)


@pytest.mark.parametrize("extra", ["entries.jsonl", "more.txt"])
def test_a_file_too_many_is_refused_by_both(evidence, extra):
    path = evidence.write(tale.STORY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile says that the name stands twice
        tale.packed(path, tale.unpacked(path), (extra, ""))
    assert (first(path)[0], second(path)[0]) == (False, False)


def test_a_table_that_lies_is_refused(evidence):
    path = evidence.write(tale.STORY)
    files = tale.unpacked(path)
    tale.packed(path, files | {"entries.csv": files["entries.csv"].replace(tale.LEAD, tale.OTHER)})
    verdict = verify_bundle(read_bundle(path), key=evidence.signer.verifier_key)
    assert (verdict.fault, verdict.bad) == (Kind.ALTERED, None)
    assert "entries.csv" in verdict.detail


def test_an_earlier_checkpoint_shows_what_its_key_alone_does_not(evidence):
    """The key's holder writes another history and signs it: only what was kept earlier tells."""
    evidence.write(tale.STORY)
    kept = {size: evidence.note(size) for size in (5, 20, 24)}
    key = evidence.signer.verifier_key
    cut = read_bundle(evidence.write(tale.STORY[:20]))
    assert verify_bundle(cut, key=key).anchored  # sound and signed, and still not all of it
    whole = [*tale.STORY[:10], ("people", house.Enrolled(subject=tale.OTHER, slack=Personal("U9")), "svc:x")]
    forked = read_bundle(evidence.write(whole))
    for note, bundle, fault, bad in (
        (kept[24], cut, Kind.TRUNCATED, 20),
        (kept[20], forked, Kind.TRUNCATED, 11),
        (kept[5], forked, Kind.FORKED, 0),
    ):
        verdict = verify_bundle(bundle, key=key, note=note)
        assert (verdict.fault, verdict.bad, verdict.anchored) == (fault, bad, False)


def test_another_key_is_refused_by_both(evidence, tmp_path):
    path = evidence.write(tale.STORY)
    other = Signer.at(tmp_path / "other", "quartermaster").verifier_key
    assert first(path, other) == second(path, other) == (False, None)


def test_a_checkpoint_of_another_ledger_is_refused_by_both(evidence):
    path = evidence.write(tale.STORY, origin="quartermaster/demo/other")
    assert first(path) == second(path) == (False, 0)


def test_a_period_without_a_neighbour_is_refused_by_both(evidence):
    path = evidence.write(
        tale.STORY, choice=Choice(since=tale.START.replace(minute=3), until=tale.START.replace(minute=9))
    )
    whole = tale.unpacked(path)
    for index, seq in ((0, 2), (-1, 9), (3, 5)):
        tale.packed(path, on_lines(lambda lines, index=index: lines.pop(index))(whole))
        assert first(path) == second(path) == (False, seq)  # and not only because the table no longer fits


# -- the law of seats: histories that the key's holder writes around the program ------------------------------------------

A = tale.APPROVED
NOT_LOWER = replace(tale.FORM, gpus=5)


def seats(*named):
    decision = replace(tale.PERMIT, seats=tuple(Seat(name=name, count=count, team="t") for name, count in named))
    return ("request:1001", tale.decided(decision=decision), "svc:desk")


def review(who, seat, actor=None, **rest):
    return ("request:1001", tale.reviewed(who, seat, **rest), actor or who)


def kept(who, **rest):
    return replace(req.Kept(keeper=who, rule="vote-lead", policy="c" * 64, fails="ask-gpu gpus<=2"), **rest)


APPROVE = A[4]
AUTO = Decision(effect=Effect.PERMIT, rules=("r",), auto=True)
DENY = Decision(effect=Effect.DENY, rules=("r",))


def under_way(*entries):
    """What a budget says of requests 1 and 2, which were agreed to before they were paid for."""
    return [tale.agreed(1), tale.agreed(2), *tale.paid(tale.ALLOTTED, *entries)]


UNLAWFUL = {
    "approved without votes": [*A[:2], APPROVE],
    "approved with one vote of two": [*A[:3], APPROVE],
    "the asker votes": [*A[:2], review(tale.ASKER, "asker-lead"), *A[3:]],
    "the beneficiary votes": [
        ("request:1001", tale.submitted(1001, beneficiary=tale.LEAD), tale.ASKER), *A[1:]
    ],
    "one person, two seats": [*A[:3], review(tale.LEAD, "owner-lead"), APPROVE],
    "a service votes": [*A[:2], review("svc:desk", "asker-lead")],
    "somebody votes for another": [*A[:2], review(tale.LEAD, "asker-lead", actor="svc:desk")],
    "a seat that is not there": [*A[:2], review(tale.LEAD, "cto")],
    "a seat that is filled": [*A[:3], review(tale.OTHER, "asker-lead")],
    "a vote on another form": [*A[:2], review(tale.LEAD, "asker-lead", form=NOT_LOWER)],
    "a digest that is not the form's": [("request:1001", tale.submitted(1001, form_digest="0" * 64), tale.ASKER)],
    "asked by somebody else": [("request:1001", tale.submitted(1001), tale.LEAD)],
    "asked by a service": [("request:1001", tale.submitted(1001, asker="svc:x"), "svc:x")],
    "another number": [("request:1001", tale.submitted(1002), tale.ASKER)],
    "submitted twice": [A[0], A[0]],
    "decided before it was submitted": [A[1]],
    "decided on another form": [A[0], ("request:1001", tale.decided(NOT_LOWER), "svc:desk")],
    "decided twice": [*A[:2], A[1]],
    "no seats": [A[0], seats()],
    "a seat for nobody": [A[0], seats(("owner-lead", 0))],
    "a seat named twice": [A[0], seats(("owner-lead", 1), ("owner-lead", 1))],
    "by rule, with seats": [A[0], ("request:1001", tale.decided(decision=replace(tale.PERMIT, auto=True)), "svc:desk")],
    "approved on another form": [*A[:4], ("request:1001", req.Approved(form_digest=digest(NOT_LOWER)), "svc:desk")],
    "approved twice": [*A, APPROVE],
    "dispatched without approval": [*A[:4], ("request:1001", tale.dispatched(), "svc:worker")],
    "dispatched in another form": [*A, ("request:1001", tale.dispatched(NOT_LOWER), "svc:worker")],
    "after a denial": [A[0], ("request:1001", tale.decided(decision=DENY), "svc:desk"), review(tale.LEAD, "asker-lead")],
    "after a denial by a person": [*A[:2], review(tale.LEAD, "asker-lead", verdict=req.Verdict.DENY), A[3]],
    "reopened for somebody without a seat": [
        *A, ("request:1001", req.Reopened(reviewer=tale.OTHER, seat="asker-lead", why=""), "svc:worker")
    ],
    "dispatched after a seat was reopened": [
        *A,
        ("request:1001", req.Reopened(reviewer=tale.LEAD, seat="asker-lead", why=""), "svc:worker"),
        ("request:1001", tale.dispatched(), "svc:worker"),
    ],
    "raised instead of lowered": [
        *A[:2],
        (
            "request:1001",
            req.Lowered(reviewer=tale.OWNER, form=NOT_LOWER, form_digest=digest(NOT_LOWER), reason=Personal(""), carried=()),
            tale.OWNER,
        ),
    ],
    "lowered, and a vote left behind": [
        *A[:3],
        (
            "request:1001",
            req.Lowered(reviewer=tale.OWNER, form=tale.LOWER, form_digest=digest(tale.LOWER), reason=Personal(""), carried=()),
            tale.OWNER,
        ),
    ],
    "approved before the asker accepted": [*tale.LOWERED[:6], tale.LOWERED[7]],
    "accepted by somebody else": [*tale.LOWERED[:6], ("request:1002", tale.LOWERED[6][1], tale.LEAD)],
    "extended without votes": [*A, *tale.HELD, *tale.EXTENDED[:2], tale.EXTENDED[4]],
    "extended with one vote of two": [*A, *tale.HELD, *tale.EXTENDED[:3], tale.EXTENDED[4]],
    "the holder votes on the extension": [
        *A, *tale.HELD, *tale.EXTENDED[:2], ("request:1001", tale.more_reviewed(tale.ASKER, "asker-lead"), tale.ASKER)
    ],
    "one person, two seats of an extension": [
        *A, *tale.HELD, *tale.EXTENDED[:3], ("request:1001", tale.more_reviewed(tale.LEAD, "owner-lead"), tale.LEAD)
    ],
    "extended by somebody else": [*A, *tale.HELD, ("request:1001", tale.more_asked(), tale.LEAD)],
    "extended, and with more devices": [
        *A, *tale.HELD, ("request:1001", tale.more_asked(form=replace(tale.LONGER, gpus=8)), tale.ASKER)
    ],
    "extended after a denial": [
        *A,
        *tale.HELD,
        *tale.EXTENDED[:2],
        ("request:1001", tale.more_reviewed(tale.LEAD, "asker-lead", approve=False), tale.LEAD),
        tale.EXTENDED[3],
    ],
    "asked to extend before the backend answered": [
        *A, *tale.HELD, *tale.EXTENDED[:5], ("request:1001", tale.more_asked_again(), tale.ASKER)
    ],
    "the holder lets it stand": [*A, *tale.HELD, ("request:1001", kept(tale.ASKER), tale.ASKER)],
    "let stand by a service": [*A, *tale.HELD, ("request:1001", kept("svc:desk"), "svc:desk")],
    "let stand for another": [*A, *tale.HELD, ("request:1001", kept(tale.LEAD), tale.OTHER)],
    "let stand without a rule": [*A, *tale.HELD, ("request:1001", kept(tale.LEAD, rule=""), tale.LEAD)],
    "let stand, and nothing fails": [*A, *tale.HELD, ("request:1001", kept(tale.LEAD, fails=""), tale.LEAD)],
    "let stand, and nothing is held": [*A, ("request:1001", kept(tale.LEAD), tale.LEAD)],
    "shortened by somebody else": [*A, *tale.HELD, ("request:1001", tale.less(), tale.LEAD)],
    "shortened for somebody else": [*A, *tale.HELD, ("request:1001", tale.less(holder=tale.LEAD), tale.LEAD)],
    "shortened to a later end": [*A, *tale.HELD, ("request:1001", tale.less(tale.START + timedelta(hours=2)), tale.ASKER)],
    "shortened to the past": [*A, *tale.HELD, ("request:1001", tale.less(tale.START), tale.ASKER)],
    "shortened, and with more devices": [
        *A, *tale.HELD, ("request:1001", tale.less(form=replace(tale.FORM, gpus=8)), tale.ASKER)
    ],
    "shortened, and as much time kept": [
        *A, *tale.HELD, ("request:1001", tale.less(form=replace(tale.FORM, duration_s=7200)), tale.ASKER)
    ],
    "shortened while an extension waits": [*A, *tale.HELD, *tale.EXTENDED[:2], tale.SHORTENED[0]],
    "shortened before the backend answered to an extension": [
        *A,
        *tale.HELD,
        *tale.EXTENDED[:5],
        ("request:1001", tale.less(form=tale.LONGER, generation=3, before=tale.more_asked().not_after), tale.ASKER),
    ],
    "shortened, and the old end put back": [
        *A, *tale.HELD, tale.SHORTENED[0],
        ("request:1001", req.NotProlonged(generation=2, not_after=tale.START + timedelta(hours=1), why="No."), "svc:worker"),
    ],
    "asked to extend before the backend heard of a sooner end": [
        *A, *tale.HELD, tale.SHORTENED[0], ("request:1001", tale.more_asked_sooner(), tale.ASKER)
    ],
    "shortened before it runs": [*A, tale.HELD[0], tale.SHORTENED[0]],
    "an extension of nothing": [*A, *tale.EXTENDED[:1]],
    "approved during a halt": [*A[:4], tale.STOPPED[0], APPROVE],
    "dispatched during a halt": [*A, tale.STOPPED[0], tale.HELD[0]],
    "extended during a halt": [*A, *tale.HELD, *tale.EXTENDED[:4], tale.STOPPED[0], tale.EXTENDED[4]],
    "lifted by whoever halted": [tale.STOPPED[0], ("halt", replace(tale.GO_ON, by=tale.LEAD), tale.LEAD)],
    "lifted, and nothing was halted": [tale.STOPPED[1]],
    "halted by a service": [("halt", replace(tale.STOP, by="svc:clock"), "svc:clock")],
    "a budget overrun in money": under_way(tale.booked(1), tale.booked(2, gpu_s=1)),
    "a budget overrun in time": under_way(tale.booked(1), tale.booked(2, cost_minor=1)),
    "a budget overrun by what was used": [
        *under_way(tale.booked(1)),
        [*tale.ended(1, 60, 600), *tale.paid(Spent(request=1, gpu_s=60, cost_minor=600))],
        *tale.paid(tale.booked(2)),
    ],
    "a budget overrun by raising": under_way(tale.booked(1), tale.booked(1, gpu_s=101)),
    "reserved, and nothing is allotted": [tale.agreed(1), *tale.paid(tale.booked(1))],
    "reserved in two windows": under_way(
        replace(tale.ALLOTTED, window="2026-12"), tale.booked(1), tale.booked(1, window="2026-12")
    ),
    "a reservation below nothing": under_way(tale.booked(1, cost_minor=-1)),
    "a budget below nothing": tale.paid(replace(tale.ALLOTTED, gpu_s=-1)),
    "spent, and nothing was reserved": under_way(Spent(request=1, gpu_s=0, cost_minor=0)),
    "handed back twice": under_way(tale.booked(1), HandedBack(request=1), HandedBack(request=1)),
    "nothing to accept": [*A[:2], ("request:1001", req.Accepted(form_digest=digest(tale.FORM)), tale.ASKER)],
}  # fmt: skip


@pytest.mark.parametrize("name", UNLAWFUL)
def test_an_unlawful_history_is_refused_by_both_at_the_same_entry(evidence, name):
    story = [tale.GENESIS, tale.ENROLLED, *UNLAWFUL[name]]
    path = evidence.write(story)
    ours = first(path, evidence.signer.verifier_key)
    assert ours == second(path, evidence.signer.verifier_key)
    assert not ours[0]
    assert ours[1] >= 2


# -- the law between requests and budgets -----------------------------------------------------------------------------------

WIDE = replace(tale.ALLOTTED, gpu_s=None, cost_minor=None)
WHOLE = tale.booked(1, gpu_s=tale.GPU_S)
BY_OTHER = replace(tale.PAID_FOR, team="team:other", facts=(replace(tale.PAID_FOR.facts[0], value="other"),))
IN_OTHER = ("budget:other", WHOLE, "svc:desk")
PAID = [*tale.agreed(1, tale.PAID_FOR), *tale.paid(WHOLE)]
SPENT, BACK = tale.paid(Spent(request=1, gpu_s=5, cost_minor=50), HandedBack(request=1))
WITHDRAWN = ("request:1", req.Withdrawn(asker=tale.ASKER), tale.ASKER)
WAITS = ("request:1", tale.decided(decision=replace(tale.PERMIT, team="team:vision")), "svc:desk")
LAST = 3
"""The genesis and two allotments; what is bad is counted from here."""
APART = {
    "approved, and not reserved": (tale.agreed(1, tale.PAID_FOR), 2),
    "reserved a moment later": ([tale.agreed(1, tale.PAID_FOR), *tale.paid(WHOLE)], 2),
    "reserved for less than it may use": (
        [[*tale.agreed(1, tale.PAID_FOR), *tale.paid(replace(WHOLE, gpu_s=tale.GPU_S - 1))]], 3
    ),
    "reserved for another request": ([[*tale.agreed(1, tale.PAID_FOR), *tale.paid(tale.booked(2, tale.GPU_S))]], 2),
    "reserved by another team": ([[*tale.agreed(1, tale.PAID_FOR), IN_OTHER]], 3),
    "reserved by two teams": ([[*PAID, IN_OTHER]], 4),
    "reserved by another team, without need": ([[*tale.agreed(1), IN_OTHER]], 3),
    "reserved for nobody": (tale.paid(WHOLE), 0),
    "reserved and handed back, for nobody": ([[*tale.paid(WHOLE), BACK]], 1),
    "reserved while people decide": ([[*tale.agreed(1)[:1], WAITS, *tale.paid(WHOLE)]], 2),
    "handed back, and still agreed to": ([PAID, BACK], 4),
    "handed back, and reserved by nobody else": (
        [PAID, [("request:1", tale.decided(decision=BY_OTHER, phase=req.Phase.DISPATCH), "svc:worker"), BACK]], 5
    ),
    "withdrawn, and not handed back": ([PAID, WITHDRAWN], 4),
    "withdrawn, and spent": ([PAID, [WITHDRAWN, SPENT]], 5),
    "ended, and not spent": ([PAID, tale.ended(1, 5, 50)], 7),
    "ended, and handed back": ([PAID, [*tale.ended(1, 5, 50), BACK]], 8),
    "spent before it ended": ([PAID, SPENT], 4),
    "spent less time than was used": ([PAID, [*tale.ended(1, 6, 50), SPENT]], 8),
    "spent less money than was used": ([PAID, [*tale.ended(1, 5, 51), SPENT]], 8),
    "spent more than was used": ([PAID, [*tale.ended(1, 4, 49), SPENT]], 8),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_a_request_and_its_budget_that_part_are_found_by_both_at_the_same_entry(evidence, name):
    entries, bad = APART[name]
    allotted = [*tale.paid(WIDE), ("budget:other", WIDE, "svc:desk")]
    path = evidence.write([tale.GENESIS, *allotted, *entries])
    assert first(path) == second(path) == (False, LAST + bad)


LAWFUL = {
    "by rule": [A[0], ("request:1001", tale.decided(decision=AUTO), "svc:desk"), APPROVE],
    "denied by policy": [A[0], ("request:1001", tale.decided(decision=DENY), "svc:desk")],
    "two in one seat": [
        A[0],
        seats(("owner-lead", 2)),
        review(tale.LEAD, "owner-lead"),
        review(tale.OWNER, "owner-lead"),
        APPROVE,
    ],
    "decided again at dispatch": [
        *A,
        ("request:1001", tale.decided(phase=req.Phase.DISPATCH), "svc:worker"),
        *tale.HELD,
    ],
    "extended": [*A, *tale.HELD, *tale.EXTENDED],
    "let stand": [*A, *tale.HELD, ("request:1001", kept(tale.LEAD), tale.LEAD), *tale.EXTENDED],
    "shortened twice": [*A, *tale.HELD, *tale.SHORTENED],
    "shortened during a halt": [*A, *tale.HELD, tale.STOPPED[0], *tale.SHORTENED],
    "extended, and then shortened": [
        *A,
        *tale.HELD,
        *tale.EXTENDED[:6],
        ("request:1001", tale.less(form=tale.LONGER, generation=3, before=tale.more_asked().not_after), tale.ASKER),
    ],
    "approved once a halt was lifted": [*A[:4], *tale.STOPPED, APPROVE],
    "ended during a halt": [*A, *tale.HELD, tale.STOPPED[0], tale.EXTENDED[-1]],
    "a budget lived in": [
        *under_way(tale.booked(1), tale.booked(1, gpu_s=100, cost_minor=1000)),
        [WITHDRAWN, *tale.paid(HandedBack(request=1))],
        *tale.paid(tale.booked(2)),
        [*tale.ended(2, 110, 1), *tale.paid(Spent(request=2, gpu_s=110, cost_minor=1))],
        *tale.paid(replace(tale.ALLOTTED, gpu_s=None)),
        [*tale.agreed(3), *tale.paid(tale.booked(3, gpu_s=999, cost_minor=999))],
    ],
    "paid for": [*tale.paid(WIDE), PAID],
    "paid for, and ended": [*tale.paid(WIDE), PAID, [*tale.ended(1, 5, 50), SPENT]],
    "paid for, and withdrawn": [*tale.paid(WIDE), PAID, [WITHDRAWN, BACK]],
    "paid for by another team from dispatch on": [
        *tale.paid(WIDE),
        ("budget:other", WIDE, "svc:desk"),
        PAID,
        [("request:1", tale.decided(decision=BY_OTHER, phase=req.Phase.DISPATCH), "svc:worker"), BACK, IN_OTHER],
    ],
    "agreed to before there was a budget": [tale.agreed(1), tale.ended(1, 5, 50)],
    "withdrawn": [*A[:2], ("request:1001", req.Withdrawn(asker=tale.ASKER), tale.ASKER)],
}


@pytest.mark.parametrize("name", LAWFUL)
def test_a_lawful_history_is_good_to_both(evidence, name):
    path = evidence.write([tale.GENESIS, tale.ENROLLED, *LAWFUL[name]])
    assert first(path) == second(path) == (True, None)

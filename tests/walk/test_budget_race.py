"""Twenty requests at once on the last hours, from four processes on one SQLite file: never overrun, never unsaid."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime

from conftest import RULES

from bot.desk import Desk
from ledger.audit import verify_store
from ledger.book import Write, open_sqlite
from ledger.nouns import GpuForm, Personal, new_subject
from ledger.streams.house import Enrolled
from ledger.streams.request import Request, Status
from policies.decide import Policy
from policies.files import read_files
from workers.room import take_inventory

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PEOPLE = [f"U5{number:02}TEAM" for number in range(20)]
FORM = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=1, duration_s=3600)
FITS = 7
"""How many requests of 1 GPU for 1 hour at €2.80 fit in €20."""


def policy():
    files = dict(read_files(RULES))
    kept = files["catalogue.toml"].split("[budgets.vision]")[0]
    files["catalogue.toml"] = kept + '[budgets.vision]\nwindow = "month"\ncost = 20\n'
    files["policy.csv"] += "".join(f"\ng, user:{person}, role:engineer, team:vision" for person in PEOPLE)
    return Policy.of(files)


def people_of(book):
    for person in PEOPLE:
        entry = Enrolled(subject=new_subject(), slack=Personal(person))
        book.append(Write(stream="people", expected=book.people().version, entries=(entry,), actor="svc:desk"))


def ask_all(path, people):
    """In a process of its own, one thread a person: ask at once; return (status, why) of each."""
    book, rules = open_sqlite(path, clock=lambda: NOW), policy()
    desk = Desk(book, lambda: rules, lambda _: None, lambda: NOW)

    def one(person):
        outcome = desk.submit(person, FORM, purpose="", said="")
        return (outcome.status.value, outcome.why) if isinstance(outcome, Request) else ("refused", outcome.detail)

    with ThreadPoolExecutor(len(people)) as threads:
        outcomes = list(threads.map(one, people))
    book.store.close()
    return outcomes


def test_twenty_at_once_never_overrun_and_every_refusal_says_why(tmp_path):
    path = tmp_path / "l.sqlite3"
    book = open_sqlite(path, clock=lambda: NOW)
    take_inventory(book, "h100-shared", "catalogue", policy().catalogue.devices("h100-shared"))
    people_of(book)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        parts = list(pool.map(ask_all, [path] * 4, [PEOPLE[at::4] for at in range(4)]))
    outcomes = [outcome for part in parts for outcome in part]
    assert {status for status, _ in outcomes} == {Status.APPROVED.value, Status.DENIED.value}, set(outcomes)
    approved = [why for status, why in outcomes if status == Status.APPROVED.value]
    denied = [why for status, why in outcomes if status == Status.DENIED.value]
    assert (len(approved), len(denied)) == (FITS, 20 - FITS)
    assert set(denied) == {"Vision has €0.40 left this month. This needs €2.80."}
    window = book.budget("vision").window("2026-11")
    assert window.left_cost_minor() == 40
    assert len(window.reserved) == FITS
    assert verify_store(book.store).sound
    book.store.close()


def test_what_is_taken_between_deciding_and_reserving_is_denied_with_what_is_left(tmp_path, monkeypatch):
    book, rules = open_sqlite(tmp_path / "l.sqlite3", clock=lambda: NOW), policy()
    take_inventory(book, "h100-shared", "catalogue", rules.catalogue.devices("h100-shared"))
    people_of(book)
    desk, first, *others = Desk(book, lambda: rules, lambda _: None, lambda: NOW), *PEOPLE
    real = book.next_number

    def beaten():
        """What is left was read, and the number was not: the others take both."""
        monkeypatch.setattr(book, "next_number", real)
        for person in others[:FITS]:
            assert desk.submit(person, FORM, purpose="", said="").status is Status.APPROVED
        return real()

    monkeypatch.setattr(book, "next_number", beaten)
    outcome = desk.submit(first, FORM, purpose="", said="")
    assert isinstance(outcome, Request), outcome
    assert outcome.status is Status.DENIED
    assert outcome.why.startswith("Vision has €0.40 left this month")
    book.store.close()

"""A stage on which somebody left a side door, and what two admins do about it; for tests to import by name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bot_stage import card_with, message_at, text_of
from conftest import ADA, KOFI

from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.leases import Lease, write_lease
from workers.hands import attend
from workers.journal import Journal
from workers.outages import FILE, Outages
from workers.reconcile import reconcile
from workers.revert import RevertExecutor
from workers.room import Room

STRANGE = "f" * 32
SECURITY = "security"


@pytest.fixture
def doors(stage, tmp_path):
    """The stage with a pool behind it, in which somebody has put a lease by hand."""
    folder, book = tmp_path / "leases", stage.house.book
    gpu = GpuPoolExecutor(folder, grace_s=0.2)
    stage.room = Room(
        book=book,
        policy=stage.house.policy.current,
        executors={"gpu": gpu},
        journal=Journal(tmp_path / "journal"),
        locks=tmp_path / "locks",
        outages=Outages(tmp_path / FILE),
        clock=book.clock,
    )
    stage.room.executors["desk"] = RevertExecutor(lambda: stage.room)
    stage.folder = folder
    stage.look = lambda: reconcile(stage.room, gpu, pause_s=0)
    stage.look()
    lease = Lease(request=1001, generation=1, devices=("gpu-02:7",), not_after=book.clock() + timedelta(hours=1))
    write_lease(folder, STRANGE, lease)
    stage.look()
    return stage


def until(person, room, ts, words):
    return person.wait(
        lambda: (m := message_at(person, room, ts)) is not None and words in text_of(m) and m,
    )


def taken(doors, person):
    """Ask to take it away; return the card."""
    card = card_with(person, SECURITY, "Access without a grant")
    person.click(card, "Take it away")
    view = person.wait(person.modal)
    assert person.submit(view, {"reason": "Nobody on the team knows it."}) == {}
    return card


def explained(doors, person, last_day):
    """Ask that everybody knows of it; return the card of the finding."""
    card = card_with(person, SECURITY, "Access without a grant")
    person.click(card, "Explain it")
    view = person.wait(person.modal)
    assert person.submit(view, {"reason": "The nightly backup's role.", "until": last_day}) == {}
    return card


def known(doors, days=3):
    """It is explained by Kofi and Ada for some days; return the request's number."""
    kofi, ada = doors.server.person(KOFI), doors.server.person(ADA)
    explained(doors, kofi, (doors.clock() + timedelta(days=days)).date().isoformat())
    ada.click(card_with(ada, ada.dm(), "Needs your decision"), "Approve")
    number = doors.house.book.requests.last()
    ada.wait(lambda: doors.house.book.request(number).approved_at)
    attend(doors.room, number)
    return number

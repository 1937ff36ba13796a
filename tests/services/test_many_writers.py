"""Fifty people at once, each from a process of their own: nobody is sent away, and nobody waits for all the others."""

from __future__ import annotations

import os
import traceback

import pytest
from conftest import MIRA
from services.place import FORMS, write_open_rules

from bot.desk import Desk
from bot.house import open_house
from ledger.audit import verify_store
from ledger.streams.request import Request

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
WRITERS, EACH = 50, 4


@pytest.fixture
def house(tmp_path):
    write_open_rules(tmp_path / "policies")
    opened = open_house(tmp_path, tmp_path / "policies", tmp_path / "l.sqlite3", mode="demo", workspace="T0LOCAL")
    yield opened
    opened.book.store.close()


def test_fifty_parallel_writers_are_all_heard(house):
    go, start = os.pipe()
    writers = [_fork(house, who, go, start) for who in range(WRITERS)]
    os.close(go)
    os.close(start)  # the last one that was open: all who wait for it begin
    assert [os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) for writer in writers] == [0] * WRITERS
    said = [str(house.book.request(number).purpose) for number in house.book.requests.open()]
    assert sorted(said) == sorted(f"{writer} {n}" for writer in range(WRITERS) for n in range(EACH))
    first = {}
    for place, purpose in enumerate(said):
        first.setdefault(purpose.split()[0], place)
    print(f"the last of {WRITERS} was first heard at {max(first.values())} of {len(said)}")
    assert max(first.values()) < len(said) / 2
    assert verify_store(house.book.store).sound


def _fork(house, who, go, start):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.close(start)
        os.read(go, 1)
        desk = Desk(house.book, house.policy.current, lambda _: None, house.book.clock)
        outcomes = [desk.submit(MIRA, FORMS["data"](3600), purpose=f"{who} {n}", said="y") for n in range(EACH)]
        code = 0 if all(isinstance(outcome, Request) for outcome in outcomes) else 2
    except BaseException:  # noqa: BLE001 a child must not go on as a second test run
        traceback.print_exc()
    os._exit(code)

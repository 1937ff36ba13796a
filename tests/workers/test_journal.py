"""Endings noted while the ledger cannot be written: none is lost, whatever crashes or comes between."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workers.journal import SLOTS, Ending, Journal

ROOT = Path(__file__).parents[2]
NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


def ending(request, minutes=0):
    return Ending(request=request, happened_at=NINE + timedelta(minutes=minutes))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "endings.jsonl"


@pytest.fixture
def journal(path):
    return Journal(path)


def test_an_ending_is_read_back_and_the_first_note_of_a_request_stays(journal, path):
    journal.note(ending(1001))
    journal.note(ending(1001, minutes=9))
    journal.note(ending(1002))
    assert Journal(path).read() == [ending(1001), ending(1002)]


def test_what_was_entered_is_forgotten_and_the_rest_stays(journal):
    for number in (1001, 1002, 1003):
        journal.note(ending(number))
    journal.drain(lambda each: each.request != 1002)
    assert journal.read() == [ending(1002)]
    journal.drain(lambda _: True)
    assert journal.read() == []


def test_an_ending_noted_while_others_are_entered_is_kept(journal):
    journal.note(ending(1001))

    def enter(_ending):
        journal.note(ending(1002))
        return True

    journal.drain(enter)
    assert journal.read() == [ending(1002)]


@pytest.mark.parametrize("cut", range(1, 64, 7))
def test_a_half_written_line_takes_no_other_with_it(journal, path, cut):
    journal.note(ending(1001))
    journal.note(ending(1002))
    whole = path.read_text()
    path.write_text(whole[:-cut])
    journal.note(ending(1003))
    assert [each.request for each in journal.read()] in ([1001, 1003], [1001, 1002, 1003])
    assert ending(1003) in journal.read()


@pytest.mark.parametrize("line", ["{", "null", "7", '{"request": "1001", "happened_at": 3}', "\x00\x00", "\ufffd"])
def test_a_line_that_is_no_ending_is_left_out(journal, path, line):
    journal.note(ending(1001))
    path.write_text(line + "\n" + path.read_text())
    assert journal.read() == [ending(1001)]


def test_an_ending_that_could_not_be_synced_was_not_noted(journal, monkeypatch):
    journal.note(ending(1001))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.note(ending(1002))
    assert journal.read() == [ending(1001)]


def test_it_is_synced_before_it_stands(journal, path, monkeypatch):
    order = []
    real_sync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), real_sync(fd))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("stand"), real_replace(self, to))[1])
    journal.prepare()
    assert order == ["sync", "stand", "sync"]
    journal.note(ending(1001))
    assert order == ["sync", "stand", "sync", "sync"]


def test_once_prepared_it_takes_no_more_room_whatever_is_noted_and_forgotten(journal, path):
    journal.note(ending(1001))
    journal.prepare()
    size, inode = path.stat().st_size, path.stat().st_ino
    for number in range(1001, 1001 + SLOTS // 64):
        journal.note(ending(number))
    journal.drain(lambda each: each.request % 2 == 0)
    journal.note(ending(2000))
    assert len(journal.read()) == SLOTS // 128 + 1
    assert (path.stat().st_size, path.stat().st_ino) == (size, inode)


def test_more_endings_than_slots_make_it_longer(path, monkeypatch):
    monkeypatch.setattr("workers.journal.SLOTS", 2)
    for number in (1001, 1002, 1003):
        Journal(path).note(ending(number))
    assert [each.request for each in Journal(path).read()] == [1001, 1002, 1003]


def test_lines_of_an_earlier_version_are_kept(journal, path):
    path.parent.mkdir()
    path.write_text('{"request": 1001, "happened_at": "2026-11-24T09:00:00.000000Z"}\n')
    journal.prepare()
    journal.note(ending(1002))
    assert journal.read() == [ending(1001), ending(1002)]


def test_processes_that_note_and_drain_at_once_lose_nothing(journal, path, tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from datetime import UTC, datetime
from pathlib import Path
from workers.journal import Ending, Journal
journal, first = Journal(Path({str(path)!r})), int(sys.argv[1])
Path({str(tmp_path)!r}, f"ready.{{first}}").touch()
while not Path({str(tmp_path / "go")!r}).exists():
    pass
for number in range(first, first + 60):
    journal.note(Ending(request=number, happened_at=datetime(2026, 11, 24, 9, tzinfo=UTC)))
"""
    children = [subprocess.Popen([sys.executable, "-c", script, str(first)]) for first in (1000, 2000)]
    while any(child.poll() is None for child in children) and len(list(tmp_path.glob("ready.*"))) < len(children):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    entered = []
    while any(child.poll() is None for child in children):
        journal.drain(lambda each: entered.append(each.request) is None)
    journal.drain(lambda each: entered.append(each.request) is None)
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(set(entered)) == [*range(1000, 1060), *range(2000, 2060)]

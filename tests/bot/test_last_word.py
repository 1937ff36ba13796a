"""Two threads show the same message: whoever read the request earlier never has the last word, and nobody posts twice."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from bot_stage import ROOM, cards, message_at, text_of
from conftest import MIRA

from bot import keeping
from bot.blocks import asking
from bot.front import Spot

LONG_S = 20.0


class Halfway:
    """Stops the first caller of a function when it has its answer, until it is let go."""

    def __init__(self, monkeypatch, owner, name, change=lambda said: said):
        self.reached, self.go = threading.Event(), threading.Event()
        self._real, self._first, self._change = getattr(owner, name), True, change
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *words, **rest):
        said = self._real(*words, **rest)
        if not self._first:
            return said
        self._first = False
        self.reached.set()
        assert self.go.wait(LONG_S)
        return self._change(said)


@pytest.fixture
def beside():
    """Start something on a thread of its own; returns the thread."""
    started = []

    def start(work, *words):
        thread = threading.Thread(target=work, args=words)
        thread.start()
        started.append(thread)
        return thread

    yield start
    for thread in started:
        thread.join(LONG_S)
        assert not thread.is_alive()


def test_a_card_that_was_built_from_an_older_state_is_not_the_last_one(stage, mira, beside, monkeypatch):
    ts, number = stage.asked(mira)
    stage.quiet()
    slow = Halfway(monkeypatch, keeping, "card")
    older = beside(stage.made.notifier.refresh, number)
    assert slow.reached.wait(LONG_S)
    stage.front.desk.withdraw(MIRA, number)
    newer = beside(stage.made.notifier.refresh, number)
    newer.join(1)
    slow.go.set()
    older.join(LONG_S)
    newer.join(LONG_S)
    assert "Withdrawn" in text_of(message_at(mira, ROOM, ts))


def test_a_read_back_that_is_shown_late_does_not_overwrite_the_card(stage, mira, beside, monkeypatch):
    message = stage.read_back(mira)
    stage.quiet()
    slow = Halfway(monkeypatch, asking, "read_back", lambda said: replace(said, text="Is this what you still mean?"))
    draft = _value(message, "qm_confirm")
    late = beside(stage.front.show, stage.tables.draft(draft).root)
    assert slow.reached.wait(LONG_S)
    confirmed = beside(stage.front.confirm, MIRA, draft, Spot(channel=message["channel"]))
    confirmed.join(1)
    slow.go.set()
    late.join(LONG_S)
    confirmed.join(LONG_S)
    assert "REQ-1001" in text_of(message_at(mira, ROOM, message["ts"]))


def test_a_look_in_the_middle_of_a_confirmation_posts_no_second_card(stage, mira, monkeypatch):
    """Between the claim and the place of a card there must be no moment at which it has none."""
    message = stage.read_back(mira)
    stage.quiet()
    real = stage.tables._do

    def looked(sql, *values):
        found = real(sql, *values)
        if sql.startswith("INSERT OR IGNORE INTO message") and str(values[0]) == "card:1001":
            monkeypatch.setattr(stage.tables, "_do", real)
            stage.made.notifier.look()
        return found

    monkeypatch.setattr(stage.tables, "_do", looked)
    stage.front.confirm(MIRA, _value(message, "qm_confirm"), Spot(channel=message["channel"]))
    assert [card["ts"] for card in cards(mira, ROOM, "REQ-1001")] == [message["ts"]]


def _value(message, action):
    elements = [element for block in message["blocks"] for element in block.get("elements", ())]
    return next(each["value"] for each in elements if each.get("action_id") == action)

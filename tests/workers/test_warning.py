"""The warning of an end: while approvers still work where they must agree, once, and never of what is over."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from conftest import INES, MIRA, RULES, TOMAS, Hand, make_world

from ledger.book import Book, open_memory
from ledger.errors import BusyError
from ledger.streams.request import Status, warn_at, warned_at
from policies.ahead import warning_at
from policies.decide import FILES, Policy
from policies.errors import PolicyError
from policies.hours import DAYS, Hours
from workers.clock import Clock

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
AUTO = ", auto"
SHIPPED = {name: (RULES / name).read_text() for name in FILES}
BARE = SHIPPED["catalogue.toml"].partition("\n[hours]")[0]
BY_PEOPLE = "\n".join(line for line in SHIPPED["policy.csv"].splitlines() if not line.endswith(AUTO))
TICK = timedelta(minutes=5)


def policy(table="", rows=BY_PEOPLE):
    return Policy.of({**SHIPPED, "policy.csv": rows, "catalogue.toml": f"{BARE}\n[hours]\n{table}\n"})


def warnings(world, request):
    return [at for kind, at, *_ in world.now(request).history if kind == "request.warned"]


def lease(world, since, hours=3.0, **rest):
    """What runs from `since` on."""
    world.time.now = max(world.time.now, since)
    return world.running(hours=hours, **rest)


def run(world, until, clock=None, tick=TICK):
    """Let a clock look until then; a fresh one each time unless one is given."""
    while world.time() < until:
        (clock or world.clock).tick()
        world.time.now += tick


@pytest.fixture
def people(world):
    """A world in which people must agree to every extension."""
    world.policy = policy()
    return world


THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)
FRIDAY = datetime(2026, 11, 27, 16, tzinfo=UTC)


def test_who_needs_people_on_saturday_is_warned_on_friday_while_they_work(people):
    request = lease(people, THURSDAY, 48)
    assert request.not_after == THURSDAY + timedelta(days=2)
    run(people, request.not_after + timedelta(hours=1))
    assert warnings(people, request) == [FRIDAY]
    assert people.now(request).status is Status.ENDED


def test_who_is_given_more_time_by_rule_is_warned_as_usual(world):
    request = lease(world, datetime(2026, 11, 24, 10, tzinfo=UTC))
    run(world, request.not_after)
    assert warnings(world, request) == [warned_at(request) + timedelta(minutes=3)]


def test_who_asked_already_is_not_told_early_to_ask(people):
    request = lease(people, THURSDAY, 48)
    people.desk.extend(MIRA, request.number, 3600)
    run(people, FRIDAY + timedelta(hours=2))
    assert warnings(people, request) == []


def test_who_may_not_extend_at_all_is_warned_as_usual(people):
    people.policy = policy(rows=f"{BY_PEOPLE}\np, never-longer, *, *, class:gpu, extend, -, deny\n")
    request = lease(people, THURSDAY, 48)
    assert warning_at(people.policy, people.book, request) == warned_at(request)


def test_the_other_end_is_announced_while_they_work_too(people):
    request = lease(people, THURSDAY, 24)
    run(people, request.not_after - timedelta(minutes=5))
    assert len(warnings(people, request)) == 1
    people.desk.extend(MIRA, request.number, 24 * 3600)
    extension = people.now(request).extension
    people.desk.review_extension(INES, request.number, extension.form_digest, approve=True)
    run(people, THURSDAY + timedelta(hours=48))
    assert warnings(people, request)[1:] == [FRIDAY]


def test_two_clocks_and_a_restart_warn_once(people):
    request = lease(people, THURSDAY, 48)
    people.time.now = FRIDAY
    clocks = [people.clock, people.clock]
    for clock in (*clocks, people.clock, *clocks):
        clock.tick()
    assert warnings(people, request) == [FRIDAY]


def test_a_warning_that_could_not_be_entered_comes_at_the_next_look(people, monkeypatch):
    request, clock = lease(people, THURSDAY, 48), people.clock
    people.time.now = FRIDAY

    def locked(*_args):
        raise BusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(people.book.store, "append", locked)
        clock.tick()
    people.time.now += TICK
    clock.tick()
    assert warnings(people, request) == [FRIDAY + TICK]


def test_what_ended_meanwhile_is_not_announced(people):
    request, clock = lease(people, THURSDAY, 48), people.clock
    people.time.now = FRIDAY - timedelta(minutes=1)
    clock.tick()
    people.desk.release(MIRA, request.number)
    people.time.now = FRIDAY
    clock.tick()
    assert warnings(people, request) == []


def test_rules_that_cannot_be_read_warn_at_the_usual_time(people):
    request = lease(people, THURSDAY, 48)

    def unreadable():
        raise PolicyError("policy.csv", "1", "broken")

    run(people, request.not_after, Clock(replace(people.room, policy=unreadable), lambda _: None))
    (at,) = warnings(people, request)
    assert timedelta() <= at - warned_at(request) < TICK


def test_a_clock_that_comes_back_late_warns_at_once_and_never_after_the_end(people):
    late, over = lease(people, THURSDAY, 48), lease(people, THURSDAY, 24, slack=TOMAS)
    people.time.now = back = FRIDAY + timedelta(hours=3)
    people.clock.tick()
    assert warnings(people, late) == [back]
    assert warnings(people, over) == []


def a_calendar(dice, first):
    days = dice.sample(DAYS, dice.randint(1, 7))
    begin, end = sorted(dice.sample(range(24), 2))
    free = [first + timedelta(days=n) for n in dice.sample(range(15), dice.randint(0, 5))]
    named = ", ".join(f'"{day}"' for day in days)
    return (
        f'zone = "{dice.choice(ZONES)}"\ndays = [{named}]\nfrom = "{begin:02}:00"\nto = "{end:02}:00"\n'
        f"holidays = [{', '.join(map(str, free))}]"
    )


@pytest.mark.parametrize("seed", range(8))
def test_on_any_calendar_through_any_restarts_once_in_time_and_never_after_the_end(seed, tmp_path):
    dice = random.Random(seed)
    first = dice.choice((date(2027, 3, 10), date(2027, 3, 24), date(2027, 4, 1), date(2027, 10, 27), date(2027, 11, 4)))
    since = datetime(first.year, first.month, first.day, dice.randrange(8), tzinfo=UTC)
    hand = Hand(since - timedelta(hours=1))
    world = make_world(open_memory(clock=hand), hand, tmp_path, policy(a_calendar(dice, first)))
    leases = [lease(world, since, dice.choice((1, 3, 8, 24, 48, 72)), slack=slack) for slack in (MIRA, TOMAS)]
    clock, hours = world.clock, world.policy.catalogue.hours
    while world.time() < since + timedelta(hours=73):
        clock.tick()
        if dice.random() < 0.1:  # every process at once
            world.book = world.desk.book = Book(world.book.store, clock=hand)
            world.room = replace(world.room, book=world.book)
            clock = world.clock
        world.time.now += TICK
    for request in leases:
        (at,) = warnings(world, request)
        assert at < request.not_after
        in_time(hours, since, request.not_after, at)
    world.book.store.close()


def in_time(hours: Hours, since, end, at):
    """Not at once; and where an hour of work was left from when it may be told on, it still is."""
    earliest = since + min((end - since) / 2, timedelta(hours=4))
    assert at >= earliest
    slack = TICK if at <= earliest + TICK else timedelta()  # told at the first look
    if hours.left(earliest, end) >= timedelta(hours=1):
        assert hours.left(at, end) >= timedelta(hours=1) - slack
    else:
        assert at <= warn_at(since, end) + TICK

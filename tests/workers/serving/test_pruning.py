"""Orders that settled long ago are forgotten, and a restart finds everything that it needs."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from serving_site import SERVING_LINE, share

from workers.serving.keeper import PRUNE_S
from workers.serving.orders import ROUTES, Phase, State
from workers.serving.pruning import SETTLED_S, forgettable

NOW = 100 * SETTLED_S


def line(number):
    return replace(SERVING_LINE, digest=f"sha256:{number:064x}")


@pytest.fixture
def made(site):
    """Orders and their states, the oldest first; `order` adds one that settled long ago."""

    class Made:
        orders, states = [], {}

        def order(self, number, phase=Phase.OVER, *, since=0.0, **rest):
            found = replace(
                site.order(digest=line(number).digest),
                key=f"{len(self.orders):032x}",
                at=float(len(self.orders)),
                **rest,
            )
            self.orders.append(found)
            self.states[found.key] = State(key=found.key, attempt=1, phase=phase, since=since)
            return found

        def kept(self, answering=()):
            gone = forgettable(self.orders, self.states, set(answering), NOW)
            return [order for order in self.orders if order not in gone]

    made = Made()
    made.orders, made.states = [], {}
    return made


def test_what_settled_long_ago_is_forgotten_and_what_settled_lately_is_not(made):
    made.order(1)
    made.order(2, Phase.FAILED)
    late = made.order(3, since=NOW - SETTLED_S)
    taken_back = made.order(4, since=NOW - SETTLED_S, wanted=False)
    assert made.kept() == [late, taken_back]


@pytest.mark.parametrize("phase", [Phase.LOADING, Phase.READY, Phase.SERVING, Phase.KEPT])
def test_what_has_servers_or_is_about_to_is_kept_however_old(made, phase):
    alive = made.order(1, phase)
    assert made.kept() == [alive]


def test_the_newest_order_of_what_answers_is_kept(made):
    made.order(1)
    newest = made.order(1)
    made.order(1, wanted=False)
    assert made.kept([(SERVING_LINE.place, newest.line.digest)]) == [newest]
    assert made.kept([("other@production", newest.line.digest)]) == []


def test_what_says_how_a_version_with_servers_leaves_is_kept(made):
    alive = made.order(1, Phase.SERVING)
    made.order(2, put=(share(alive),))
    rival = made.order(3, put=(share(alive),))
    made.order(4)
    assert made.kept() == [alive, rival]


def test_what_stands_on_a_version_with_servers_is_kept(made):
    put = (share(replace(made.order(9), line=line(1))),)
    alive = made.order(1, Phase.SERVING, put=put)
    made.order(1, put=put, before=put)
    again = made.order(1, put=put, before=put)
    made.order(1, before=put)
    assert made.kept() == [alive, again]


def files(site):
    return [sorted(path.name for path in (site.folder / kind).iterdir()) for kind in ("orders", "states")]


@pytest.fixture
def served(site):
    """3.2.1 answers, and 3.2.0 is kept for it."""
    return site.replaced()


def leave(site, number, since):
    """Leave an order behind that settled then."""
    order = replace(
        site.orders.orders()[0], key=f"{number:032x}", line=line(number), at=since, before=None, put=(), switched=False
    )
    site.orders.put(order)
    site.orders.note(State(key=order.key, attempt=1, phase=Phase.OVER, since=since))
    return order


def test_files_do_not_grow_and_a_restart_after_pruning_changes_nothing(site, served):
    counts = []
    for week in range(4):
        for number in range(20):
            leave(site, 100 * week + number + 1, time.time() + site.ahead)
        site.ahead += PRUNE_S + 1
        site.keeper.tick()
        counts.append([len(each) for each in files(site)])
        site.ahead += SETTLED_S
    assert counts[0] == [22, 22]
    site.keeper.tick()
    assert [len(each) for each in files(site)] == [1, 1]  # the version before was ended and is forgotten too
    assert max(max(each) for each in counts) == 22
    before = (
        files(site),
        site.table(),
        [server.pid for server in site.alive()],
        site.orders.state(served[1]),
    )
    site.new_keeper()
    for _ in range(3):
        site.keeper.tick()
    assert (
        files(site),
        site.table(),
        [server.pid for server in site.alive()],
        site.orders.state(served[1]),
    ) == before


def test_after_pruning_a_lost_table_is_there_again(site, served):
    _, new = served
    leave(site, 1, 0.0)
    site.ahead += PRUNE_S + 1
    site.keeper.tick()
    for path in site.folder.glob(f"{ROUTES}*"):
        path.unlink()
    site.new_keeper()
    site.keeper.tick()
    assert [row.digest for row in site.rows()] == [new.line.digest]


def test_an_order_that_an_executor_has_changed_is_not_forgotten(site):
    order = site.order()
    site.orders.put(replace(order, attempt=2))
    assert not site.orders.forget(order)
    assert site.orders.order(order.key).attempt == 2


def test_an_order_is_gone_before_its_state_so_that_a_crash_begins_nothing_anew(site):
    order = leave_with_state(site)
    gone = []
    take_away = site.orders._take_away

    def killed(kind, key):
        gone.append(kind)
        if len(gone) > 1:
            raise KeyboardInterrupt
        take_away(kind, key)

    site.orders._take_away = killed
    with pytest.raises(KeyboardInterrupt):
        site.orders.forget(order)
    site.orders._take_away = take_away
    assert gone == ["orders", "states"]
    assert site.orders.orders() == ()
    site.orders.forget_strays()
    assert files(site) == [[], []]


def leave_with_state(site):
    order = site.order()
    site.orders.note(State(key=order.key, attempt=1, phase=Phase.OVER))
    return order

"""What follows from what is seen of an order: pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from serving_site import SERVING, share

from workers.errors import RefusedError
from workers.serving.orders import LIVE, Line, Order, Phase, Result, State, Strategy
from workers.serving.servers import Server
from workers.serving.shares import next_shares, scaled, spread
from workers.serving.steps import MOST_DEATHS, Seen, Tried, needed, next_state, told, way_back

OLD, NEW = (Line(model="m", environment="dev", digest="sha256:" + each * 64) for each in "ab")
FAILED = Result(suite="s", cases=2, failed=1, p50_ms=1, p95_ms=1, tokens=1, failures=("x: no",))


def order(line=NEW, **rest):
    usual = {"replicas": 1, "strategy": Strategy.BLUE_GREEN, "percent": 100, "version": line.digest[7:8]}
    return Order(
        **{
            "key": "k",
            "generation": 1,
            "attempt": 1,
            "request": 1,
            "line": line,
            "serving": SERVING,
            "at": 0.0,
            **usual,
            **rest,
        }
    )


def server(line=NEW, number=0, **rest):
    fields = {"order": "k", "version": line.digest[7:8], "serving": SERVING, "served": "m", "mark": "x", "key": "k"}
    return Server(line=line, number=number, port=1000 + number, ready=True, **fields, **rest)


def state(phase, **rest):
    return State(key="k", attempt=1, phase=phase, **rest)


ALL_READY = Seen(now=1.0, weights="", servers=(server(),), evaluation="")


def test_an_order_goes_one_step_at_a_time_to_ready():
    seen, phases = state(Phase.LOADING), []
    for _ in range(6):
        seen = next_state(order(), seen, ALL_READY)
        phases.append(seen.phase)
    assert phases == [Phase.STARTING, Phase.EVALUATING, Phase.GROWING, Phase.READY, Phase.READY, Phase.READY]


@pytest.mark.parametrize(
    ("phase", "change"),
    [
        (Phase.LOADING, {"weights": None}),
        (Phase.STARTING, {"servers": ()}),
        (Phase.EVALUATING, {"evaluation": None}),
    ],
)
def test_what_is_not_there_yet_is_waited_for(phase, change):
    assert next_state(order(), state(phase), replace(ALL_READY, **change)).phase is phase


@pytest.mark.parametrize(
    ("phase", "change", "why"),
    [
        (Phase.LOADING, {"weights": "they were changed"}, "they were changed"),
        (Phase.STARTING, {"servers": (), "now": 901.0}, "It was not healthy within 15 minutes."),
        (
            Phase.STARTING,
            {"servers": (server(deaths=MOST_DEATHS, why="It ended."),)},
            "It ended. It was tried 3 times.",
        ),
        (Phase.READY, {"servers": (server(deaths=MOST_DEATHS, why="It ended."),)}, "It ended. It was tried 3 times."),
        (Phase.EVALUATING, {"evaluation": "no such file"}, "no such file"),
        (Phase.EVALUATING, {"evaluation": FAILED}, "1 of 2 cases of its evaluation failed. (1) x: no"),
    ],
)
def test_what_is_wrong_fails_in_words(phase, change, why):
    after = next_state(order(), state(phase), replace(ALL_READY, **change))
    assert (after.phase, after.why) == (Phase.FAILED, why)


@pytest.mark.parametrize("phase", sorted(LIVE))
def test_whatever_is_taken_back_is_over(phase):
    assert next_state(order(wanted=False), state(phase), ALL_READY).phase is Phase.OVER


def test_a_server_that_dies_while_it_is_asked_says_nothing_of_its_answers():
    seen = replace(ALL_READY, servers=(), evaluation=FAILED)
    assert next_state(order(), state(Phase.EVALUATING), seen).phase is Phase.STARTING


def test_a_ready_order_whose_server_ended_waits_for_it_again():
    assert next_state(order(), state(Phase.READY), replace(ALL_READY, servers=())).phase is Phase.GROWING


def test_an_order_serves_only_once_it_was_switched_to():
    """Its version may answer by an earlier order, such as a canary."""
    seen = replace(ALL_READY, share=10)
    assert next_state(order(), state(Phase.READY), seen).phase is Phase.READY
    assert next_state(order(before=()), state(Phase.READY), seen).phase is Phase.SERVING


def test_what_nothing_is_routed_to_is_kept_for_a_while():
    kept = next_state(order(), state(Phase.SERVING, since=0.0), replace(ALL_READY, now=100.0))
    assert (kept.phase, kept.since) == (Phase.KEPT, 100.0)
    assert next_state(order(), kept, replace(ALL_READY, now=700.0)).phase is Phase.KEPT
    assert next_state(order(), kept, replace(ALL_READY, now=700.1)).phase is Phase.OVER
    assert next_state(order(), kept, replace(ALL_READY, now=500.0, share=100)).phase is Phase.SERVING
    assert next_state(order(), kept, replace(ALL_READY, now=101.0, rolled=True)).phase is Phase.OVER


def test_the_way_back_is_for_a_version_that_was_just_switched_to_and_cannot_live():
    serving, dead = state(Phase.SERVING, since=0.0), server(deaths=MOST_DEATHS, why="It ended.")
    switched, seen = (
        order(before=(share(order(OLD)),)),
        Seen(now=600.0, share=100, servers=(replace(dead, ready=False),)),
    )
    assert way_back(switched, serving, seen) == "It ended."
    for spared in (
        way_back(switched, serving, replace(seen, now=600.1)),
        way_back(switched, serving, replace(seen, servers=(replace(dead, deaths=2, ready=False),))),
        way_back(switched, serving, replace(seen, servers=(*seen.servers, server(number=1)))),
        way_back(switched, replace(serving, phase=Phase.KEPT), seen),
        way_back(order(before=()), serving, seen),
        way_back(replace(switched, strategy=Strategy.ROLLING), serving, seen),
    ):
        assert spared == ""


def test_the_version_before_is_kept_until_the_one_in_its_place_was_seen_to_answer():
    kept, seen = state(Phase.KEPT, since=0.0), replace(ALL_READY, now=600.1, followed=False)
    assert next_state(order(), kept, seen).phase is Phase.KEPT
    assert next_state(order(), kept, replace(seen, followed=True)).phase is Phase.OVER
    assert next_state(order(), kept, replace(seen, rolled=True)).phase is Phase.OVER
    serving = replace(seen, share=100, tried=Tried(calls=2, failed=1))
    proved = next_state(order(), state(Phase.SERVING), serving)
    assert proved.proved
    again = next_state(order(), next_state(order(), proved, seen), replace(seen, share=100))
    assert (again.phase, again.proved) == (Phase.SERVING, False)  # whoever is switched to anew is seen anew
    assert not next_state(order(), state(Phase.SERVING), replace(serving, tried=Tried(calls=2, failed=2))).proved


def test_a_version_gives_way_however_late_as_long_as_it_was_not_seen_to_answer_and_there_is_one_to_give_way_to():
    serving, dead = state(Phase.SERVING, since=0.0), server(deaths=MOST_DEATHS, why="It ended.")
    switched = order(before=(share(order(OLD)),))
    seen = Seen(now=9_000.0, share=100, servers=(replace(dead, ready=False),), kept=True)
    assert way_back(switched, serving, seen) == "It ended."
    failing = replace(seen, servers=(server(),), tried=Tried(calls=1_200, failed=1_200))
    assert way_back(switched, serving, failing) == "Each of the 1,200 calls to it in 150 minutes failed."
    for spared in (
        way_back(switched, replace(serving, proved=True), seen),
        way_back(switched, serving, replace(seen, kept=False)),
        way_back(switched, serving, replace(failing, kept=False)),
        way_back(switched, serving, replace(failing, tried=Tried(calls=1_200, failed=1_199))),
        way_back(switched, serving, replace(failing, tried=Tried())),
        way_back(replace(switched, strategy=Strategy.ROLLING), serving, failing),
    ):
        assert spared == ""


@pytest.mark.parametrize(
    ("phase", "rest", "count"),
    [
        (Phase.LOADING, {}, 0),
        (Phase.STARTING, {}, 1),
        (Phase.EVALUATING, {}, 1),
        (Phase.GROWING, {}, 3),
        (Phase.SERVING, {"share": 100}, 3),
        (Phase.KEPT, {}, 3),
        (Phase.KEPT, {"rolled": True}, 0),
        (Phase.OVER, {}, 0),
        (Phase.FAILED, {}, 0),
    ],
)
def test_how_many_servers_an_order_needs(phase, rest, count):
    assert needed(order(replicas=3), state(phase), Seen(now=0.0, **rest)) == count


def test_a_rollout_has_one_server_more_than_it_joined_and_the_other_version_those_that_are_left():
    rolling = order(replicas=3, strategy=Strategy.ROLLING)
    for step, percent in enumerate((0, 33, 66)):
        seen = Seen(now=0.0, share=percent, alone=False)
        assert needed(rolling, state(Phase.GROWING), seen) == step + 1
        leaves = Seen(now=0.0, share=100 - percent, alone=False, rolled=True)
        assert needed(order(OLD, replicas=3), state(Phase.SERVING), leaves) == 3 - step


# -- shares


def test_a_switch_a_canary_and_each_step_of_a_rollout():
    before = (share(order(OLD)),)
    assert next_shares(order(), before) == (share(order()),)
    canary = order(strategy=Strategy.CANARY, percent=10)
    assert next_shares(canary, before) == (share(order(OLD), 90), share(canary, 10))
    rolling, steps = order(strategy=Strategy.ROLLING, replicas=3), [before]
    for _ in range(3):
        steps.append(next_shares(rolling, steps[-1]))
    assert [[each.percent for each in step] for step in steps] == [[100], [67, 33], [34, 66], [100]]
    assert next_shares(rolling, ()) == (share(rolling),)


def test_a_canary_needs_something_to_stand_beside():
    with pytest.raises(RefusedError, match="Nothing answers in dev yet"):
        next_shares(order(strategy=Strategy.CANARY, percent=10), ())


@pytest.mark.parametrize("whole", range(1, 100))
def test_scaled_shares_are_whole_and_lose_nothing(whole):
    three = (share(order(OLD), 33), share(order(), 33), share(order(replace(OLD, digest="sha256:" + "c" * 64)), 34))
    assert sum(each.percent for each in scaled(three, whole)) == whole
    assert all(each.percent > 0 for each in scaled(three, whole))


def test_the_calls_of_a_version_are_divided_among_its_servers():
    servers = {NEW.digest: tuple(server(number=number) for number in range(3))}
    rows = spread((share(order(), 100),), servers, ())
    assert [row.percent for row in rows] == [34, 33, 33]
    assert rows[0].bounds.context == SERVING.context
    again = spread((share(order(), 100),), {}, rows)
    assert again == rows  # none is ready: refused there, and not sent elsewhere
    with pytest.raises(Exception, match="No server of version a is ready"):
        spread((share(order(OLD), 100),), servers, rows)


def test_every_phase_before_the_switch_has_its_words():
    before = [Phase.LOADING, Phase.STARTING, Phase.EVALUATING, Phase.GROWING, Phase.READY]
    said = [told(order(replicas=3), state(phase, done=2, of=4)) for phase in before]
    assert said == [
        "Loading weights, every byte of them checked.",
        "Starting its server.",
        "Evaluating: 2 of 4 cases.",
        "Starting servers: 2 of 3 are ready.",
        "Ready to be switched to.",
    ]

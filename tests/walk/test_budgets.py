"""A team's budget: reserved when approved, handed back by what never starts, settled by use, never overrun."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import INES, MIRA, RULES, Hand, make_world

from bot.errors import Reason, Refused
from ledger.audit import Kind, verify_store
from ledger.book import Write, open_memory
from ledger.log.store import Move
from ledger.nouns import Access, DataForm, GpuForm
from ledger.streams.budget import Reserved
from ledger.streams.codec import draft
from ledger.streams.request import Request, Status
from policies import budgets
from policies.catalogue import parse_catalogue
from policies.decide import Policy
from policies.errors import PolicyError
from policies.files import read_files
from workers.errors import BackendError
from workers.hands import attend

NOVEMBER = "2026-11"
FOUR_BY_THREE = 12 * 280
"""Minor units: 4 devices for 3 hours at €2.80."""


def rules(limits):
    """The shipped rules with another budget for vision, and no other."""
    files = dict(read_files(RULES))
    kept = files["catalogue.toml"].split("[budgets.vision]")[0]
    files["catalogue.toml"] = kept + (f"[budgets.vision]\n{limits}\n" if limits else "")
    return Policy.of(files)


def made(tmp_path, limits):
    time = Hand()
    return make_world(open_memory(clock=time), time, tmp_path, rules(limits))


@pytest.fixture
def poor(tmp_path):
    """Vision has €100 a month."""
    return made(tmp_path, 'window = "month"\ncost = 100')


def window(world, name=NOVEMBER):
    return world.book.budget("vision").window(name)


def left(world):
    return window(world).left_cost_minor()


# -- the life of a reservation ----------------------------------------------------------------------------------------


def test_asking_reserves_nothing_and_the_last_seat_reserves_the_whole_price(poor):
    request = poor.ask()
    assert window(poor) is None
    poor.approve(request)
    assert window(poor).reserved[0].cost_minor == FOUR_BY_THREE
    assert (window(poor).cost_minor, left(poor)) == (10_000, 10_000 - FOUR_BY_THREE)
    assert verify_store(poor.book.store).sound


def test_a_rule_that_approves_reserves_too(poor):
    poor.ask(gpus=1, hours=1)
    assert left(poor) == 10_000 - 280


def test_approving_less_reserves_the_lower_price(poor):
    request = poor.ask()
    after = poor.desk.approve_less(
        INES, request.number, request.form_digest, replace(request.form, gpus=3), "three will do"
    )
    poor.desk.accept(MIRA, request.number, after.form_digest)
    assert left(poor) == 10_000 - 9 * 280


def test_use_takes_the_place_of_what_was_reserved(poor):
    request = poor.running()
    poor.time.pass_time(hours=1)
    poor.desk.release(MIRA, request.number)
    attend(poor.room, request.number)
    assert window(poor).reserved == ()
    assert window(poor).used_cost_minor == poor.now(request).usage.cost_minor == 4 * 280
    assert window(poor).used_gpu_s == 4 * 3600
    assert verify_store(poor.book.store).sound


def withdrawn(world, request):
    world.desk.withdraw(MIRA, request.number)


def missed(world, request):
    world.time.pass_time(hours=24)
    world.clock.tick()


def failed(world, request):
    attend(replace(world.room, executors={}), request.number)


def reopened(world, request):
    files = dict(world.policy.files)
    files["policy.csv"] = files["policy.csv"].replace("g, user:U02INES,  role:lead,     team:platform", "")
    files["policy.csv"] += "\ng, user:U08RAVI, role:lead, team:platform\n"
    world.policy = Policy.of(files)
    attend(world.room, request.number)


def denied(world, request):
    files = dict(world.policy.files)
    files["policy.csv"] = files["policy.csv"].replace("gpus<=8 hours<=72", "gpus<=3 hours<=72")
    world.policy = Policy.of(files)
    attend(world.room, request.number)


@pytest.mark.parametrize(
    ("happens", "status"),
    [
        (withdrawn, Status.WITHDRAWN),
        (missed, Status.MISSED),
        (failed, Status.FAILED),
        (reopened, Status.WAITING),
        (denied, Status.DENIED),
    ],
)
def test_what_never_starts_hands_it_back(poor, happens, status):
    request = poor.approved()
    happens(poor, request)
    assert poor.now(request).status is status
    assert left(poor) == 10_000
    assert verify_store(poor.book.store).sound


def test_the_window_is_the_one_of_the_start(poor):
    poor.approved(start=poor.time() + timedelta(days=8))
    assert window(poor) is None
    assert window(poor, "2026-12").left_cost_minor() == 10_000 - FOUR_BY_THREE


def test_a_new_number_in_the_catalogue_is_entered_with_the_next_reservation(poor):
    poor.ask(gpus=1, hours=1)
    poor.policy = rules('window = "month"\ncost = 50')
    poor.ask(gpus=1, hours=1)
    kinds = [stored.kind for stored in poor.book.store.scan() if stored.stream == "budget:vision"]
    assert kinds == ["budget.allotted", "budget.reserved"] * 2
    assert (window(poor).cost_minor, left(poor)) == (5_000, 5_000 - 560)


def test_a_budget_that_came_after_the_approval_counts_at_dispatch(tmp_path):
    world = made(tmp_path, "")
    request = world.approved()
    world.policy = rules('window = "month"\ncost = 10')
    assert attend(world.room, request.number) is Status.DENIED
    assert "Vision has €10 left this month" in world.now(request).why


def test_a_budget_that_came_after_the_approval_is_reserved_at_dispatch(tmp_path):
    world = made(tmp_path, "")
    request = world.approved()
    world.policy = rules('window = "month"\ncost = 100')
    assert attend(world.room, request.number) is Status.RUNNING
    assert left(world) == 10_000 - FOUR_BY_THREE


def test_data_costs_nothing(poor):
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600)
    assert isinstance(poor.desk.submit(MIRA, form, purpose="", said=""), Request)
    assert window(poor) is None


# -- what does not fit ------------------------------------------------------------------------------------------------


def form(gpus, hours):
    return GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=gpus, duration_s=hours * 3600)


def test_what_does_not_fit_is_denied_with_the_budget_and_what_is_left(poor):
    poor.approved()
    request = poor.ask(gpus=4, hours=6)
    assert request.status is Status.DENIED
    assert request.why == "Vision has €66.40 left this month. This needs €67.20."
    assert request.decision.rules == ("budgets.vision",)


def test_the_nearest_request_that_fits_is_offered_and_passes(poor):
    poor.approved()
    preview = poor.desk.preview(MIRA, form(4, 6))
    assert not preview.decision.permitted
    assert preview.nearest.label == "Ask for 5 hours instead"
    assert poor.desk.preview(MIRA, preview.nearest.form).decision.permitted
    outcome = poor.desk.submit(MIRA, preview.nearest.form, purpose="", said="")
    assert outcome.status is Status.WAITING


def test_the_nearest_by_rule_is_lowered_further_to_fit_the_budget(poor):
    preview = poor.desk.preview(MIRA, form(16, 6))
    assert preview.decision.rules == ("ask-gpu-eng",)
    assert poor.desk.preview(MIRA, preview.nearest.form).decision.permitted


def test_nothing_left_offers_nothing(tmp_path):
    world = made(tmp_path, 'window = "week"\ncost = 0')
    preview = world.desk.preview(MIRA, form(1, 1))
    assert preview.decision.why == "Vision has €0 left this week. This needs €2.80."
    assert preview.nearest is None


def test_hours_are_a_limit_like_money(tmp_path):
    world = made(tmp_path, 'window = "quarter"\ngpu_hours = 10')
    preview = world.desk.preview(MIRA, form(4, 3))
    assert preview.decision.why == "Vision has 10 GPU-hours left this quarter. This needs 12 GPU-hours."
    assert preview.nearest.form.gpus * preview.nearest.form.duration_s <= 36_000


def test_the_last_seat_is_refused_when_others_used_it_up_meanwhile(poor):
    first, second = poor.ask(hours=5), poor.ask(hours=5)
    poor.approve(first)
    outcome = poor.approve(second)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.OVER_BUDGET
    assert outcome.detail == "Vision has €44 left this month. This needs €56."
    assert poor.now(second).reviews == ()
    lower = replace(second.form, gpus=3)
    after = poor.desk.approve_less(INES, second.number, second.form_digest, lower, "what is left")
    assert isinstance(after, Request)


def test_what_no_longer_fits_after_a_freeze_is_denied_with_the_budget(tmp_path):
    world = made(tmp_path, 'window = "month"\ncost = 5')
    world.desk.halt("U06KOFI", "*", "fire")
    first, second = world.ask(gpus=1, hours=1), world.ask(gpus=1, hours=1)
    world.desk.lift("U07ADA", "*", "out")
    assert world.desk.resume() == [first.number, second.number]
    assert world.now(first).status is Status.APPROVED
    assert world.now(second).status is Status.DENIED
    assert "Vision has €2.20 left" in world.now(second).why


def test_an_asker_who_changed_teams_is_paid_for_by_the_new_one(poor):
    request = poor.approved()
    files = dict(poor.policy.files)
    files["policy.csv"] = files["policy.csv"].replace("role:engineer, team:vision", "role:engineer, team:platform")
    files["catalogue.toml"] += '\n[budgets.platform]\nwindow = "month"\ncost = 500\n'
    poor.policy = Policy.of(files)
    assert attend(poor.room, request.number) is Status.RUNNING
    assert left(poor) == 10_000
    assert poor.book.budget("platform").reservation(request.number).cost_minor == FOUR_BY_THREE


# -- written around the book -------------------------------------------------------------------------------------------


def test_an_overrun_written_around_the_book_is_found(poor):
    poor.approved()
    version = poor.book.budget("vision").version
    entry = Reserved(request=9999, window=NOVEMBER, gpu_s=1, cost_minor=10_000)
    poor.book.store.append([Move(stream="budget:vision", expected=version, drafts=(draft(entry, actor="svc:desk"),))])
    verdict = verify_store(poor.book.store)
    assert (verdict.fault, verdict.detail) == (Kind.UNLAWFUL, "the budget does not reach")


def test_an_approval_written_around_its_budget_is_found(poor, monkeypatch):
    request = poor.ask()
    monkeypatch.setattr(budgets, "reserve", lambda *_: [])
    poor.approve(request)
    verdict = verify_store(poor.book.store)
    approved = [stored.seq for stored in poor.book.store.scan() if stored.kind == "request.approved"]
    assert (verdict.fault, [verdict.bad]) == (Kind.UNLAWFUL, approved)
    assert verdict.detail == f"{request.name}: agreed to, and the budget of vision does not keep what it may use"


def test_a_budget_that_left_the_catalogue_goes_on_without_limits_for_who_was_decided_under_it(poor):
    request = poor.ask()
    poor.policy = rules("")
    poor.approve(request)
    assert (left(poor), window(poor).reserved[0].cost_minor) == (None, FOUR_BY_THREE)
    attend(poor.room, request.number)
    poor.desk.extend(MIRA, request.number, 3600)
    assert window(poor).reserved[0].cost_minor == 4 * FOUR_BY_THREE // 3
    poor.desk.release(MIRA, request.number)
    attend(poor.room, request.number)
    assert window(poor).reserved == ()
    poor.ask(gpus=1, hours=1)
    assert window(poor).reserved == ()
    assert verify_store(poor.book.store).sound


# -- the catalogue -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('[budgets.vision]\nwindow = "year"\ncost = 1', "must be one of week, month, quarter"),
        ('[budgets.vision]\nwindow = "month"', "gpu_hours, cost or tokens must say how much"),
        ("[budgets.vision]\ncost = 1", "window is missing"),
        ('[budgets.vision]\nwindow = "month"\ncost = -1', "cost must be a number from 0"),
        ('[budgets.vision]\nwindow = "month"\ncost = 1.5', "cost must be a number from 0"),
        ('[budgets.vision]\nwindow = "month"\ncost = true', "cost must be a number from 0"),
        (
            '[budgets.vision]\nwindow = "month"\ngpu_hour = 1\ncost = 1',
            "unknown key gpu_hour; allowed: window, gpu_hours",
        ),
        ('[budgets."team:vision"]\nwindow = "month"\ncost = 1', "without its prefix"),
        ("budgets = 1", "must be a table"),
        ("[budgets]\nvision = 1", "gpu_hours, cost or tokens must say how much"),
    ],
)
def test_a_budget_that_is_none_is_refused(table, fault):
    with pytest.raises(PolicyError, match=fault):
        parse_catalogue(table)


def test_a_budget_is_read_in_seconds_and_minor_units():
    item = parse_catalogue('[budgets.vision]\nwindow = "month"\ngpu_hours = 2\ncost = 3').budgets["vision"]
    assert (item.span, item.gpu_s, item.cost_minor) == ("month", 7200, 300)
    assert parse_catalogue("").budgets == {}


def test_words_round_down_and_never_below_nothing():
    assert [budgets.hours(each) for each in (36_000, 5_400, 359, 3600 * 4000)] == ["10", "1.5", "0", "4,000"]


def test_an_extension_is_paid_for_and_one_beyond_the_budget_is_refused(poor):
    running = poor.running()
    before = left(poor)
    assert isinstance(poor.desk.extend(MIRA, running.number, 3600), Request)
    assert left(poor) == before - 4 * 280
    attend(poor.room, running.number)
    beyond = poor.desk.extend(MIRA, running.number, 8 * 3600)
    assert isinstance(beyond, Refused)
    assert "left this month" in beyond.detail
    assert left(poor) == before - 4 * 280
    assert verify_store(poor.book.store).sound


def test_an_extension_that_the_backend_would_not_hold_is_not_paid_for(poor):
    running = poor.running()
    before = left(poor)
    poor.desk.extend(MIRA, running.number, 3600)

    def no(_grant):
        raise BackendError("the partition ends at 15:00")

    poor.executor.ensure = no
    attend(poor.room, running.number)
    assert left(poor) == before


def in_an_hour(world, running):
    after = world.desk.shorten(MIRA, running.number, world.time() + timedelta(hours=1))
    assert isinstance(after, Request), after
    return after


def test_what_is_given_back_sooner_may_be_spent_at_once_and_what_was_used_is_paid(poor):
    running = poor.running()
    in_an_hour(poor, running)
    assert left(poor) == 10_000 - 4 * 280
    attend(poor.room, running.number)
    poor.time.pass_time(hours=1)
    poor.clock.tick()
    assert (left(poor), window(poor).used_gpu_s) == (10_000 - 4 * 280, 4 * 3600)
    assert verify_store(poor.book.store).sound


def test_it_may_be_given_back_where_the_budget_was_cut_below_what_it_holds(poor):
    running = poor.running()
    lower = replace(window(poor), cost_minor=100)
    entry = budgets._allot(lower)
    version = poor.book.budget("vision").version
    poor.book.append(Write(stream="budget:vision", expected=version, entries=(entry,), actor="svc:desk"))
    in_an_hour(poor, running)
    assert window(poor).reserved[0].cost_minor == FOUR_BY_THREE
    poor.time.pass_time(hours=1)
    poor.clock.tick()
    assert window(poor).used_cost_minor == 4 * 280
    assert verify_store(poor.book.store).sound


def test_giving_back_reserves_no_more_when_prices_rose_meanwhile(poor):
    running = poor.running()
    files = dict(read_files(RULES))
    files["catalogue.toml"] = files["catalogue.toml"].replace("price_minor = 280", "price_minor = 2800")
    poor.policy = Policy.of(files)
    in_an_hour(poor, running)
    assert window(poor).reserved[0].cost_minor == FOUR_BY_THREE
    assert window(poor).reserved[0].gpu_s == 4 * 3600

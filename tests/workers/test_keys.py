"""A key from asking to settlement: made at the holder's click, kept as its SHA-256, counted hour by hour."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import INES, KOFI, MIRA, TOMAS, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from keys_site import ADDRESS, ask_key, granted, serve

from bot.blocks.card import card
from bot.blocks.password import password_modal
from bot.blocks.words import Voice, amount, code, tokens
from bot.errors import Reason
from bot.verbs.showing import Password
from ledger.audit import verify_store
from ledger.book import open_memory
from ledger.nouns import Enforcement
from ledger.streams.request import Request, Status, Verdict, warned_at
from workers import usage
from workers.apikeys import is_key, verifier_of
from workers.endpoint.errors import CallError
from workers.hands import attend
from workers.usage import HourlyUse, enter_hours


@pytest.fixture
def served(world, tmp_path):
    made = serve(world, tmp_path)
    yield made
    made.over()


def voice_of(world):
    return Voice(
        **dict.fromkeys(("name_of", "mention_of", "title_of"), str),
        zone=ZoneInfo("UTC"),
        policy=world.policy,
        now=world.time(),
        warned_at=warned_at,
        used_of=lambda request: world.book.used(request.number),
    )


def text_of(message):
    return json.dumps(message.blocks, ensure_ascii=False)


def key_of(world, request):
    shown = world.desk.show_password(MIRA, request.number)
    assert isinstance(shown, Password)
    attend(world.room, request.number)
    return shown.secret


def works(world, key):
    try:
        return bool(world.keys.holder(key))
    except CallError:
        return False


def spend(world, request, used, at=None):
    """One call of a key, settled by the endpoint at `at`."""
    names = [f"key:{request.grant_key}"]
    assert world.tokens.reserve(names, used) is None
    world.tokens.settle(names, used, used, key=str(request.number), model="fraud-detector", at=at or world.time())


def test_a_key_is_granted_by_a_lead_and_shown_to_its_holder_once(served):
    request = ask_key(served)
    assert [seat.name for seat in request.open_seats] == ["owner-lead"]
    assert ("Answers there now", "nothing yet") in _beside(served, request)
    assert isinstance(served.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE), Request)
    assert attend(served.room, request.number) is Status.RUNNING
    running = served.now(request)
    assert (running.receipt.executor, running.receipt.enforcement) == ("endpoint", Enforcement.SELF_ENDING)
    before = text_of(card(running, (), voice_of(served)))
    assert "Show key" in before
    assert "Key to fraud-detector in production, 2M tokens for 30 days" in before
    assert f"export OPENAI_BASE_URL={ADDRESS}/v1" in before
    shown = served.desk.show_password(MIRA, request.number)
    assert is_key(shown.secret)
    assert shown.secret not in repr(shown)
    entered = served.now(request)
    assert entered.credential == verifier_of(shown.secret)
    assert not works(served, shown.secret)
    attend(served.room, request.number)
    assert works(served, shown.secret)
    assert served.now(request).credentials_set == 1


def _beside(world, request):
    from bot.beside import beside

    return beside(world.book, request, voice_of(world))


def test_a_small_key_in_dev_needs_nobody_and_a_larger_one_somebody(served):
    assert granted(served, place="dev", tokens=1_000_000, days=7).status is Status.RUNNING
    assert ask_key(served, place="dev", tokens=1_000_001, days=7).status is Status.WAITING
    assert ask_key(served, place="dev", tokens=1, days=8).status is Status.WAITING


def test_a_key_to_what_is_not_served_is_denied_in_words(served):
    form = replace(ask_key(served).form, resource="endpoint:churn-predictor@dev")
    decision = served.desk.preview(MIRA, form).decision
    assert not decision.permitted
    assert "Nothing serves churn-predictor in dev" in decision.why


def test_too_many_tokens_are_denied_with_what_would_pass(served):
    form = replace(ask_key(served).form, tokens=30_000_000, duration_s=100 * 86_400)
    preview = served.desk.preview(MIRA, form)
    assert "allows up to 20,000,000 tokens and 90 days" in preview.decision.why
    assert (preview.nearest.form.tokens, preview.nearest.form.duration_s) == (20_000_000, 90 * 86_400)
    assert preview.nearest.label == "Ask for 20,000,000 tokens for 90 days instead"


def test_a_lead_may_approve_fewer_tokens(served):
    request = ask_key(served)
    lower = replace(request.form, tokens=500_000)
    served.desk.approve_less(INES, request.number, request.form_digest, lower, "enough for a start")
    served.desk.accept(MIRA, request.number, served.now(request).form_digest)
    attend(served.room, request.number)
    running = served.now(request)
    assert running.form.tokens == 500_000
    assert served.tokens.left(f"key:{running.grant_key}") == 500_000


def test_more_tokens_than_asked_for_cannot_be_approved(served):
    request = ask_key(served)
    more = replace(request.form, tokens=request.form.tokens + 1)
    assert not isinstance(served.desk.approve_less(INES, request.number, request.form_digest, more, "more"), Request)
    assert served.now(request).form == request.form


def test_showing_anew_ends_the_key_before_and_nobody_else_is_shown_one(served):
    request = granted(served)
    first = key_of(served, request)
    second = key_of(served, request)
    assert (works(served, first), works(served, second)) == (False, True)
    assert refused(served.desk.show_password(INES, request.number)) is Reason.NOT_YOURS
    assert works(served, second)


def test_an_extension_keeps_the_key_and_adds_no_tokens(served):
    request = granted(served, place="dev", tokens=1000, days=2)
    key = key_of(served, request)
    asked = served.desk.extend(MIRA, request.number, 86_400)
    assert isinstance(asked, Request)
    attend(served.room, request.number)
    served.time.now = request.not_after + timedelta(hours=1)
    assert works(served, key)
    assert served.tokens.left(f"key:{request.grant_key}") == 1000
    served.time.now = request.not_after + timedelta(days=1)
    assert not works(served, key)


def test_released_it_stops_at_once_and_says_what_was_used(served):
    request = granted(served)
    key = key_of(served, request)
    spend(served, request, 700)
    served.desk.release(MIRA, request.number)
    attend(served.room, request.number)
    over = served.now(request)
    assert not works(served, key)
    assert (over.status, over.usage.tokens) == (Status.ENDED, 700)
    assert "700 of 2M tokens" in text_of(card(over, (), voice_of(served)))


@pytest.mark.parametrize("by", [INES, KOFI])
def test_a_lead_of_it_or_an_admin_may_revoke_it(served, by):
    request = granted(served)
    key = key_of(served, request)
    assert refused(served.desk.revoke(TOMAS, request.number, "not mine")) is Reason.NOT_ALLOWED
    assert works(served, key)
    served.desk.revoke(by, request.number, "leaked")
    attend(served.room, request.number)
    assert not works(served, key)
    assert served.now(request).status is Status.ENDED


def test_it_ends_by_the_clock_and_before_that_by_itself(served):
    request = granted(served)
    key = key_of(served, request)
    served.time.now = request.not_after
    assert not works(served, key)
    served.clock.tick()
    assert served.now(request).status is Status.ENDED


# -- counted hour by hour -------------------------------------------------------------------------------------------------


def test_an_hour_is_entered_once_it_is_over_and_the_card_says_so(served):
    request = granted(served)
    spend(served, request, 300)
    spend(served, request, 200)
    served.clock.tick()
    assert served.book.used(request.number).tokens == 0
    served.time.pass_time(hours=1, minutes=1)
    served.clock.tick()
    used = served.book.used(request.number)
    assert (used.calls, used.tokens) == (2, 500)
    assert served.tokens.hours(served.time()) == []
    assert "500 of 2M tokens, by 10:00 UTC" in text_of(card(served.now(request), (), voice_of(served)))
    served.time.pass_time(hours=2)
    served.clock.tick()
    assert served.book.used(request.number).version == 1
    assert verify_store(served.book.store).sound


def test_what_a_team_may_use_follows_the_rules_in_force(served, tmp_path):
    request = granted(served)
    key = key_of(served, request)
    served.keys.holder(key)
    assert served.tokens.left("team:vision@2026-11") == 50_000_000
    from keys_site import served_policy

    served.policy = served_policy(tokens=77)
    served.clock.tick()
    served.keys.holder(key)
    assert served.tokens.left("team:vision@2026-11") == 77


def test_the_counters_cannot_make_up_a_key(served):
    gpu = served.running()
    for name in ("7", str(gpu.number), "no number", "²"):
        served.tokens.settle([], 0, 9, key=name, model="m", at=served.time())
    served.time.pass_time(hours=2)
    HourlyUse(served.room).enter(served.time())
    assert served.book.used(7).version == served.book.used(gpu.number).version == 0
    assert served.tokens.hours(served.time()) == []
    assert verify_store(served.book.store).sound


class Crash(BaseException):
    """The end of a process."""


@settings(max_examples=40, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 500)), min_size=1, max_size=20),
    crashes=st.lists(st.sampled_from(["before-counted", "after-counted", ""]), max_size=12),
)
def test_whatever_crashes_every_token_is_entered_exactly_once(calls, crashes, tmp_path_factory):
    from conftest import Hand, make_world

    time, folder = Hand(), tmp_path_factory.mktemp("crash")
    book = open_memory(clock=time)
    world = serve(make_world(book, time, folder), folder)
    request = granted(world)
    begin = time.now
    for hour, used in calls:
        spend(world, request, used, at=begin + timedelta(hours=hour))
    time.pass_time(hours=7)
    due = iter(crashes)
    try:
        for _ in range(len(crashes) + 1):
            step = next(due, "")
            _crash_at(step)
            try:
                enter_hours(book, world.minter, time())
            except Crash:
                continue
    finally:
        _crash_at("")
    enter_hours(book, world.minter, time())
    used = book.used(request.number)
    assert (used.calls, used.tokens) == (len(calls), sum(tokens for _, tokens in calls))
    assert used.version == len({hour for hour, _ in calls})
    assert verify_store(book.store).sound
    world.over()


def _crash_at(step):
    def reached(here, _):
        if here == step:
            raise Crash

    usage.crash.point = reached if step else lambda *_: None


# -- words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 token"),
        (999, "999 tokens"),
        (1500, "1,500 tokens"),
        (250_000, "250k tokens"),
        (2_000_000, "2M tokens"),
        (1_250_000, "1.25M tokens"),
        (1_234_567, "1,234,567 tokens"),
        (50_000_000, "50M tokens"),
        (1_000_000_000, "1,000M tokens"),
    ],
)
def test_amounts_are_short_only_where_that_is_exact(count, words):
    assert tokens(count) == words
    assert amount(count) == words.partition(" ")[0]


def test_a_command_is_copied_as_it_stands():
    assert code("export OPENAI_BASE_URL=http://x/v1 `rm`\n*a* <b>") == (
        "export OPENAI_BASE_URL=http://x/v1 'rm' *a* &lt;b&gt;"
    )


def test_the_modal_shows_the_key_and_how_to_use_it(served):
    request = granted(served)
    shown = served.desk.show_password(MIRA, request.number)
    said = json.dumps(password_modal(shown, voice_of(served)))
    assert shown.secret in said
    assert f"export OPENAI_BASE_URL={ADDRESS}/v1" in said
    assert "this one stops working" in said


def test_the_secret_is_in_no_byte_of_the_ledger_the_tables_or_the_cards(served, tmp_path):
    request = granted(served)
    secret = key_of(served, request)
    again = key_of(served, request)
    stored = b"".join(entry.data for entry in served.book.store.scan())
    sealed = "".join(str(seal.value) for entry in served.book.store.scan() for seal in entry.sealed.values())
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    shown = text_of(card(served.now(request), (), voice_of(served)))
    # The search would find it: the verifier, which does travel, stands where it is kept.
    assert verifier_of(again) in sealed
    assert verifier_of(again).encode() in files
    for place in (stored.decode(), sealed, files.decode(errors="replace"), shown):
        assert secret not in place
        assert again not in place

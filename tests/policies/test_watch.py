"""The running policy: swapped whole, kept when an edit is bad, never wrong in between."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time

import pytest
from conftest import RULES

from bot.house import open_house
from ledger.book import Write
from ledger.nouns import Access, DataForm, GpuForm
from ledger.streams.house import PolicyPublished
from policies.decide import Policy
from policies.errors import PolicyError
from policies.inforce import PolicyInForce, source_of
from policies.watch import PolicySource

FORM = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=8, duration_s=3600)
KNOWN = {"held_gpus": 0, "open_requests": 0}
CHECKS = 1_500


def publish(folder, text):
    """Put a file in place as an editor does that cares: written beside, renamed over."""
    beside = folder / f"beside-{threading.get_ident()}"
    beside.write_text(text)
    beside.replace(folder / "policy.csv")


@pytest.mark.parametrize("bad", ["p, short", "", "p, a, role:x, *, class:gpu, use, -, alow"])
def test_a_broken_edit_keeps_the_policy_before_and_says_so(rules, caplog, bad):
    source = PolicySource(rules)
    good = source.current()
    if not bad:
        (rules / "policy.csv").unlink()
    else:
        (rules / "policy.csv").write_text(bad)
    with caplog.at_level(logging.ERROR):
        assert source.current() is good
        assert source.current() is good
    assert source.error is not None
    assert [record.getMessage() for record in caplog.records] == [
        f"The rules changed and cannot be used; the ones before go on. {source.error}"
    ]
    shutil.copy(RULES / "policy.csv", rules / "policy.csv")
    assert source.current().digest == good.digest
    assert source.error is None


def test_a_first_policy_that_cannot_be_used_is_refused(rules):
    (rules / "policy.csv").write_text("p, short")
    with pytest.raises(PolicyError):
        PolicySource(rules)


def test_rules_that_cannot_be_read_at_the_start_leave_the_adopted_ones_in_force(house, caplog):
    """Whoever starts then must still end what is running: a clock that refused to start would end nothing."""
    folder = house.home / "policies"
    good = (folder / "catalogue.toml").read_text()
    (folder / "catalogue.toml").write_text(good + '[backends.lake]\nkind = "postgres"\ncolour = "blue"\n')
    with caplog.at_level(logging.ERROR):
        source = source_of(folder, house.book)
        decided = PolicyInForce(source, house.book).current()
    assert decided.digest == house.book.policy().digest
    assert "colour" in str(source.error)
    assert [record.getMessage() for record in caplog.records] == [
        f"The rules changed and cannot be used; the ones before go on. {source.error}"
    ]
    (folder / "catalogue.toml").write_text(good)
    assert source.current().digest == decided.digest
    assert source.error is None


def test_what_was_adopted_a_moment_ago_is_waited_for_while_another_thread_builds_it(house, monkeypatch):
    folder = house.home / "policies"
    in_force = PolicyInForce(source_of(folder, house.book), house.book)
    publish(folder, (folder / "policy.csv").read_text().replace("gpus<=8", "gpus<=7"))
    adopted = Policy.load(folder)
    house.book.append(published(house, adopted))
    began, go, real = threading.Event(), threading.Event(), Policy.load

    def slow(place):
        began.set()
        assert go.wait(20)
        return real(place)

    monkeypatch.setattr(Policy, "load", slow)
    said = []
    first = threading.Thread(target=lambda: said.append(in_force.current().digest))
    first.start()
    assert began.wait(20)
    second = threading.Thread(target=lambda: said.append(in_force.current().digest))
    second.start()
    second.join(0.3)
    go.set()
    for thread in (first, second):
        thread.join(20)
    assert said == [adopted.digest] * 2


def published(house, policy):
    entry = PolicyPublished(digest=policy.digest, files=house.book.policy().files, why="a test")
    return Write(stream="policy", expected=house.book.policy().version, entries=(entry,), actor="os:test")


def test_the_desk_opens_with_the_adopted_rules_too(house):
    (house.home / "policies" / "policy.csv").write_text("p, short")
    again = open_house(
        house.home, house.home / "policies", house.home / "ledger.sqlite3", mode="demo", workspace="T0LOCAL"
    )
    assert again.policy.current().digest == house.policy.current().digest
    again.book.store.close()


def test_an_entry_whose_files_are_not_what_its_digest_says_is_not_gone_on_with(house, rules):
    files = house.book.policy().files
    entry = PolicyPublished(digest="c" * 64, files=files, why="a test")
    house.book.append(Write(stream="policy", expected=house.book.policy().version, entries=(entry,), actor="os:test"))
    assert source_of(rules, house.book).error is None
    (rules / "policy.csv").write_text("p, short")
    with pytest.raises(PolicyError):
        source_of(rules, house.book)


def test_an_edit_of_the_same_length_and_time_is_seen(rules):
    source, path = PolicySource(rules), rules / "policy.csv"
    before = path.stat()
    publish(rules, path.read_text().replace("gpus<=8 hours<=72", "gpus<=9 hours<=72"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.current().digest == Policy.load(rules).digest


def test_files_that_nobody_adopted_decide_nothing(house):
    text = house.home / "policies" / "policy.csv"
    text.write_text(text.read_text().replace("gpus<=8", "gpus<=9"))
    with pytest.raises(PolicyError, match="adopt"):
        house.policy.current()


def test_no_decision_is_wrong_while_the_rules_are_published_again_and_again(rules):
    text = (rules / "policy.csv").read_text()
    texts = [text, text.replace("admin-revoke", "admin-take-back"), "p, short"]
    source, stop = PolicySource(rules), threading.Event()
    wrong, seen, counted = [], set(), []

    def reload():
        turn = 0
        while not stop.is_set():
            publish(rules, texts[turn % 3])
            turn += 1
            time.sleep(0.001)

    def check():
        for _ in range(CHECKS):
            policy = source.current()
            may = policy.decide("user:U01MIRA", FORM, KNOWN)
            not_more = policy.decide("user:U05ODILE", FORM, KNOWN)
            if not may.permitted or not_more.permitted or may.rules[0] != "ask-gpu-eng":
                wrong.append((may, not_more))
            seen.add(policy.digest)
            counted.append(1)

    checkers = [threading.Thread(target=check) for _ in range(4)]
    reloader = threading.Thread(target=reload)
    for thread in [reloader, *checkers]:
        thread.start()
    for thread in checkers:
        thread.join()
    stop.set()
    reloader.join()
    assert wrong == []
    assert len(counted) == 4 * CHECKS
    assert len(seen) == 2, "the rules never changed under the checks: the test proves nothing"


@pytest.fixture
def restless():
    """Threads that take turns after every few instructions, so that what is not guarded shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_ask_one_snapshot_never_get_each_others_answer(restless):
    policy = Policy.load(RULES)
    wrong = []

    def ask(form, rule):
        for _ in range(CHECKS // 3):
            decision = policy.decide("user:U01MIRA", form, KNOWN)
            if decision.rules[0] != rule or not decision.permitted:
                wrong.append(decision)

    reading = DataForm(resource="data:claims_2024", access=Access.READ, duration_s=86_400)
    people = [(FORM, "ask-gpu-eng"), (reading, "ask-data-eng")] * 2
    threads = [threading.Thread(target=ask, args=each) for each in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_build_under_way_keeps_nobody_waiting(rules, monkeypatch):
    source = PolicySource(rules)
    old, started, go_on = source.current(), threading.Event(), threading.Event()
    load = Policy.load

    def slow(folder):
        started.set()
        assert go_on.wait(10)
        return load(folder)

    monkeypatch.setattr(Policy, "load", slow)
    publish(rules, (rules / "policy.csv").read_text() + "\n# more\n")
    builder = threading.Thread(target=source.current)
    builder.start()
    assert started.wait(10)
    assert source.current() is old
    go_on.set()
    builder.join()
    assert source.current() is not old

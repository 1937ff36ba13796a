"""A key to a served model as people live it: asked for in words, approved, shown once, used, and over at once."""

from __future__ import annotations

import json
import re

import pytest
from conftest import INES, KOFI, MIRA
from endpoint_house import BOUNDS, PLACE, Child, caller, chat, free_port, listens
from keys_site import LISTED, NEXT, SERVING
from services.house import desk_on, rules_with, text_of
from services.postgres_walk import is_set, until
from services.slack_tap import Tap, forms_of, leaks

from bot.workspace.server import WorkspaceServer
from ledger.audit import verify_store
from ledger.book import open_sqlite
from ledger.streams.request import Status
from workers.apikeys import verifier_of
from workers.endpoint.table import FILE, Server, write_table

pytestmark = [pytest.mark.services, pytest.mark.models]
WORDS = "a key for fraud-detector in prod, 20k tokens, for 2 days so I can score claims"


@pytest.fixture(scope="module", name="walk")
def walk_with_a_served_model(tmp_path_factory):
    home = tmp_path_factory.mktemp("walk") / "home"
    rules_with(home, replace=[(LISTED, ""), (NEXT, SERVING + NEXT), ("cost = 6000", "cost = 6000\ntokens = 50000")])
    port, endpoint = free_port(), free_port()
    command = ["workers.standin", "--model", "one", "--served-model-name", "fraud@one", "--port", str(port)]
    server = Child(command, home, "standin", answers=lambda: listens(port))
    row = Server(
        url=f"http://127.0.0.1:{port}",
        digest="sha256:" + "ab" * 32,
        version="3.2.1",
        served="fraud@one",
        percent=100,
        bounds=BOUNDS,
    )
    write_table(home / "models" / FILE, lambda _: {PLACE: (row,)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QM_ENDPOINT_PORT", str(endpoint))
        taps = []

        def through_a_tap(workspace):
            taps.extend([] if taps else [Tap(workspace.port)])
            return f"http://127.0.0.1:{taps[0].port}/api/"

        patch.setattr(WorkspaceServer, "api_url", property(through_a_tap))
        with desk_on(home) as walk:
            walk.tap, walk.home, walk.url = taps[0], home, f"http://127.0.0.1:{endpoint}"
            walk.book = open_sqlite(home / "ledger.sqlite3")
            until(lambda: listens(endpoint), 30)
            yield walk
            walk.book.store.close()
        walk.tap.close()
    server.kill()


def running(walk, words=WORDS):
    ts, number = walk.ask(MIRA, words)
    walk.approve(INES, number)
    return ts, number, walk.card(MIRA, ts, "Running until")


def show(walk, ts):
    """Press Show key, and return what the modal shows."""
    mira = walk.person(MIRA)
    before = mira.modal()
    mira.click(walk.card(MIRA, ts, "Show key"), "Show key")

    def fresh():
        view = mira.modal()
        return view if view and view != before else None

    view = mira.wait(fresh, 20)
    (secret,) = re.findall(r"```(qm-[A-Za-z0-9_-]{43})```", json.dumps(view))
    return secret, view


def test_asked_approved_used_shown_anew_and_revoked(walk):
    ts, number, card = running(walk)
    assert "Key to fraud-detector in production, 20k tokens for 2 days" in text_of(card)
    assert f"export OPENAI_BASE_URL={walk.url}/v1" in text_of(card)
    first, view = show(walk, ts)
    assert "Shown once" in json.dumps(view)
    is_set(walk, number)
    with caller(walk.url, first) as http:
        answer = chat(http, "hello", max_tokens=5)
        assert answer.status_code == 200
        assert answer.json()["model"] == "fraud-detector"
        second, _ = show(walk, ts)
        is_set(walk, number, 2)
        assert chat(http, "hello").status_code == 401
    with caller(walk.url, second) as http:
        assert chat(http, "hello", max_tokens=5).status_code == 200
        walk.revoke(KOFI, number, "it leaked")
        walk.card(MIRA, ts, "Revoked by Kofi")
        until(lambda: walk.book.request(number).status is Status.ENDED)
        assert chat(http, "hello").status_code == 401
    used = 2 * answer.json()["usage"]["total_tokens"]
    assert walk.book.request(number).usage.tokens == used
    walk.card(MIRA, ts, f"{used} of 20k tokens")
    assert verify_store(walk.book.store).sound


def test_the_key_is_nowhere_but_in_the_one_view(walk):
    ts, number, _ = running(walk)
    secret, view = show(walk, ts)
    is_set(walk, number)
    with caller(walk.url, secret) as http:
        assert chat(http, "hello", max_tokens=5).status_code == 200
    verifier = walk.book.request(number).credential.encode()
    assert verifier.decode() == verifier_of(secret)
    kept = {str(path): path.read_bytes() for path in walk.home.rglob("*") if path.is_file()}
    for slack in (MIRA, INES, KOFI):
        person = walk.person(slack)
        seen = [person.messages(walk.room), person.messages(person.dm()), person.home()]
        kept[f"seen by {slack}"] = json.dumps(seen).encode()
    # The search would find it: the verifier, which does travel, is in the ledger and in the table of keys.
    holding = [name for name, text in kept.items() if verifier in text]
    assert any("ledger.sqlite3" in name for name in holding)
    assert any("keys.sqlite3" in name for name in holding)
    assert any("valkey" in name for name in kept)
    assert {"worker.log", "clock.log", "endpoint.log"} <= {name.rpartition("/")[2] for name in kept}
    assert [name for name, text in kept.items() if any(each in text for each in forms_of(secret))] == []
    assert secret in json.dumps(view)
    assert leaks(walk.tap.exchanges, secret) == []


def test_a_small_key_in_dev_needs_nobody_and_ends_by_itself(walk):
    write_table(walk.home / "models" / FILE, lambda routes: {**routes, "fraud-detector@dev": routes[PLACE]})
    ts, number = walk.ask(MIRA, "a key for fraud-detector in dev, 5k tokens, for 12 seconds")
    walk.card(MIRA, ts, "Running until")
    secret, _ = show(walk, ts)
    is_set(walk, number)
    end = walk.book.request(number).not_after
    with caller(walk.url, secret) as http:
        assert chat(http, "hello", max_tokens=5).status_code == 200
        until(lambda: walk.book.clock() >= end)
        assert chat(http, "hello").status_code == 401
    walk.card(MIRA, ts, "Ended on time")

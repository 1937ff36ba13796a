"""The password of a grant: shown to its holder once, and nowhere else, whatever is searched."""

from __future__ import annotations

import base64
import json

import pytest
from conftest import INES, KOFI, MIRA, NOOR
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_walk import connect, count, is_set, running, show, walk_on_postgres  # noqa: F401 - a fixture
from services.slack_tap import Exchange, unmasked

from workers.scram import new_secret

pytestmark = pytest.mark.services


def everywhere(walk):
    """Every byte that is kept or was sent, by where it is: the home, PostgreSQL's log, and what people see."""
    found = {str(path): path.read_bytes() for path in walk.home.rglob("*") if path.is_file()}
    found["postgres log"] = walk.postgres.log.read_bytes()
    for slack in (MIRA, INES, NOOR, KOFI):
        person = walk.person(slack)
        seen = [person.messages(walk.room), person.messages(person.dm()), person.home()]
        found[f"seen by {slack}"] = json.dumps(seen).encode()
    return found


def test_the_password_is_nowhere_but_in_the_one_view(walk):
    ts, number, _ = running(walk)
    secret, view = show(walk, ts)
    is_set(walk, number)
    with connect(walk, number, secret) as session:
        assert count(session) == 50
    verifier = walk.book.request(number).credential.encode()
    kept = everywhere(walk)
    # The search would find it: the verifier, which does travel, is in the ledger and in PostgreSQL's log.
    assert {name for name, text in kept.items() if verifier in text} >= {"postgres log"}
    assert any(verifier in text for name, text in kept.items() if "ledger.sqlite3" in name)
    assert any("valkey" in name for name in kept)
    assert any(name.endswith("worker.log") for name in kept)
    assert [name for name, text in kept.items() if any(each in text for each in forms_of(secret))] == []
    assert secret in json.dumps(view)
    assert leaks(walk.tap.exchanges, secret) == []


def forms_of(secret):
    """The ways in which a careless program would write it."""
    raw = secret.encode()
    return [raw, raw.upper(), raw.hex().encode(), *(base64.b64encode(b" " * n + raw)[4:-4] for n in range(3))]


def leaks(exchanges, secret):
    """Where in the traffic with Slack the secret is, besides the one view that shows it; and that it was shown once."""
    seen = [exchange for exchange in exchanges if exchange.asked]
    assert {exchange.method for exchange in seen} >= {"link", "views.open", "chat.postMessage", "chat.update"}
    holding = [(each, way, text.count(form)) for each in seen
               for way, text in (("asked", each.sent), ("answered", bytes(each.answered)))
               for form in forms_of(secret) if form in text]  # fmt: skip
    shown = [each for each, way, _ in holding if way == "asked" and each.method in {"views.open", "views.update"}]
    assert len(shown) == 1, "one call shows it"
    assert [count for each, way, count in holding if each is shown[0] and way == "asked"] == [1]
    # The answer to that call repeats the view, as Slack's does, on the same connection.
    return [(each.method, way) for each, way, _ in holding if each is not shown[0]]


def test_the_search_of_the_traffic_finds_a_password_in_a_message_and_in_a_masked_frame(walk):
    """Without this nobody knows that the search above can fail."""
    secret = new_secret()
    view = Exchange(asked=bytearray(b"POST /api/views.open HTTP/1.1\r\n\r\nview=" + secret.encode()))
    told = Exchange(asked=bytearray(b"POST /api/chat.postMessage HTTP/1.1\r\n\r\ntext=" + secret.encode()))
    mask, text = b"\x01\x02\x03\x04", secret.encode()
    frame = bytes([0x81, 0x80 | len(text)]) + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(text))
    link = Exchange(asked=bytearray(b"GET /link/ HTTP/1.1\r\nUpgrade: websocket\r\n\r\n" + frame))
    assert secret.encode() not in link.asked
    assert secret.encode() in unmasked(frame)
    others = list(walk.tap.exchanges)
    assert leaks([*others, view], secret) == []
    assert leaks([*others, view, told, link], secret) == [("chat.postMessage", "asked"), ("link", "asked")]


def test_nobody_but_the_holder_is_shown_a_password(walk):
    _, number, card = running(walk)
    ines = walk.person(INES)
    ines.click(card, "Show password")
    ines.wait(lambda: next((m for m in ines.messages(walk.room) if m["ephemeral"] and "Mira" in m["text"]), None))
    assert ines.modal() is None
    assert walk.book.request(number).credentials_shown == 0

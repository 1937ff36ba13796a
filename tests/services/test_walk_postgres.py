"""Access to data in a real PostgreSQL, asked for, approved, used with a password shown once, and taken back."""

from __future__ import annotations

import base64
import json
import re
import time

import psycopg
import pytest
from conftest import INES, KOFI, MIRA, NOOR
from psycopg import sql
from psycopg.conninfo import make_conninfo
from services.house import desk_on, rules_with, text_of
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.slack_tap import Exchange, Tap, unmasked
from typer.testing import CliRunner

from bot.workspace.server import WorkspaceServer
from ledger.book import open_sqlite
from ledger.streams.request import Status
from workers import cli
from workers.scram import make_verifier, new_secret

pytestmark = pytest.mark.services
DATA_SET = '[datasets.claims_2024]\nowner = "team:platform"\nlevel = 2\n'
AT = '[datasets.claims_2024]\nowner = "team:platform"\nlevel = 2\nbackend = "postgres:warehouse"\ntable = "claims"\n'
BACKEND = '\n[backends.warehouse]\nkind = "postgres"\n'
WORDS = "read access to claims_2024 for 2 hours to check the fraud model"


@pytest.fixture(scope="module")
def warehouse(postgres):
    """A database with a table of claims."""
    with psycopg.connect(postgres.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE warehouse")
    address = make_conninfo(postgres.conninfo(), dbname="warehouse")
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("CREATE TABLE claims (claim_id int, amount int, region text, closed_at date)")
        admin.execute("INSERT INTO claims SELECT n, n * 10, 'north', now() FROM generate_series(1, 50) n")
    return address


@pytest.fixture(scope="module")
def walk(postgres, warehouse, tmp_path_factory):
    """The desk on the database, set up as the README says."""
    home = tmp_path_factory.mktemp("walk") / "home"
    rules_with(home, replace=[(DATA_SET, AT)], add=BACKEND)
    secret = new_secret()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QM_HOME", str(home))
        patch.setenv("QM_POSTGRES_DSN", make_conninfo(postgres.conninfo("qm_executor", secret), dbname="warehouse"))
        done = CliRunner().invoke(cli.app, ["prepare", "warehouse", "--as", warehouse])
        assert done.exit_code == 0, done.output
        with psycopg.connect(warehouse, autocommit=True) as admin:
            verifier = sql.Literal(make_verifier(secret).text())
            admin.execute(sql.SQL("ALTER ROLE qm_executor PASSWORD {}").format(verifier))
        taps = []

        def through_a_tap(server):
            taps.extend([] if taps else [Tap(server.port)])
            return f"http://127.0.0.1:{taps[0].port}/api/"

        patch.setattr(WorkspaceServer, "api_url", property(through_a_tap))
        with desk_on(home) as walk:
            walk.tap = taps[0]
            walk.room, walk.home, walk.postgres = "data-access", home, postgres
            walk.book = open_sqlite(home / "ledger.sqlite3")
            yield walk
            walk.book.store.close()
        walk.tap.close()


def running(walk):
    """A grant that Mira holds: (card's place, number, card)."""
    ts, number = walk.ask(MIRA, WORDS)
    walk.approve(INES, number)
    walk.approve(NOOR, number)
    return ts, number, walk.card(MIRA, ts, "Running until")


def show(walk, ts):
    """Press Show password, and return what the modal shows."""
    mira = walk.person(MIRA)
    before = mira.modal()
    mira.click(walk.card(MIRA, ts, "Show password"), "Show password")

    def fresh():
        view = mira.modal()
        return view if view and view != before else None

    view = mira.wait(fresh, 20)
    (secret,) = re.findall(r"```([a-z2-7]{26})```", json.dumps(view))
    return secret, view


def until(done, seconds=20):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def is_set(walk, number, count=1):
    until(lambda: walk.book.request(number).credentials_set == count)


def connect(walk, number, secret):
    """Log in as the receipt says."""
    note = walk.book.request(number).receipt.note
    (address,) = re.findall(r'psql "(.*)"$', note)
    return psycopg.connect(make_conninfo(address, password=secret), autocommit=True)


def count(session):
    return len(session.execute("SELECT claim_id FROM qm_data.claims_2024").fetchall())


def everywhere(walk):
    """Every byte that is kept or was sent, by where it is: the home, PostgreSQL's log, and what people see."""
    found = {str(path): path.read_bytes() for path in walk.home.rglob("*") if path.is_file()}
    found["postgres log"] = walk.postgres.log.read_bytes()
    for slack in (MIRA, INES, NOOR, KOFI):
        person = walk.person(slack)
        seen = [person.messages(walk.room), person.messages(person.dm()), person.home()]
        found[f"seen by {slack}"] = json.dumps(seen).encode()
    return found


def test_asked_approved_read_rotated_and_revoked(walk):
    ts, number = walk.ask(MIRA, WORDS)
    walk.approve(INES, number)
    walk.card(MIRA, ts, "1 of 2 given")
    walk.approve(NOOR, number)
    card = walk.card(MIRA, ts, "Running until")
    assert "Show password" in text_of(card)
    first, view = show(walk, ts)
    assert "Shown once" in json.dumps(view)
    is_set(walk, number)
    with connect(walk, number, first) as session:
        assert count(session) == 50
        second, _ = show(walk, ts)
        assert second != first
        is_set(walk, number, 2)
        with pytest.raises(psycopg.OperationalError):
            count(session)
    with connect(walk, number, second) as session:
        assert count(session) == 50
        walk.revoke(KOFI, number, "the export is wrong")
        until(lambda: walk.book.request(number).status is Status.ENDED)
        with pytest.raises(psycopg.Error):
            count(session)
    with pytest.raises(psycopg.OperationalError):
        connect(walk, number, second)
    kinds = [kind for kind, *_ in walk.book.request(number).history]
    assert kinds.count("request.credential-shown") == kinds.count("request.credential-set") == 2


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


def test_it_ends_by_itself_and_the_open_session_with_it(walk):
    ts, number = walk.ask(MIRA, "read access to claims_2024 for 20 seconds to check one row")
    walk.approve(INES, number)
    walk.approve(NOOR, number)
    walk.card(MIRA, ts, "Running until")
    secret, _ = show(walk, ts)
    is_set(walk, number)
    with connect(walk, number, secret) as session:
        assert count(session) == 50
        walk.card(MIRA, ts, "Ended on time", 60)
        with pytest.raises(psycopg.Error):
            count(session)
    assert walk.book.request(number).status is Status.ENDED

"""Access to data in a real PostgreSQL, asked for, approved, used with a password shown once, and taken back."""

from __future__ import annotations

import json
from contextlib import suppress

import psycopg
import pytest
from conftest import ADA, INES, KOFI, MIRA, NOOR
from services.house import text_of
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_walk import (
    VIEW,
    WORDS,
    connect,
    count,
    ended,
    in_the_server,
    is_set,
    running,
    show,
    until,
    walk_on_postgres,  # noqa: F401 - a fixture
)
from services.slack_tap import Exchange, forms_of, leaks, unmasked
from typer.testing import CliRunner

from bot import cli
from ledger.streams.request import Status
from workers.scram import new_secret

pytestmark = pytest.mark.services


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
        ended(walk, number)
        with pytest.raises(psycopg.Error):
            count(session)
    with pytest.raises(psycopg.OperationalError):
        connect(walk, number, second)
    kinds = [kind for kind, *_ in walk.book.request(number).history]
    assert kinds.count("request.credential-shown") == kinds.count("request.credential-set") == 2


def test_extended_by_both_the_same_login_and_its_session_go_on_and_end_by_themselves_at_the_later_end(walk):
    ts, number, _ = running(walk, "read access to claims_2024 for 12 seconds to check one row")
    secret, _ = show(walk, ts)
    is_set(walk, number)
    before = walk.book.request(number)
    with connect(walk, number, secret) as session:
        walk.person(MIRA).command(f"/qm extend REQ-{number} 8 seconds")
        for slack in (INES, NOOR):
            walk.agree(slack, number)
        until(lambda: walk.book.request(number).confirmed == before.generation + 1, 30)
        after = walk.book.request(number)
        assert (after.not_after - before.not_after).total_seconds() == 8
        (login,) = session.execute("SELECT session_user").fetchone()
        assert in_the_server(walk, "SELECT rolvaliduntil FROM pg_roles WHERE rolname = %s", login) == [
            (after.not_after,)
        ]
        until(lambda: walk.book.clock() > before.not_after)
        assert count(session) == 50
        connect(walk, number, secret).close()
        until(lambda: walk.book.clock() > after.not_after)
        with suppress(psycopg.OperationalError):  # ended by the clock, or not yet
            assert count(session) == 0
        walk.card(MIRA, ts, "Ended on time")
        ended(walk, number)
        with pytest.raises(psycopg.OperationalError):
            count(session)
    assert in_the_server(walk, "SELECT rolname FROM pg_roles WHERE rolname = %s", login) == []


def test_handed_back_early_the_session_ends_and_the_login_with_it(walk):
    ts, number, _ = running(walk)
    secret, _ = show(walk, ts)
    is_set(walk, number)
    with connect(walk, number, secret) as session:
        walk.person(MIRA).click(walk.card(MIRA, ts, "qm_release"), "Release")
        walk.card(MIRA, ts, "Released by Mira")
        ended(walk, number)
        with pytest.raises(psycopg.Error):
            count(session)
    with pytest.raises(psycopg.OperationalError):
        connect(walk, number, secret)


def test_of_two_grants_of_one_person_each_ends_alone_and_reading_never_writes(walk):
    grants = [running(walk), running(walk, WORDS.replace("read", "write"), [INES])]
    sessions = []
    for ts, number, _ in grants:
        secret, _ = show(walk, ts)
        is_set(walk, number)
        sessions.append(connect(walk, number, secret))
    (_, reads, _), (_, writes, _) = grants
    reading, writing = sessions
    with reading, writing:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reading.execute(f"UPDATE {VIEW} SET region = 'south'")
        assert writing.execute(f"UPDATE {VIEW} SET region = 'south'").rowcount == 50
        walk.person(MIRA).command(f"/qm release REQ-{writes}")
        ended(walk, writes)
        with pytest.raises(psycopg.Error):
            count(writing)
        assert count(reading) == 50
        again_ts, again, _ = running(walk)
        walk.person(MIRA).command(f"/qm release REQ-{reads}")
        ended(walk, reads)
        with pytest.raises(psycopg.Error):
            count(reading)
    secret, _ = show(walk, again_ts)
    is_set(walk, again)
    with connect(walk, again, secret) as session:
        assert count(session) == 50


# -- the password ---------------------------------------------------------------------------------------------------


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


# -- side doors -----------------------------------------------------------------------------------------------------


def shell(*arguments):
    """What `quartermaster` says in a shell."""
    return CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200"})


def test_access_given_behind_our_back_is_found_and_taken_away_by_two_admins(walk):
    in_the_server(walk, "CREATE ROLE mallory LOGIN PASSWORD 'plain-words'")
    in_the_server(walk, "GRANT SELECT ON claims TO mallory")
    address = psycopg.conninfo.make_conninfo(walk.warehouse, user="mallory", password="plain-words")
    with psycopg.connect(address, autocommit=True) as session:
        assert session.execute("SELECT count(*) FROM claims").fetchone() == (50,)
        seen = shell("reconcile", "--backend", "postgres:warehouse")
        assert seen.exit_code == 1
        assert "mallory" in seen.output
        (finding,) = walk.book.watch("postgres:warehouse").findings
        asked = shell("reconcile", "--revert", finding.finding[:8], "--as", KOFI, "--why", "nobody knows of it")
        assert asked.exit_code == 0, asked.output
        number = walk.book.requests.last()
        walk.person(KOFI).command(f"/qm approve REQ-{number}")
        walk.newest(KOFI, walk.person(KOFI).dm(), f"You asked for REQ-{number}, so someone else must decide it: Ada.")
        assert session.execute("SELECT count(*) FROM claims").fetchone() == (50,)
        walk.approve(ADA, number)
        until(lambda: walk.book.request(number).status is Status.DONE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT count(*) FROM claims")
    assert shell("reconcile", "--backend", "postgres:warehouse").exit_code == 0

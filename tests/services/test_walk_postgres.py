"""Access to data in a real PostgreSQL, asked for, approved, used with a password shown once, and taken back."""

from __future__ import annotations

import json
from contextlib import suppress

import psycopg
import pytest
from conftest import INES, KOFI, MIRA, NOOR
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
from typer.testing import CliRunner

from bot import cli
from ledger.streams.request import Status

pytestmark = pytest.mark.services
ADA = "U07ADA"


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

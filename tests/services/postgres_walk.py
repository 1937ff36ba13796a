"""The desk on a real PostgreSQL with one table of claims, and what people do there: ask, show the password, log in."""

from __future__ import annotations

import json
import re
import time

import psycopg
import pytest
from conftest import INES, MIRA, NOOR
from psycopg.conninfo import make_conninfo
from services.house import desk_on, rules_with
from services.slack_tap import Tap
from services.warehouse import BACKEND, claims_on, prepare_for

from bot.workspace.server import WorkspaceServer
from ledger.book import open_sqlite
from ledger.streams.request import Status

DATA_SET = '[datasets.claims_2024]\nowner = "team:platform"\nlevel = 2\n'
AT = '[datasets.claims_2024]\nowner = "team:platform"\nlevel = 2\nbackend = "postgres:warehouse"\ntable = "claims"\n'
WRITERS = "p, ask-data-write, role:engineer, *, class:data, write, level<=2 days<=90, allow\n"
WORDS = "read access to claims_2024 for 2 hours to check the fraud model"
VIEW = "qm_data.claims_2024"


@pytest.fixture(scope="module", name="walk")
def walk_on_postgres(postgres, tmp_path_factory):
    """The desk on the database, set up as the README says; engineers may also ask to write."""
    home = tmp_path_factory.mktemp("walk") / "home"
    rules_with(home, replace=[(DATA_SET, AT)], add=BACKEND, rules=WRITERS)
    administrator = claims_on(postgres)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QM_HOME", str(home))
        patch.setenv("QM_POSTGRES_DSN", prepare_for(home, postgres, administrator))
        taps = []

        def through_a_tap(server):
            taps.extend([] if taps else [Tap(server.port)])
            return f"http://127.0.0.1:{taps[0].port}/api/"

        patch.setattr(WorkspaceServer, "api_url", property(through_a_tap))
        with desk_on(home) as walk:
            walk.tap = taps[0]
            walk.room, walk.home, walk.postgres, walk.warehouse = "data-access", home, postgres, administrator
            walk.book = open_sqlite(home / "ledger.sqlite3")
            yield walk
            walk.book.store.close()
        walk.tap.close()


def running(walk, words=WORDS, approvers=(INES, NOOR)):
    """A grant that Mira holds: (card's place, number, card)."""
    ts, number = walk.ask(MIRA, words)
    for slack in approvers:
        walk.approve(slack, number)
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
    return len(session.execute(f"SELECT claim_id FROM {VIEW}").fetchall())


def ended(walk, number):
    until(lambda: walk.book.request(number).status is Status.ENDED, 30)


def in_the_server(walk, statement, *values):
    """What an administrator of the database sees, or does."""
    with psycopg.connect(walk.warehouse, autocommit=True) as admin:
        cursor = admin.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

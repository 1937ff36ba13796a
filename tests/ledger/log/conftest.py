"""Drafts, moves and stores for the tests of the log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.log.canonical import commitment
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move, Sealed

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def draft(number, *, name=None, **body):
    sealed = ()
    if name is not None:
        salt = number.to_bytes(16, "big")
        body = {**body, "name": {"sealed": commitment(salt, name)}}
        sealed = (Sealed(field="name", salt=salt, value=name),)
    return Draft(
        id=f"{number:032x}", kind="test.said", v=1, actor="svc:test", body=body or {"n": number}, sealed=sealed
    )


def move(stream, *drafts, expected=ANY):
    return Move(
        stream=stream,
        expected=expected,
        drafts=tuple(each if isinstance(each, Draft) else draft(each) for each in drafts),
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def store(path):
    made = SqliteStore(path, clock=lambda: NOW)
    yield made
    made.close()


@pytest.fixture
def make():
    """The two builders, for tests that cannot import a conftest."""
    return move, draft

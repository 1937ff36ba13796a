"""What a decision rests on cannot have moved when it is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import Hand
from deployed import Deployed

from ledger.book import open_memory
from ledger.errors import VersionConflictError
from policies.grounds import Grounds


@pytest.fixture
def tale():
    tale = Deployed(open_memory(clock=Hand(now=datetime(2026, 11, 24, 9, tzinfo=UTC))))
    tale.register("3.2.1", "a")
    return tale


def test_a_deployment_by_digest_rests_on_what_is_known_of_its_model(tale):
    number = tale.start(tale.form("3.2.1"))
    grounds = Grounds.read(tale.book, tale.asker, tale.form("3.2.1"))
    tale.book.append(*grounds.unmoved("svc:desk"))
    tale.evaluate(number, failed=1)
    with pytest.raises(VersionConflictError):
        tale.book.append(*grounds.unmoved("svc:desk"))


def test_anything_else_rests_on_no_model(tale):
    grounds = Grounds.read(tale.book, tale.asker)
    tale.register("3.2.2", "b")
    tale.book.append(*grounds.unmoved("svc:desk"))

"""The table of guards speaks of the code as it is. `make guards` is the slow half: it takes each of them out."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest
from guards.table import ROOT, NotFoundError, load

GUARDS = load()


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_the_table_says_and_python_is_left_without_it(guard):
    path = guard.file(ROOT)
    without = guard.taken_out(path.read_text())
    assert without != path.read_text()
    if path.suffix == ".py":
        ast.parse(without)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_tests_of_a_guard_exist(guard):
    assert guard.tests
    for test in guard.tests:
        path, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), test


def test_names_are_given_once_and_each_guard_says_what_it_protects():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS) >= 40
    assert all(guard.protects.endswith(".") for guard in GUARDS)


@pytest.mark.parametrize("text", ["", "a text that stands nowhere"])
def test_a_text_that_does_not_stand_exactly_once_is_refused(text):
    with pytest.raises(NotFoundError):
        replace(GUARDS[0], text=text).file(ROOT)

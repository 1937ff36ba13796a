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
        path, *owner, name = test.split("::")
        file = ROOT / path
        assert all(re.search(rf"^class {each}\b", file.read_text(), re.MULTILINE) for each in owner), test
        suites = file.parent.glob("*.py") if owner else (file,)  # a class may have its tests from the suite beside it
        assert any(re.search(rf"^ *def {name}\(", each.read_text(), re.MULTILINE) for each in suites), test


def test_names_are_given_once_and_each_guard_says_what_it_protects():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS) >= 40
    assert all(guard.protects.endswith(".") for guard in GUARDS)


@pytest.mark.parametrize("text", ["", "a text that stands nowhere"])
def test_a_text_that_does_not_stand_exactly_once_is_refused(text):
    with pytest.raises(NotFoundError):
        replace(GUARDS[0], text=text).file(ROOT)

"""What a spreadsheet is given runs nothing, and what a program is given is what was hashed."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import ledger_tale as tale
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.export import lines, table
from ledger.export.choice import Choice


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "\u200b=1", "\ufeff=1", "\x00=1", "|cmd", "%0A", "\tplain", "'=1"],
)  # fmt: skip
def test_a_cell_that_may_be_read_as_a_formula_is_text(text):
    assert table.safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "1001", "2026-11-24T09:00:00.000000Z", "user:a", '{"a":"=1"}', "a=1"])
def test_other_cells_stay_as_they_are(text):
    assert table.safe(text) == text


@given(st.text(), st.text())
def test_no_two_texts_become_one_cell(one, other):
    assert (table.safe(one) == table.safe(other)) == (one == other)


def test_the_table_has_a_row_an_entry(evidence):
    evidence.write(tale.STORY)
    rows = list(csv.DictReader(io.StringIO("".join(table.lines(evidence.store.scan())))))
    assert [int(row["seq"]) for row in rows] == list(range(len(tale.STORY)))
    assert json.loads(rows[1]["body"])["personal"] == {"slack": "U01MIRA"}


def test_a_json_line_holds_the_bytes_that_were_hashed(evidence):
    evidence.write(tale.STORY)
    for seq, line in enumerate(lines.lines(evidence.store, len(tale.STORY), Choice())):
        record = json.loads(line)
        cut = line[len(b'{"entry":') : line.index(b',"leaf_hash":"')]
        assert (record["seq"], record["leaf_hash"]) == (seq, hashlib.sha256(b"\x00" + cut).hexdigest())
    assert list(record) == ["entry", "leaf_hash", "personal", "seq"]


def test_json_lines_are_those_of_the_choice(evidence):
    evidence.write(tale.STORY)
    for choice in (
        Choice(request=1002),
        Choice(since=tale.START.replace(minute=3), until=tale.START.replace(minute=9)),
        Choice(since=tale.START.replace(minute=12), request=1002),
    ):
        taken = [json.loads(line) for line in lines.lines(evidence.store, len(tale.STORY), choice)]
        chosen = [stored for stored in evidence.store.scan() if choice.takes(stored)]
        assert [each["seq"] for each in taken] == [stored.seq for stored in chosen]
        assert [each["personal"] for each in taken] == [
            {field: seal.value for field, seal in stored.sealed.items()} for stored in chosen
        ]

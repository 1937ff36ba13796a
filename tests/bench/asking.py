"""What asking costs when the asker has much open already: two ledgers, asked in turn."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import MIRA, World, make_world

from ledger.book import Write, open_sqlite, utc_now
from ledger.nouns import Access, DataForm
from ledger.streams import law_of
from ledger.streams.codec import entry_of

FEW, MANY, ROUNDS, AT_ONCE = 10, 1_000, 30, 200
FORM = DataForm(resource="data:claims_2024", access=Access.READ, duration_s=3600)


def ratio(folder: Path) -> float:
    """How much dearer a submission is with many open requests of the same person than with few."""
    few, many = (_house(folder / f"asking-{count}", count) for count in (FEW, MANY))
    spent = [(_seconds(few), _seconds(many)) for _ in range(ROUNDS)]
    for world in (few, many):
        world.book.store.close()
    return statistics.median(b for _, b in spent) / statistics.median(a for a, _ in spent)


def _house(folder: Path, count: int) -> World:
    folder.mkdir()
    world = make_world(open_sqlite(folder / "ledger", clock=utc_now), utc_now, folder)
    first = world.ask()
    submitted, decided = (
        entry_of(stored, law_of(stored.stream).entries) for stored in world.book.store.read(f"request:{first.number}")
    )
    writes = [
        Write(
            stream=f"request:{number}",
            expected=0,
            entries=(replace(submitted, request=number), decided),
            actor=first.asker,
        )
        for number in range(first.number + 1, first.number + count)
    ]
    for start in range(0, len(writes), AT_ONCE):
        world.book.append(*writes[start : start + AT_ONCE])
    return world


def _seconds(world: World) -> float:
    began = time.perf_counter()
    world.desk.submit(MIRA, FORM, purpose="x", said="y")
    return time.perf_counter() - began

"""`quartermaster reconcile`: side doors as a table, and a request to take one away."""

from __future__ import annotations

import os
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.desk import Desk
from bot.errors import Refused, SettingsError
from ledger.book import Book
from ledger.streams.watch import Fault, Finding, Watch
from workers.app import build_room
from workers.errors import BackendError
from workers.executors.base import Executor
from workers.reconcile import reconcile, unseen
from workers.room import Room
from workers.settings import HouseSettings
from workers.watchman import listing

SHORT: Final = 8
"""How much of a finding's name people type."""


def look_over(settings: HouseSettings, backend: str | None, console: Console) -> int:
    """Look at every backend (or one) now, enter and print what stands; return 1 when something does, else 0.

    Raises:
        SettingsError: there is no ledger, or no such backend.
        LedgerError: the ledger cannot be written now.
    """
    room = _room(settings)
    try:
        chosen = _chosen(listing(room), backend)
        seen = {executor.name: _look(room, executor) for executor in chosen}
        explained = {name: len(room.book.explained(name)) for name in seen}
    finally:
        room.book.store.close()
    _print(seen, console)
    for name, count in explained.items():
        if count:
            console.print(f"Explained for now: {count} in {escape(name)}")
    return 1 if any(watch.findings for watch in seen.values()) else 0


def ask_back(settings: HouseSettings, name: str, who: str | None, why: str, console: Console) -> int:
    """Ask, as a person of a demo ledger, to take away what a finding is about; return 0 when the request waits.

    Raises:
        SettingsError: nobody is named, the ledger is real, or no finding that stands has this name.
    """
    room = _room(settings)
    try:
        genesis = room.book.genesis()
        if genesis is None or genesis.mode != "demo":
            raise SettingsError("from a shell nobody is known here: press Take it away on its card in Slack")
        if not who:
            raise SettingsError("say who asks with --as SLACKID, such as --as U06KOFI")
        backend, finding = find(room.book, tuple(each.name for each in listing(room)), name)
        desk = Desk(room.book, room.policy, lambda _: None, room.clock)
        outcome = desk.revert(who, backend, finding.finding, why or "No reason was given.")
    finally:
        room.book.store.close()
    if isinstance(outcome, Refused):
        console.print(f"Nothing was asked: {outcome.reason.value}.")
        return 1
    waits = " and ".join(f"{seat.count} {seat.name}" for seat in outcome.open_seats)
    console.print(f"{outcome.name} asks to take it away. It waits for {waits}, somebody else than {who}.")
    return 0


def find(book: Book, backends: tuple[str, ...], name: str) -> tuple[str, Finding]:
    """Return the backend and the one standing finding whose name begins with `name`; raises SettingsError."""
    found = [
        (backend, finding)
        for backend in backends
        for finding in book.watch(backend).findings
        if name and finding.finding.startswith(name.lower())
    ]
    if len(found) != 1:
        raise SettingsError(
            f"{len(found) or 'no'} findings that stand begin with {name!r}; `quartermaster reconcile` lists them"
        )
    return found[0]


def _room(settings: HouseSettings) -> Room:
    if not settings.database.exists():
        raise SettingsError(f"there is no ledger at {settings.database}; set QM_HOME or give --dir")
    room = build_room(settings, simulate=False)
    genesis = room.book.genesis()
    if genesis is None or genesis.mode != "demo":
        return room
    room.book.store.close()
    return build_room(settings, simulate=True)


def _chosen(executors: tuple[Executor, ...], backend: str | None) -> tuple[Executor, ...]:
    chosen = tuple(each for each in executors if backend in {None, each.name})
    if not chosen:
        names = ", ".join(each.name for each in executors) or "none"
        raise SettingsError(f"no backend {backend} that can be looked at; there are: {names}")
    return chosen


def _look(room: Room, executor: Executor) -> Watch:
    actor = f"os:{os.environ.get('USER') or os.getuid()}"
    try:
        return reconcile(room, executor, actor=actor)
    except BackendError as error:
        return unseen(room.book, executor.name, f"{executor.name} could not be read: {error.detail}", actor=actor)


def _print(seen: dict[str, Watch], console: Console) -> None:
    findings = [(backend, finding) for backend, watch in seen.items() for finding in watch.findings]
    if findings:
        console.print(_table(findings))
    clean = [backend for backend, watch in seen.items() if not watch.findings]
    if clean:
        console.print(f"[green]As ordered:[/] {escape(', '.join(clean))}")
    away = next((f for _, f in findings if f.fault is Fault.UNEXPLAINED), None)
    if away is not None:
        short = away.finding[:SHORT]
        console.print(
            f"Take one away: [bold]Take it away[/] on its card in Slack, or  quartermaster reconcile --revert {short}"
        )


def _table(findings: list[tuple[str, Finding]]) -> Table:
    table = Table("Finding", "Backend", "Since (UTC)", "Fault", "Who", "What", box=None, pad_edge=False)
    for backend, each in sorted(findings, key=lambda pair: pair[1].since):
        since = f"{each.since:%Y-%m-%d %H:%M}"
        cells = (each.finding[:SHORT], backend, since, each.fault.value, str(each.who), str(each.what))
        table.add_row(*(escape(cell) for cell in cells))
    return table

"""`quartermaster models top`: what is served now, and how it does, kept up to date in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from ledger.book import Book
from workers.endpoint import counters
from workers.endpoint.counters import Counters
from workers.room import team_of
from workers.serving import samples
from workers.serving.samples import Samples
from workers.serving.servers import noted
from workers.serving.top import Line, lines_of, table, tokens_by_team

WINDOW_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is so at one moment."""

    now: datetime
    lines: list[Line]
    teams: list[tuple[str, int, int]]

    def json(self) -> dict[str, Any]:
        """Return it for programs."""
        teams = [{"team": team, "calls": calls, "tokens": tokens} for team, calls, tokens in self.teams]
        return {"at": self.now.isoformat(), "versions": [line.json() for line in self.lines], "tokens_by_team": teams}


def looking(book: Book, models: Path) -> Callable[[], Look]:
    """Return a function that looks now.

    Args:
        models: the folder of served models.
    """

    def look() -> Look:
        now = datetime.now(UTC)
        at = now.timestamp()
        spans = Samples(models / samples.FILE).spans(at - WINDOW_S, at) if (models / samples.FILE).exists() else []
        servers = noted(models)
        names = {span.place.partition("@")[0] for span in spans} | {server.line.model for server in servers}
        lines = lines_of(spans, {name: book.model(name) for name in names}, servers)
        return Look(now=now, lines=lines, teams=_teams(book, models, now))

    return look


def show(look: Callable[[], Look], console: Console, every_s: float) -> None:
    """Show it until Ctrl-C; once where nobody watches."""
    if not console.is_terminal:
        console.print(_shown(look(), console))
        return
    with (
        Live(_shown(look(), console), console=console, auto_refresh=False, screen=True) as live,
        suppress(KeyboardInterrupt),
    ):
        while True:
            time.sleep(every_s)
            live.update(_shown(look(), console), refresh=True)


def _shown(look: Look, console: Console) -> Any:
    return table(look.lines, look.teams, look.now, WINDOW_S, console.width)


def _teams(book: Book, models: Path, now: datetime) -> list[tuple[str, int, int]]:
    """What was used in this hour, by the team that pays."""
    if not (models / counters.FILE).exists():
        return []
    with closing(Counters(models / counters.FILE)) as table_:
        hours = table_.since(now.replace(minute=0, second=0, microsecond=0))
    return tokens_by_team(hours, {hour.key: team_of(book, int(hour.key)) for hour in hours if hour.key.isdecimal()})

"""What is served now and how it does, as a table for a terminal: pure but for reading the tables it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ledger.streams.model import SERVERS, Drifted, Model
from workers.endpoint.counters import Hour
from workers.serving.drift import LIMITS
from workers.serving.figures import Buckets, Window, quantile
from workers.serving.living import Failing, by_version
from workers.serving.samples import Span
from workers.serving.servers import Server

NOTHING: Final = (
    "Nothing is served now. A deployment that is approved shows here; `quartermaster models list` has the rest."
)
WIDE: Final = 130
"""Columns of a terminal that shows everything."""
_P50, _P95 = 0.5, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One version in one place.

    Args:
        percent: of the calls that are routed to it.
        first_token, between_tokens: median and 95th percentile, milliseconds; None where nothing was asked.
        per_s: tokens made a second.
        finished: requests in the window.
        profiled: whether there is a profile to hold it against.
        drifts: what stands against it, in words.
        failing: how its servers fail to stay alive, None while they do.
    """

    place: str
    version: str
    percent: int
    servers: int
    running: int
    waiting: int
    kv_cache: float
    first_token: tuple[float, float] | None
    between_tokens: tuple[float, float] | None
    per_s: float
    finished: int
    profiled: bool
    drifts: tuple[str, ...]
    failing: Failing | None = None

    def json(self) -> dict[str, Any]:
        """Return it for programs; times in milliseconds."""
        return {
            "place": self.place,
            "version": self.version,
            "percent": self.percent,
            "servers": self.servers,
            "running": self.running,
            "waiting": self.waiting,
            "kv_cache": round(self.kv_cache, 4),
            "first_token_ms": self.first_token and [round(each, 3) for each in self.first_token],
            "between_tokens_ms": self.between_tokens and [round(each, 3) for each in self.between_tokens],
            "tokens_per_s": round(self.per_s, 1),
            "finished": self.finished,
            "profiled": self.profiled,
            "drifts": list(self.drifts),
            "failing": self.failing and self.failing.json(),
        }


def lines_of(spans: Iterable[Span], models: Mapping[str, Model], servers: Iterable[Server] = ()) -> list[Line]:
    """Return a line for each version that has servers, the ones that answer first.

    Args:
        models: by name, as the ledger has them.
        servers: that are noted; those that do not stay alive are shown also where they say nothing of themselves.
    """
    failing = by_version(servers)
    spans = list(spans)
    known = {(span.place, span.digest) for span in spans}
    silent = [
        Span(
            place=place, version=version, digest=digest, servers=0, running=0, waiting=0, kv_cache=0.0, window=Window()
        )
        for (place, digest), (version, _) in failing.items()
        if (place, digest) not in known
    ]
    found = []
    for span in (*spans, *silent):
        line = _line(span, models.get(span.place.partition("@")[0], Model()))
        found.append(replace(line, failing=failing.get((span.place, span.digest), ("", None))[1]))
    return sorted(found, key=lambda line: (line.place, -line.percent, line.version))


def tokens_by_team(hours: Iterable[Hour], team_of: Mapping[str, str]) -> list[tuple[str, int, int]]:
    """Return (team, calls, tokens) of some hours, the largest user first.

    Args:
        team_of: who pays, by the number of the request that granted a key.
    """
    calls, tokens = Counter[str](), Counter[str]()
    for hour in hours:
        team = team_of.get(hour.key) or "nobody's budget"
        calls[team] += hour.calls
        tokens[team] += hour.tokens
    return [(team, calls[team], count) for team, count in tokens.most_common()]


def table(
    lines: Sequence[Line], teams: Sequence[tuple[str, int, int]], now: datetime, window_s: float, width: int = WIDE
) -> RenderableType:
    """Return what is shown; in a terminal narrower than `WIDE` without what can be done without."""
    if not lines:
        return Text.from_markup(NOTHING)
    head = f"{now:%H:%M:%S} UTC · the last {window_s:.0f} seconds"
    made = Table(title=head, title_justify="left", title_style="dim", header_style="bold", box=SIMPLE_HEAD)
    columns = [column for column in _COLUMNS if width >= WIDE or column.always]
    for column in columns:
        least = max(len(line.place.partition("@")[0]) for line in lines) if column is _COLUMNS[0] else None
        made.add_column(
            column.name,
            justify="right" if column.figure else "left",
            no_wrap=column.figure,
            overflow="fold",
            min_width=least,
        )
    for line in lines:
        made.add_row(*(Text.from_markup(column.cell(line)) for column in columns))
    return Group(made, _teams(teams)) if teams else made


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cell: Callable[[Line], str]
    always: bool = False
    figure: bool = True


def _first(line: Line) -> str:
    return "-" if line.first_token is None else f"{_ms(line.first_token[0])} / {_ms(line.first_token[1])}"


def _between(line: Line) -> str:
    return "-" if line.between_tokens is None else _ms(line.between_tokens[1])


def _waits(line: Line) -> str:
    return f"[yellow]{line.waiting}[/]" if line.waiting else "0"


def _state(line: Line) -> str:
    if line.failing is not None:
        return f"[red]{escape(line.failing.words)}[/]"
    if line.drifts:
        return f"[red]{escape('; '.join(line.drifts))}[/]"
    if not line.percent:
        return ""
    return "[green]ok[/]" if line.profiled else "[dim]new[/]"


_COLUMNS: Final = (
    _Column("Model", lambda line: escape(line.place.replace("@", " ")), always=True, figure=False),
    _Column("Version", lambda line: escape(line.version), always=True),
    _Column("Share", lambda line: f"{line.percent} %" if line.percent else "[dim]kept[/]", always=True),
    _Column("Servers", lambda line: str(line.servers)),
    _Column("Runs", lambda line: str(line.running)),
    _Column("Waits", _waits, always=True),
    _Column("KV cache", lambda line: _bar(line.kv_cache)),
    _Column("1st p50 / p95", _first, always=True),
    _Column("Between p95", _between),
    _Column("Tokens/s", lambda line: f"{line.per_s:,.1f}"),
    _Column("Done", lambda line: f"{line.finished:,}"),
    _Column("Profile", _state, always=True, figure=False),
)


def _teams(teams: Sequence[tuple[str, int, int]]) -> RenderableType:
    words = " · ".join(
        f"{escape(team)} {tokens:,} in {calls:,} {'call' if calls == 1 else 'calls'}" for team, calls, tokens in teams
    )
    return Text.from_markup(f"[dim]Tokens this hour:[/] {words}")


def _bar(part: float, width: int = 6) -> str:
    full = round(max(0.0, min(1.0, part)) * width)
    colour = "red" if part > 0.9 else "yellow" if part > 0.7 else "green"  # noqa: PLR2004
    return f"[{colour}]{'█' * full}[/][dim]{'░' * (width - full)}[/] {100 * part:3.0f} %"


def _ms(value: float) -> str:
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"  # noqa: PLR2004


def _line(span: Span, model: Model) -> Line:
    environment = span.place.partition("@")[2]
    routing = model.routing(environment)
    shares = routing.shares if routing is not None else ()
    where = (span.digest, environment)
    return Line(
        place=span.place,
        version=span.version,
        percent=sum(share.percent for share in shares if share.digest == span.digest),
        servers=span.servers,
        running=span.running,
        waiting=span.waiting,
        kv_cache=span.kv_cache,
        first_token=_times(span.window.first_token),
        between_tokens=_times(span.window.between_tokens),
        per_s=span.window.made_tokens / span.window.seconds if span.window.seconds else 0.0,
        finished=span.window.finished,
        profiled=any((each.digest, each.environment) == where for each in model.profiles),
        drifts=tuple(
            words(each) for each in model.drifts if (each.digest, each.environment) == where and each.figure != SERVERS
        ),
    )


def _times(buckets: Buckets) -> tuple[float, float] | None:
    half, most = quantile(buckets, _P50), quantile(buckets, _P95)
    return None if half is None or most is None else (1e3 * half, 1e3 * most)


def words(drift: Drifted) -> str:
    """Return what drifted, in words: `time to the first token 900 ms, 120 ms expected`."""
    if drift.adapter:
        return f"adapter {drift.adapter} on {drift.seen:,} of {drift.expected:,} servers"
    limit = LIMITS.get(drift.figure)
    name, unit = (limit.words, limit.unit) if limit is not None else (drift.figure, "")
    return f"{name} {drift.seen:,} {unit}, {drift.expected:,} {unit} expected"

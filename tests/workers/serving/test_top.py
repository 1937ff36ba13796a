"""`models top`: a line a version, what answers first, and what was used by whom."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console
from serving_site import SERVING
from typer.testing import CliRunner

from ledger.book import Write, open_sqlite
from ledger.streams.model import SERVERS, Drifted, Figure, Model, Profiled, Registered, Routing, Share
from workers.endpoint.counters import Hour
from workers.models.cli import app
from workers.serving.figures import Reading, Window
from workers.serving.orders import Line
from workers.serving.samples import FILE as SAMPLES
from workers.serving.samples import Samples, Source, Span
from workers.serving.servers import Server, Servers
from workers.serving.top import NOTHING, lines_of, table, tokens_by_team, words

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
NEW, OLD = ("sha256:" + each * 64 for each in "ab")
PLACE = "fraud-detector@production"


def span(version="3.2.1", digest=NEW, place=PLACE, **rest):
    buckets = ((0.1, 20.0), (math.inf, 20.0))
    window = Window(seconds=60, finished=20, made_tokens=600, first_token=buckets)
    stands = {"servers": 1, "running": 2, "waiting": 0, "kv_cache": 0.5, "window": window}
    return Span(place=place, version=version, digest=digest, **{**stands, **rest})


def model(**rest):
    shares = (Share(version="3.2.1", digest=NEW, percent=100),)
    routing = Routing(environment="production", shares=shares, request=1001, why="", at=NOW, seq=3)
    return Model(routings=(routing,), **rest)


def shown(*lines, teams=()):
    console = Console(record=True, width=200, color_system=None)
    console.print(table(list(lines), list(teams), NOW, 60))
    return console.export_text()


def test_what_answers_comes_before_what_is_kept_ready():
    kept, answers = lines_of([span("3.2.0", OLD), span()], {"fraud-detector": model()})[::-1]
    assert (answers.version, answers.percent, answers.per_s) == ("3.2.1", 100, 10.0)
    assert answers.first_token == (50.0, pytest.approx(95.0))
    assert (kept.version, kept.percent, kept.between_tokens) == ("3.2.0", 0, None)
    words = shown(answers, kept)
    assert words.index("100 %") < words.index("kept")
    assert "50 ms / 95 ms" in words
    assert "new" in words


def test_a_version_is_as_expected_or_says_what_is_not():
    profile = Profiled(digest=NEW, environment="production", figures=(Figure(name="first_token_p95_ms", value=120),))
    drift = Drifted(digest=NEW, environment="production", figure="first_token_p95_ms", expected=120, seen=900)
    (good,) = lines_of([span()], {"fraud-detector": model(profiles=(profile,))})
    assert "ok" in shown(good)
    (bad,) = lines_of([span()], {"fraud-detector": model(profiles=(profile,), drifts=(drift,))})
    assert "time to the first token 900 ms, 120 ms expected" in shown(bad)
    elsewhere = Drifted(digest=OLD, environment="production", figure="first_token_p95_ms", expected=120, seen=900)
    assert "ok" in shown(*lines_of([span()], {"fraud-detector": model(profiles=(profile,), drifts=(elsewhere,))}))


def test_a_version_that_is_down_says_since_when_and_why_also_where_its_servers_say_nothing_of_themselves():
    drift = Drifted(digest=NEW, environment="production", figure=SERVERS, expected=1, seen=0)
    models = {"fraud-detector": model(drifts=(drift,))}
    for spans in ([], [span()]):
        (line,) = lines_of(spans, models, [failing()])
        words = " ".join(shown(line).split())
        assert (line.percent, line.drifts) == (100, ())
        assert "down, restarting since 24 Nov 08:12, ended 4 times: Its server ran out of memory." in words
        assert line.json()["failing"]["since"] == "2026-11-24T08:12:00+00:00"
    (well,) = lines_of([span()], models, [replace(failing(), deaths=0)])
    assert well.json()["failing"] is None


def failing():
    line = Line(model="fraud-detector", environment="production", digest=NEW)
    since = NOW.timestamp() - 48 * 60
    fields = {"order": "k", "version": "3.2.1", "serving": SERVING, "served": "m", "mark": "x", "key": "k"}
    return Server(line=line, number=0, deaths=4, failing_since=since, why="Its server ran out of memory.", **fields)


def test_a_narrow_terminal_shows_what_matters_and_cuts_no_version():
    drift = Drifted(digest=NEW, environment="production", figure="first_token_p95_ms", expected=120, seen=900)
    lines = lines_of([span(waiting=4), span("3.2.0", OLD)], {"fraud-detector": model(drifts=(drift,))})
    console = Console(record=True, width=80, color_system=None)
    console.print(table(lines, [], NOW, 60, 80))
    words = console.export_text()
    assert "…" not in words
    assert all(each in words for each in ("fraud-detector", "3.2.1", "100 %", "50 ms / 95 ms", "token 900"))
    assert "KV cache" not in words


def test_a_model_that_the_ledger_does_not_know_breaks_nothing():
    (line,) = lines_of([span()], {})
    assert (line.percent, line.profiled) == (0, False)


def test_tokens_are_told_by_the_team_that_pays():
    hours = [Hour(key=key, model="m", hour="", calls=calls, tokens=tokens) for key, calls, tokens in USED]
    teams = tokens_by_team(hours, {"1001": "vision", "1002": "platform", "1003": "vision"})
    assert teams == [("vision", 5, 130), ("nobody's budget", 1, 90), ("platform", 2, 60)]
    (line,) = lines_of([span()], {"fraud-detector": model()})
    assert "vision 130 in 5 calls · nobody's budget 90 in 1 call" in shown(line, teams=teams)


USED = [("1001", 3, 100), ("1002", 2, 60), ("1003", 2, 30), ("9999", 1, 90)]


def test_the_command_looks_once_where_nobody_watches_and_speaks_json(tmp_path):
    book = open_sqlite(tmp_path / "ledger.sqlite3")
    entry = Registered(version="3.2.1", digest=NEW, size=1)
    book.append(Write(stream="model:fraud-detector", expected=0, entries=(entry,), actor="os:me"))
    book.store.close()
    asked = CliRunner().invoke(app, ["top", "--dir", str(tmp_path)])
    assert (asked.exit_code, NOTHING[:30] in asked.output) == (0, True)
    (tmp_path / "models").mkdir()
    samples, at = Samples(tmp_path / "models" / SAMPLES), datetime.now(UTC).timestamp()
    source = Source(server="s", place=PLACE, version="3.2.1", digest=NEW)
    samples.note([(source, Reading(at=at - 10, finished=1))])
    samples.note([(source, Reading(at=at, finished=5, running=3))])
    told = json.loads(CliRunner().invoke(app, ["top", "--dir", str(tmp_path), "--json"]).output)
    (line,) = told["versions"]
    assert (line["version"], line["running"], line["finished"], line["percent"]) == ("3.2.1", 3, 5, 0)
    Servers(tmp_path / "models", ()).note(failing())
    (line,) = json.loads(CliRunner().invoke(app, ["top", "--dir", str(tmp_path), "--json"]).output)["versions"]
    assert (line["failing"]["ended"], line["failing"]["why"]) == (4, "Its server ran out of memory.")


def test_an_adapter_that_servers_lost_is_said_by_their_number():
    lost = Drifted(digest=NEW, environment="production", figure="adapter:legal-tone", expected=2, seen=1)
    assert words(lost) == "adapter legal-tone on 1 of 2 servers"

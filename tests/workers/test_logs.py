"""The program log: one JSON line an event, tracebacks without values, words on a terminal."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from workers.logs import configure


@pytest.fixture(autouse=True)
def as_it_was():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fail(secret):
    raise ValueError("it broke")


def test_an_event_is_one_line_of_json_and_a_traceback_holds_no_values():
    out = io.StringIO()
    configure(out)
    secret = f"hunter{2}"
    try:
        fail(secret)
    except ValueError:
        structlog.get_logger("x").exception("failed", request=1001)
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["request"]) == ("failed", "error", 1001)
    assert "it broke" in event["exception"]
    assert secret not in line


def test_on_a_terminal_only_warnings_are_shown():
    out = Terminal()
    configure(out)
    logger = structlog.get_logger("y")
    logger.info("quiet")
    logger.warning("loud")
    assert "loud" in out.getvalue()
    assert "quiet" not in out.getvalue()

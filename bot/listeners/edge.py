"""The edge of every listener: strangers are told so, and whatever goes wrong becomes one sentence and a log line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from bot.blocks import refusals
from bot.front import Front, Spot
from bot.slack import TROUBLE
from ledger.errors import LedgerError
from policies.errors import PolicyError

logger = structlog.get_logger(__name__)


@contextmanager
def guarded(front: Front, slack: str, spot: Spot) -> Iterator[bool]:
    """Yield whether this person may be served; turn faults into a sentence that only they see."""
    looked = False
    try:
        with _told(front, slack, spot):
            no = front.stranger(slack)
            if no is not None:
                front.say(slack, spot, no)
            looked = True
            yield no is None
    except TROUBLE as error:
        logger.warning("Slack refused", error=str(error)[:300])
        _whisper(front, slack, spot, refusals.SLOW)
    except Exception:  # the edge of a listener: whatever else goes wrong is logged whole and told plainly
        logger.exception("a listener failed")
        _whisper(front, slack, spot, refusals.BROKEN)
    if not looked:
        yield False


@contextmanager
def _told(front: Front, slack: str, spot: Spot) -> Iterator[None]:
    """Turn a ledger or policy that cannot be used into a sentence; what Slack refuses goes on."""
    try:
        yield
    except PolicyError as error:
        logger.warning("policy refused", detail=str(error))
        _whisper(front, slack, spot, refusals.RULES_MOVED)
    except LedgerError as error:
        logger.warning("ledger refused", detail=error.detail)
        _whisper(front, slack, spot, refusals.UNAVAILABLE)


def answer_kept(front: Front, body: dict[str, object], slack: str, spot: Spot) -> None:
    """Answer a kept message; what Slack does not take now, the notifier answers later."""
    event_id = str(body["event_id"])
    try:
        with _told(front, slack, spot):
            front.take_up(event_id)
        front.tables.answered(f"event:{event_id}")  # also when the person was told why not
    except TROUBLE as error:
        logger.warning("Slack did not take an answer; trying again", event_id=event_id, error=str(error)[:200])
        front.tables.later(f"event:{event_id}", front.house.book.clock())
    except Exception:  # it stays kept, and the notifier answers it when its time has come
        logger.exception("an answer could not be made", event_id=event_id)


def _whisper(front: Front, slack: str, spot: Spot, text: str) -> None:
    with suppress(*TROUBLE):
        front.say(slack, spot, text)

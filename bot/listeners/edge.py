"""The edge of every listener: strangers are told so, and whatever goes wrong becomes one sentence and a log line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from slack_sdk.errors import SlackClientError

from bot.blocks import refusals
from bot.errors import Reason, Refused
from bot.front import Front, Spot
from ledger.errors import LedgerError
from policies.errors import PolicyError

logger = structlog.get_logger(__name__)


@contextmanager
def guarded(front: Front, slack: str, spot: Spot) -> Iterator[bool]:
    """Yield whether this person may be served; turn faults into a sentence that only they see."""
    try:
        no = front.stranger(slack)
        if no is not None:
            front.slack.whisper(spot.channel or front.slack.direct(slack), slack, no)
        yield no is None
    except PolicyError as error:
        logger.warning("policy refused", detail=str(error))
        _whisper(front, slack, spot, refusals.RULES_MOVED)
    except LedgerError as error:
        logger.warning("ledger refused", detail=error.detail)
        _whisper(
            front, slack, spot, refusals.refusal(Refused(reason=Reason.UNAVAILABLE), None, front.notifier.voice(None))
        )
    except (SlackClientError, OSError) as error:
        logger.warning("Slack refused", error=str(error)[:300])


def _whisper(front: Front, slack: str, spot: Spot, text: str) -> None:
    with suppress(SlackClientError, OSError):
        front.slack.whisper(spot.channel or front.slack.direct(slack), slack, text)

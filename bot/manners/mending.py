"""What a killed process left half done: events that nobody answered, drafts that were being sent, drafts that expired."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.manners.asking import Asking
from bot.manners.base import Spot
from bot.tables import State

ANSWER_WITHIN: Final = timedelta(seconds=30)
"""How long the listener that acknowledged an event has, before the notifier takes it up."""
TOO_OLD: Final = timedelta(minutes=30)
Body = dict[str, Any]


class Mending(Asking):
    """Takes up what was left, so that nothing is lost and nothing done twice."""

    def keep_event(self, body: Body) -> bool:
        """Keep a message before it is acknowledged; false when it is a redelivery of one that is kept or answered."""
        now = self.house.book.clock()
        return self.tables.keep(f"event:{body['event_id']}", json.dumps(body), now, now + ANSWER_WITHIN)

    def take_up(self, event_id: str) -> None:
        """Answer a kept message; raises what Slack raises, and then it stays kept."""
        key = f"event:{event_id}"
        kept = self.tables.kept(key)
        if kept is None:
            self.tables.paid(key)
            return
        body = json.loads(kept)
        event = body["event"]
        said_at = datetime.fromtimestamp(float(event["ts"]), UTC)
        if self.house.book.clock() - said_at < TOO_OLD:
            self._answer(key, event, said_at)
        self.tables.answered(key)

    def _answer(self, key: str, event: Body, said_at: datetime) -> None:
        slack, inside = event["user"], event.get("thread_ts", "")
        spot = Spot(channel=event["channel"], thread=inside or event["ts"], inside=inside)
        no = self.stranger(slack)
        if no is not None:
            self.say(slack, spot, no)
        else:
            self.hear(slack, event.get("text", ""), spot, key, said_at)

    def expire_drafts(self) -> None:
        """Drafts that nobody confirmed in time say so."""
        for draft in self.tables.drafts_in(State.OPEN, self.house.book.clock()):
            self._end(draft, State.EXPIRED)

    def mend(self) -> None:
        """Settle the drafts that were being sent when the process died."""
        for draft in self.tables.drafts_in(State.SENDING):
            self.settle(draft)

"""What the desk asks of Slack: who somebody is, and messages that stand once however often an answer is lost."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.client import HTTPException
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.blocks.parts import Message
from bot.tables import Tables
from policies.directory import SlackUser

logger = structlog.get_logger(__name__)

EVENT: Final = "quartermaster_message"
TROUBLE: Final = (SlackClientError, OSError, HTTPException)
"""What a call that Slack did not take, or whose answer was lost, raises."""
NO_PLACE: Final = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "user_not_in_channel", "cannot_reply_to_message"}
)
"""Errors of a place where the bot may not speak, now or ever."""
_NOT_THERE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_CANNOT_LOOK: Final = frozenset({"missing_scope", "thread_not_found", *NO_PLACE})
_PAGES: Final = 5
_KNOWN_S: Final = 60.0


def web_client(token: str, api_url: str | None) -> WebClient:
    """Return a client that waits when told to, and never repeats a call whose answer was lost."""
    handlers = [RateLimitErrorRetryHandler(max_retry_count=3)]
    return WebClient(token=token, base_url=api_url or WebClient.BASE_URL, retry_handlers=list(handlers), timeout=10)


class Slack:
    """Slack as the desk needs it."""

    def __init__(self, client: WebClient, tables: Tables) -> None:
        self.client = client
        self._tables = tables
        self._users: dict[str, tuple[float, SlackUser, str, str]] = {}
        self._lock = threading.Lock()
        self._turns = tuple(threading.RLock() for _ in range(64))

    def user(self, slack: str) -> SlackUser:
        """Return what Slack says about a user, at most a minute old."""
        return self._info(slack)[1]

    def name(self, slack: str) -> str:
        """Return the name Slack shows for a user."""
        return self._info(slack)[2]

    def zone(self, slack: str) -> str:
        """Return a user's time zone, `UTC` when Slack gives none."""
        return self._info(slack)[3]

    def _info(self, slack: str) -> tuple[float, SlackUser, str, str]:
        with self._lock:
            known = self._users.get(slack)
        if known is not None and time.monotonic() - known[0] < _KNOWN_S:
            return known
        body: dict[str, Any] = self.client.users_info(user=slack)["user"]
        user = SlackUser(
            id=body["id"],
            team_id=body.get("team_id", ""),
            is_bot=bool(body.get("is_bot")),
            deleted=bool(body.get("deleted")),
            restricted=bool(body.get("is_restricted") or body.get("is_ultra_restricted")),
        )
        name = body.get("real_name") or (body.get("profile") or {}).get("display_name") or body.get("name") or slack
        fresh = (time.monotonic(), user, str(name), str(body.get("tz") or "UTC"))
        with self._lock:
            self._users[slack] = fresh
        return fresh

    def direct(self, slack: str) -> str:
        """Return the channel of the direct messages with a user."""
        return str(self.client.conversations_open(users=slack)["channel"]["id"])

    def show(self, key: str, request: int, viewer: str, channel: str, thread: str, message: Message) -> str:
        """Make the message of `key` say this, posting it once or updating it in place, and return its timestamp.

        Raises what Slack raises; calling again makes it so, and never makes a second message.
        """
        with self.turn(key):
            claimed = self._tables.claim(key, request, viewer, channel, thread)
            posted = self._tables.message(key)
            if posted is None:
                return ""
            digest = _digest(message)
            if posted.shown == digest:
                return posted.ts
            ts = posted.ts or ("" if claimed else self._find(posted.channel, thread, key))
            if not ts or not self._update(posted.channel, ts, message):
                ts = self._post(posted.channel, thread, key, message)
            self._tables.posted(key, posted.channel, ts, digest)
            return ts

    def turn(self, key: str) -> threading.RLock:
        """Return what to hold while deciding what the message of `key` says: else an older word may follow a newer one.

        Held for one key at a time: keys share their turns.
        """
        return self._turns[hash(key) % len(self._turns)]

    def _update(self, channel: str, ts: str, message: Message) -> bool:
        """Whether the message could be changed; one that somebody deleted cannot, and is posted anew."""
        try:
            self.client.chat_update(channel=channel, ts=ts, text=message.text, blocks=list(message.blocks))
        except SlackApiError as error:
            if error.response.get("error") not in _NOT_THERE:
                raise
            return False
        return True

    def _post(self, channel: str, thread: str, key: str, message: Message) -> str:
        answer = self.client.chat_postMessage(
            channel=channel,
            thread_ts=thread or None,
            text=message.text,
            blocks=list(message.blocks) or None,
            metadata={"event_type": EVENT, "event_payload": {"key": key}},
            unfurl_links=False,
        )
        return str(answer["ts"])

    def _find(self, channel: str, thread: str, key: str) -> str:
        """Return the message that a lost answer left behind, empty when Slack never took it.

        A look that fails for a while raises: to post without having looked could say the same thing twice.
        """
        rest: dict[str, Any] = {"channel": channel, "include_all_metadata": True, "limit": 100}
        look = self.client.conversations_replies if thread else self.client.conversations_history
        if thread:
            rest["ts"] = thread
        for _ in range(_PAGES):
            try:
                found = look(**rest)
            except SlackApiError as error:
                if error.response.get("error") not in _CANNOT_LOOK:
                    raise
                logger.warning("may not look for a lost message", error=error.response.get("error"))
                return ""
            for message in found["messages"]:
                if (message.get("metadata") or {}).get("event_payload", {}).get("key") == key:
                    return str(message["ts"])
            rest["cursor"] = (found.get("response_metadata") or {}).get("next_cursor")
            if not rest["cursor"]:
                break
        return ""

    def whisper(self, channel: str, slack: str, text: str, thread: str | None = None) -> None:
        """Show a sentence to one person alone; where the bot may not speak, in their direct messages."""
        try:
            self.client.chat_postEphemeral(channel=channel, user=slack, text=text, thread_ts=thread)
        except SlackApiError as error:
            if error.response.get("error") not in NO_PLACE:
                raise
            self.client.chat_postMessage(channel=self.direct(slack), text=text)


def _digest(message: Message) -> str:
    return hashlib.sha256(json.dumps([message.text, message.blocks], sort_keys=True).encode()).hexdigest()[:32]

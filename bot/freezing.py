"""The cards of a halt: one in every channel the bot is in, closed in place when it is lifted, whoever lifted it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from slack_sdk.errors import SlackApiError

from bot.blocks.freeze import freeze, lifted
from bot.blocks.parts import Message
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.slack import NO_PLACE, Slack
from bot.tables import Tables
from bot.verbs.halting import going_on
from ledger.streams.halt import Spell, Stop, covers
from ledger.streams.request import Request

_PAGE: Final = 200


class Freezing:
    """Pays what is owed under `halt:<seq>`: the entry that began or ended a halt."""

    def __init__(
        self,
        desk: Desk,
        slack: Slack,
        tables: Tables,
        voice: Callable[[str | None], Voice],
        clock: Callable[[], datetime],
    ) -> None:
        self._desk, self._slack, self._tables, self._voice, self._clock = desk, slack, tables, voice, clock

    def show(self, name: str) -> None:
        """Make the cards of the halt that entry `name` began or ended say what is so; raises what Slack raises."""
        seq, halts = int(name), self._desk.book.halts()
        for stop in halts.stops:
            if stop.seq == seq:
                self._begun(stop)
        for spell in self._desk.book.halts().past:
            if seq in {spell.seq, spell.until_seq}:
                self._over(spell)

    def _begun(self, stop: Stop) -> None:
        message = freeze(stop, self._voice(stop.by))
        for channel in self._channels():
            self._card(f"halt:{stop.seq}:{channel}", channel, message)
        self._cards_of(stop.resource)

    def _over(self, spell: Spell) -> None:
        """Close what was shown, approve what only waited for this, and let every card say that it goes on."""
        message = lifted(spell, going_on(self._waiting(spell), spell.until_seq), self._voice(spell.lifted_by))
        for posted in self._tables.messages_like(f"halt:{spell.seq}:"):
            self._card(posted.key, posted.channel, message)
        self._desk.resume()
        self._cards_of(spell.resource)

    def _card(self, key: str, channel: str, message: Message) -> None:
        try:
            self._slack.show(key, 0, "", channel, "", message)
        except SlackApiError as error:  # the bot was put out of that channel meanwhile: nobody there to tell
            if error.response.get("error") not in NO_PLACE:
                raise

    def _cards_of(self, resource: str) -> None:
        for number in self._desk.book.requests.open():
            request = self._desk.book.request(number)
            if request is not None and covers(resource, request.form.resource):
                self._tables.owe(f"request:{number}", self._clock())

    def _waiting(self, spell: Spell) -> list[Request]:
        numbers = self._desk.book.requests.alive_at(spell.until)
        found = (self._desk.book.request(number) for number in numbers)
        return [each for each in found if each is not None and covers(spell.resource, each.form.resource)]

    def _channels(self) -> list[str]:
        """Every channel the bot is in, public and private."""
        found: list[str] = []
        rest: dict[str, str] = {}
        while True:
            answer = self._slack.client.conversations_list(
                types="public_channel,private_channel", exclude_archived=True, limit=_PAGE, **rest
            )
            found += [str(each["id"]) for each in answer["channels"] if each.get("is_member")]
            rest = {"cursor": (answer.get("response_metadata") or {}).get("next_cursor") or ""}
            if not rest["cursor"]:
                return found

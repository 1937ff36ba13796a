"""The messages about an end, made true: the warning of it, and the cards of those who decide about a later one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from slack_sdk.errors import SlackApiError

from bot.beside import beside
from bot.blocks.extending import closed_extension, extension_approval
from bot.blocks.extension import ending_soon, extensible, offers, settled_notice
from bot.blocks.parts import Message
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.slack import NO_PLACE, Slack
from bot.tables import Tables
from bot.verbs.extending import pending
from ledger.streams.request import Outcome, Request

Step = Callable[[], None]


class Longer:
    """Rebuilds these messages from the request; knows no loop and no retry."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables, voice: Callable[[str | None], Voice]) -> None:
        self._desk, self._slack, self._tables, self._voice = desk, slack, tables, voice

    def steps(self, request: Request) -> list[Step]:
        """Return what makes each of these messages about a request say what is so."""
        return [*self._warnings(request), *self._approvers(request)]

    # -- the warning ------------------------------------------------------------------------------------------------

    def _warnings(self, request: Request) -> list[Step]:
        """The last warning, in the thread and in the holder's direct messages; an earlier one became what moved its end."""
        seqs = [seq for kind, _, __, seq in request.history if kind == "request.warned"]
        if not seqs or not _is_about_this(request):
            return []
        key = f"warning:{request.number}:{seqs[-1]}"
        return [partial(self._in_thread, request, key), partial(self._direct, request, f"{key}:direct")]

    def _in_thread(self, request: Request, key: str) -> None:
        home = self._tables.message(f"card:{request.number}")
        thread = (home.thread or home.ts) if home is not None else ""
        if home is None or not thread:
            return
        mention = f"{self._voice(request.asker).mention_of(request.asker)} "
        try:
            self._slack.show(key, request.number, "line", home.channel, thread, self._warning(request, mention))
        except SlackApiError as error:
            if error.response.get("error") not in NO_PLACE:
                raise

    def _direct(self, request: Request, key: str) -> None:
        slack, home = self._desk.slack(request.asker), self._tables.message(f"card:{request.number}")
        if slack is None:
            return
        known = self._tables.message(key)
        channel = known.channel if known else self._slack.direct(slack)
        if home is None or home.channel != channel:
            self._slack.show(key, request.number, "line", channel, "", self._warning(request, ""))

    def _warning(self, request: Request, mention: str) -> Message:
        voice, missing = self._voice(request.asker), self._desk.extension_missing(request)
        asked = _asked_since_warning(request)
        moved = request.extension is not None and request.extension.outcome in {Outcome.PENDING, Outcome.GRANTED}
        if not extensible(request) or (asked and moved) or "request.shortened" in _since_warning(request):
            return settled_notice(request, missing, voice, mention)
        more = timedelta(seconds=offers(request, voice)[0][1])
        taken = request.not_after is not None and self._desk.taken_from(request, request.not_after + more)
        return ending_soon(request, missing, voice, taken=taken, mention=mention, note=asked)

    # -- those who decide -------------------------------------------------------------------------------------------

    def _approvers(self, request: Request) -> list[Step]:
        """A card for whoever may agree to a pending extension, and its end for whoever had one."""
        missing, extension = self._desk.extension_missing(request), pending(request)
        steps: list[Step] = []
        asked: set[str] = set()
        for seat, subjects in missing if extension is not None else ():
            for subject in (each for each in subjects if each not in asked):
                asked.add(subject)
                voice = self._voice(subject)
                also = [voice.name_of(other) for other in subjects if other != subject]
                facts = beside(self._desk.book, request, voice)
                message = extension_approval(request, extension, seat, also, voice, facts)  # type: ignore[arg-type]
                key = f"extension:{request.number}:{subject}:{extension.form_digest}"  # type: ignore[union-attr]
                steps.append(partial(self._show_to, request, subject, key, message))
        for posted in self._tables.messages(request.number):
            scheme, _, rest = posted.key.partition(":")
            digest = rest.rpartition(":")[2]
            still = extension is not None and digest == extension.form_digest and posted.viewer in asked
            if scheme == "extension" and not still:
                closed = closed_extension(request, posted.viewer, digest, missing, self._voice(posted.viewer))
                steps.append(partial(self._show_to, request, posted.viewer, posted.key, closed))
        return steps

    def _show_to(self, request: Request, subject: str, key: str, message: Message) -> None:
        slack = self._desk.slack(subject)
        if slack is not None:
            known = self._tables.message(key)
            channel = known.channel if known else self._slack.direct(slack)
            self._slack.show(key, request.number, subject, channel, "", message)


def _since_warning(request: Request) -> list[str]:
    kinds = [kind for kind, *_ in request.history]
    last = max((place for place, kind in enumerate(kinds) if kind == "request.warned"), default=len(kinds))
    return kinds[last + 1 :]


def _asked_since_warning(request: Request) -> bool:
    return "request.extension-asked" in _since_warning(request)


def _is_about_this(request: Request) -> bool:
    """Whether the last warning still speaks of the end, or of the extension that moved it, and not of one before."""
    later = _since_warning(request)
    last_ask = max((place for place, kind in enumerate(later) if kind == "request.extension-asked"), default=0)
    earlier = [kind for kind in later[:last_ask] if kind in {"request.extended", "request.not-prolonged"}]
    return not earlier or earlier[-1] == "request.not-prolonged"

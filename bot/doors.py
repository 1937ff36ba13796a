"""The messages about side doors, made true: a card for the admins and for each lead of the owning team."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from bot.blocks.door import Door, Where, door_card, explain_modal, shut_card, take_away_modal
from bot.blocks.doors import doors_text
from bot.blocks.parts import Block, Message
from bot.desk import Desk
from bot.errors import Reason, Refused
from bot.notify import Notifier
from bot.slack import Slack
from bot.tables import Posted, Tables
from ledger.log.store import Stored
from ledger.nouns import DoorForm
from ledger.streams.codec import entry_of
from ledger.streams.request import Request
from ledger.streams.watch import ENTRIES, Closed, Fault, Found

ADMINS: Final = "admins"
ADMINS_READ: Final = "Admins alone read which side doors stand: some of them are not closed yet."
_ID: Final = re.compile(r"[CG][A-Z0-9]{7,}")
_SCHEMES: Final = {"gpu_pool": "gpu:", "slurm": "gpu:", "postgres": "data:", "endpoint": "endpoint:"}
"""What a backend gives access to, where a finding names no resource."""
_LOOKED_BACK: Final = 50
"""Entries of a watch that are searched for the last look before a finding."""


class Doors:
    """Shows findings where they are to be seen, and closes them in place; tells the notifier so."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables, notifier: Notifier, channel: str) -> None:
        self._desk, self._slack, self._tables, self._notifier = desk, slack, tables, notifier
        self._wanted, self._channel = channel.removeprefix("#"), ""
        notifier.duties |= {"door": self._found, "shut": self._shut}
        notifier.beside.append(self._moved)

    def listed(self, slack: str) -> str | Refused:
        """Return every side door that stands, and every one that is known for now, to whoever may ask about them."""
        if not self._desk.may_revert(slack):
            return Refused(reason=Reason.NOT_ALLOWED, detail=ADMINS_READ)
        book = self._desk.book
        watched = book.watched()
        explained = {name: book.explained(name) for name in watched}
        voice = self._notifier.voice(self._desk.subject(slack))
        return doors_text(watched, explained, self._desk.reverts_of, voice)

    # -- asking to take it away ---------------------------------------------------------------------------------

    def asking(self, slack: str, where: Where, channel: str, *, explaining: bool = False) -> Block | Refused:
        """Return the form that asks for a reason, to take it away or to explain it, or why this person cannot ask."""
        refused = self._desk.why_not_revert(slack, where.backend, where.finding)
        finding = self._desk.book.watch(where.backend).finding(where.finding)
        if refused is not None or finding is None:
            return refused or Refused(reason=Reason.NO_FINDING)
        entry = self._entry(finding.seq)
        there = Where(backend=where.backend, finding=where.finding, channel=channel)
        if explaining:
            zone = self._notifier.voice(self._desk.subject(slack)).zone
            return explain_modal(self._door(entry), there, self._desk.book.clock().astimezone(zone).date())
        return take_away_modal(self._door(entry), there)

    def take_away(self, slack: str, where: Where, reason: str) -> Request | Refused:
        """Ask for it; the request's card stands where the finding's does."""
        return self._asked(slack, where, self._desk.revert(slack, where.backend, where.finding, reason))

    def explain(self, slack: str, where: Where, last_day: date, reason: str) -> Request | Refused:
        """Say until the end of which day it is known, where this person lives, and why."""
        zone = self._notifier.voice(self._desk.subject(slack)).zone
        until = datetime.combine(last_day + timedelta(days=1), time.min, zone).astimezone(UTC)
        return self._asked(slack, where, self._desk.explain(slack, where.backend, where.finding, until, reason))

    def _asked(self, slack: str, where: Where, outcome: Request | Refused) -> Request | Refused:
        if isinstance(outcome, Request):
            channel = where.channel or self._slack.direct(slack)
            self._tables.claim(f"card:{outcome.number}", outcome.number, "", channel, "")
            self._notifier.refresh(outcome.number)
        return outcome

    # -- showing ------------------------------------------------------------------------------------------------

    def _found(self, seq: str) -> None:
        """Show a finding that stands, everywhere it is to be seen; one that is over already was never news."""
        stored = self._entry(int(seq))
        door = self._door(stored)
        if self._desk.book.watch(door.backend).finding(door.finding) is None:
            return
        revert = self._desk.reverts_of(door.backend, door.finding)
        for key, viewer, channel in self._places(door):
            voice = self._notifier.voice(viewer)
            self._show(key, seq, channel, door_card(door, voice, revert))

    def _shut(self, seq: str) -> None:
        """Close every card of a finding in place."""
        stored = self._entry(int(seq))
        entry = entry_of(stored, ENTRIES)
        if not isinstance(entry, Closed):
            return
        revert = self._desk.book.request(entry.request) if entry.request is not None else None
        for posted in self._cards(entry.finding):
            door = self._door(self._entry(int(posted.viewer)))
            slack = posted.key.rpartition(":")[2]
            voice = self._notifier.voice(self._first_admin() if slack == ADMINS else self._desk.subject(slack))
            message = shut_card(door, voice, entry.outcome, stored.at, revert, stored.seq)
            self._show(posted.key, posted.viewer, posted.channel, message)

    def _moved(self, number: int) -> None:
        """A revert that moved shows on the card of what it takes away."""
        request = self._desk.book.request(number)
        if request is None or not isinstance(request.form, DoorForm):
            return
        finding = self._desk.book.watch(request.form.backend).finding(request.form.finding)
        if finding is not None:
            self._found(str(finding.seq))

    def _show(self, key: str, seq: str, channel: str, message: Message) -> None:
        self._slack.show(key, 0, seq, channel, "", message)

    def _cards(self, finding: str) -> list[Posted]:
        return [posted for posted in self._tables.messages(0) if posted.key.startswith(f"door:{finding}:")]

    # -- what and where -----------------------------------------------------------------------------------------

    def _places(self, door: Door) -> Iterator[tuple[str, str | None, str]]:
        """Key, viewer and channel of each card: the admins' channel (or the admins), and the leads who own it."""
        channel = self._admins()
        people = () if channel else self._having("role:admin", "")
        if channel:
            yield f"door:{door.finding}:{ADMINS}", self._first_admin(), channel
        for slack in dict.fromkeys((*people, *self._leads(door))):
            yield f"door:{door.finding}:{slack}", self._desk.subject(slack), self._slack.direct(slack)

    def _first_admin(self) -> str | None:
        """Whose clock the admins' channel goes by."""
        return next((self._desk.subject(slack) for slack in self._having("role:admin", "")), None)

    def _admins(self) -> str:
        """The id of the admins' channel; a name is looked up once. Empty when there is none."""
        if not self._channel and self._wanted:
            self._channel = self._wanted if _ID.fullmatch(self._wanted) else self._named(self._wanted)
        return self._channel

    def _named(self, name: str) -> str:
        cursor = None
        while True:
            page = self._slack.client.conversations_list(cursor=cursor, types="public_channel", limit=200)
            for channel in page["channels"]:
                if channel["name"] == name:
                    return str(channel["id"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return ""

    def _leads(self, door: Door) -> tuple[str, ...]:
        if door.fault is Fault.UNSEEN:
            return ()
        teams = self._teams(door.backend, door.about)
        return tuple(slack for team in teams for slack in self._having("role:lead", team))

    def _having(self, role: str, team: str) -> tuple[str, ...]:
        """The Slack ids of whoever has a role in a team, or anywhere when no team is named."""
        policy = self._desk.policy()
        held = policy.snapshot.roles.roles
        wanted = {"*", team}
        return tuple(
            person
            for person in policy.people()
            if any(has == role and (not team or where in wanted) for has, where in held(f"user:{person}"))
        )

    def _teams(self, backend: str, about: str) -> tuple[str, ...]:
        """The team that owns the resource; every one that owns something of the backend when none is named."""
        catalogue = self._desk.policy().catalogue
        owner = catalogue.owner(about)
        if owner is not None:
            return (owner,)
        scheme = _SCHEMES.get(backend)
        owners = (catalogue.owner(r) for r in catalogue.resources() if scheme is not None and r.startswith(scheme))
        return tuple(dict.fromkeys(team for team in owners if team is not None))

    def _entry(self, seq: int) -> Stored:
        return next(iter(self._desk.book.store.scan(seq, seq + 1)))

    def _door(self, stored: Stored) -> Door:
        entry = entry_of(stored, ENTRIES)
        assert isinstance(entry, Found)
        backend = stored.stream.partition(":")[2]
        about = self._about(backend, entry)
        return Door(
            backend=backend,
            finding=entry.finding,
            fault=entry.fault,
            request=entry.request,
            who=str(entry.who) if entry.who.value != "" else "",
            what=str(entry.what),
            about=about,
            found_at=stored.at,
            clean_at=self._clean_at(stored),
            owners=self._owners(backend, about) if entry.fault is not Fault.UNSEEN else (),
            seq=stored.seq,
        )

    def _owners(self, backend: str, about: str) -> tuple[str, ...]:
        named = []
        for team in self._teams(backend, about):
            leads = [self._slack.name(slack) for slack in self._having("role:lead", team)]
            named.append(team.removeprefix("team:") + (f" (lead {', '.join(leads)})" if leads else ""))
        return tuple(named)

    def _about(self, backend: str, entry: Found) -> str:
        """The resource that a finding is about: its request's, or one whose name or device it says; else the backend."""
        request = self._desk.book.request(entry.request) if entry.request is not None else None
        if request is not None:
            return request.form.resource
        words = set(re.findall(r"[\w:-]+", str(entry.what)))
        catalogue = self._desk.policy().catalogue
        for resource in catalogue.resources():
            scheme, _, name = resource.partition(":")
            ids = {device.id for device in self._desk.book.pool(name).devices} if scheme == "gpu" else set()
            if name in words or ids & words:
                return resource
        return backend

    def _clean_at(self, stored: Stored) -> datetime | None:
        """When somebody looked last before this was found."""
        before = self._desk.book.store.read(stored.stream, max(0, stored.version - _LOOKED_BACK))
        looks = [each.at for each in before if each.kind == "watch.reconciled" and each.version < stored.version]
        return looks[-1] if looks else None

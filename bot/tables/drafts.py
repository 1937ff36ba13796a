"""Drafts: what somebody asked and has not confirmed, from the first question to the request it became."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from bot.intake.model.proposal import Second
from ledger.log.canonical import format_time, parse_time
from ledger.nouns import Form
from ledger.streams.codec import form_body, form_of

DRAFT_LIFE: Final = timedelta(minutes=30)
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS asked (id TEXT PRIMARY KEY, root TEXT NOT NULL, slack TEXT NOT NULL, kind TEXT NOT NULL,
    form TEXT, answers TEXT NOT NULL, purpose TEXT NOT NULL, said TEXT NOT NULL, channel TEXT NOT NULL,
    inside TEXT NOT NULL, thread TEXT NOT NULL, replacing INTEGER, asked_at TEXT NOT NULL, expires TEXT NOT NULL,
    state TEXT NOT NULL, request INTEGER, second TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX IF NOT EXISTS asked_state ON asked (state, expires);
"""
_COLUMNS: Final = (
    "id, root, slack, kind, form, answers, purpose, said, channel, inside, thread, replacing, "
    "asked_at, expires, state, request, second"
)


class State(StrEnum):
    """Where a draft stands."""

    OPEN = "open"
    SENDING = "sending"
    """Confirmed; the request is being entered. Found at a start, the process died in between."""
    SENT = "sent"
    DISCARDED = "discarded"
    REPLACED = "replaced"
    """Another draft shows in its message now."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A read-back that nobody confirmed yet, or a question (no form yet); `root` names the message that shows it.

    Args:
        kind: gpu, data or deploy.
        answers: what was chosen from the menus of a question, by slot.
        inside: time stamp of the thread that it stands in, empty for the conversation itself.
        thread: where the lines about its request go.
        asked_at: when it was said: "tomorrow" is meant from then.
        second: what a model said of the words then.
    """

    id: str
    root: str
    slack: str
    kind: str
    form: Form | None
    answers: Mapping[str, str]
    purpose: str
    said: str
    channel: str
    inside: str
    thread: str
    replacing: int | None
    asked_at: datetime
    expires: datetime
    state: State = State.OPEN
    request: int | None = None
    second: Second = field(default_factory=Second)

    @property
    def key(self) -> str:
        """The key of the message that shows it."""
        return key_of(self.root)


def key_of(root: str) -> str:
    """Return the key of the message that shows the drafts of one root."""
    return f"ask:{root}"


class Drafts:
    """The table of drafts."""

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        raise NotImplementedError

    def grow_drafts(self) -> None:
        """A table of an earlier version gets the columns that came later."""
        known = {name for _, name, *_ in self._do("PRAGMA table_info(asked)")}
        if "second" not in known:
            self._do("ALTER TABLE asked ADD COLUMN second TEXT NOT NULL DEFAULT ''")

    def new_draft(self, draft: Draft) -> bool:
        """Keep a draft; false when it is there already, because the same words came twice."""
        row = (
            draft.id,
            draft.root,
            draft.slack,
            draft.kind,
            None if draft.form is None else json.dumps(form_body(draft.form)),
            json.dumps(dict(draft.answers)),
            draft.purpose,
            draft.said,
            draft.channel,
            draft.inside,
            draft.thread,
            draft.replacing,
            format_time(draft.asked_at),
            format_time(draft.expires),
            draft.state,
            draft.request,
            draft.second.dumps(),
        )
        holes = ",".join("?" * len(row))
        return self._do(f"INSERT OR IGNORE INTO asked ({_COLUMNS}) VALUES ({holes})", *row).rowcount == 1  # noqa: S608

    def draft(self, draft_id: str) -> Draft | None:
        """Return a draft in whatever state, None when it was never made or is long over."""
        found = self._drafts("WHERE id = ?", draft_id)
        return found[0] if found else None

    def shown_draft(self, root: str) -> Draft | None:
        """Return the draft that the message of `root` shows."""
        found = self._drafts("WHERE root = ? AND state != 'replaced' ORDER BY rowid DESC LIMIT 1", root)
        return found[0] if found else None

    def answer(self, draft_id: str, slot: str, value: str) -> None:
        """Note what was chosen for one doubtful value."""
        path = f'$."{slot}"'
        sql = "UPDATE asked SET answers = json_set(answers, ?, ?) WHERE id = ? AND state = 'open'"
        self._do(sql, path, value, draft_id)

    def take_draft(self, draft_id: str, state: State) -> bool:
        """Move an open draft on; true for one caller only."""
        sql = "UPDATE asked SET state = ? WHERE id = ? AND state = 'open'"
        return self._do(sql, state, draft_id).rowcount == 1

    def settle_draft(self, draft_id: str, state: State, request: int | None = None) -> None:
        """A draft that was being sent was sent as `request`, or goes back because nothing came of it."""
        self._do("UPDATE asked SET state = ?, request = ? WHERE id = ?", state, request, draft_id)

    def drafts_in(self, state: State, until: datetime | None = None) -> list[Draft]:
        """Return the drafts in a state, those that expired by `until` where it is given."""
        if until is None:
            return self._drafts("WHERE state = ?", state)
        return self._drafts("WHERE state = ? AND expires <= ?", state, format_time(until))

    def forget_drafts(self, before: str) -> None:
        """Drafts that expired before a time are gone, with the words in them."""
        self._do("DELETE FROM asked WHERE expires < ?", before)

    def _drafts(self, where: str, *values: Any) -> list[Draft]:
        rows = self._do(f"SELECT {_COLUMNS} FROM asked {where}", *values).fetchall()  # noqa: S608 fixed text
        return [_draft(row) for row in rows]


def _draft(row: tuple[Any, ...]) -> Draft:
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = dict(zip(names, row, strict=True))
    form = values.pop("form")
    return Draft(
        **values
        | {
            "form": None if form is None else form_of(json.loads(form)),
            "answers": json.loads(values["answers"]),
            "asked_at": parse_time(values["asked_at"]),
            "expires": parse_time(values["expires"]),
            "state": State(values["state"]),
            "second": Second.loads(values["second"]),
        }
    )

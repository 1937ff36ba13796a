"""What is done to an append before the lock: bodies become bytes, and personal values are held against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ledger.errors import NotCanonicalError
from ledger.log.canonical import around, at_path, commitment
from ledger.log.store import Draft, Move, Sealed

SALT_SIZE: Final = 16


class ReadyDraft(NamedTuple):
    """A draft whose bytes want only time and version, with the key of each personal value. A tuple: made by the thousand.

    Args:
        front: the entry's bytes before its time.
        back: those behind it, up to its version.
    """

    draft: Draft
    stream: str
    front: bytes
    back: bytes
    seals: tuple[tuple[bytes, Sealed], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An append as the lock's holder needs it: the moves for their versions, the drafts of all of them in order."""

    moves: tuple[Move, ...]
    drafts: tuple[ReadyDraft, ...]
    ids: tuple[str, ...]


def make_ready(moves: Sequence[Move]) -> Ready:
    """Return `moves`, ready to be placed; raises NotCanonicalError when a draft cannot be an entry."""
    drafts = tuple(
        ReadyDraft(draft, move.stream, *around(draft, move.stream), _seals(draft) if draft.sealed else ())
        for move in moves
        for draft in move.drafts
    )
    ids = tuple(each.draft.id for each in drafts)
    if len(set(ids)) != len(ids):
        raise NotCanonicalError("an id stands twice")
    return Ready(moves=tuple(moves), drafts=drafts, ids=ids)


def _seals(draft: Draft) -> tuple[tuple[bytes, Sealed], ...]:
    if len({seal.field for seal in draft.sealed}) != len(draft.sealed):
        raise NotCanonicalError("a field is sealed twice")
    return tuple((_key(seal, draft.body), seal) for seal in draft.sealed)


def _key(seal: Sealed, body: Mapping[str, Any]) -> bytes:
    """The commitment of a personal value, which must stand in the body where the seal says."""
    digest = commitment(seal.salt, seal.value)
    if len(seal.salt) != SALT_SIZE or at_path(dict(body), seal.field) != {"sealed": digest}:
        raise NotCanonicalError(f"the body does not commit to {seal.field}")
    return bytes.fromhex(digest)

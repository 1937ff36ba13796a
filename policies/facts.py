"""Facts about a person that only the ledger knows: what they hold and what they wait for."""

from __future__ import annotations

from ledger.book import Book
from ledger.nouns import Change
from ledger.streams.request import Request

_ASKED = frozenset({"request.submitted", "request.lowered"})


def facts_of(book: Book, subject: str, *, except_for: int | None = None) -> dict[str, int | str]:
    """Return `held_gpus` and `open_requests` of `subject`, leaving out one request."""
    standing = book.requests.standing(subject, except_for=except_for)
    return {"held_gpus": standing.held_gpus, "open_requests": standing.waiting, "added_s": 0}


def facts_of_extension(book: Book, request: Request, added_s: int) -> dict[str, int | str]:
    """Return the facts for holding `request` for `added_s` more; what was added before counts with it."""
    first_s = first_window_s(book, request.number)
    before_s = 0 if isinstance(request.form, Change) else request.form.duration_s - first_s
    return {**facts_of(book, request.beneficiary, except_for=request.number), "added_s": before_s + added_s}


def first_window_s(book: Book, number: int) -> int:
    """Return the length of the window as it was first approved, seconds; 0 for what has none."""
    asked = (stored for stored in book.store.read(f"request:{number}", 0) if stored.kind in _ASKED)
    return max(0, *[0, *(int(stored.body["form"].get("duration_s", 0)) for stored in asked)][-1:])

"""Facts about a person that only the ledger knows: what they hold and what they wait for."""

from __future__ import annotations

from ledger.book import Book
from ledger.nouns import Change, Form, GpuForm
from ledger.streams.request import HOLDING, Request, Status

_ASKED = frozenset({"request.submitted", "request.lowered"})


def facts_of(book: Book, subject: str, *, except_for: int | None = None) -> dict[str, int | str]:
    """Return `held_gpus` and `open_requests` of `subject`, leaving out one request."""
    mine = [request for request in _open(book, subject) if request.number != except_for]
    held = sum(_gpus(request.form) for request in mine if request.status in HOLDING)
    waiting = sum(request.status is Status.WAITING for request in mine)
    return {"held_gpus": held, "open_requests": waiting, "added_s": 0}


def facts_of_extension(book: Book, request: Request, added_s: int) -> dict[str, int | str]:
    """Return the facts for holding `request` for `added_s` more; what was added before counts with it."""
    first_s = first_window_s(book, request.number)
    before_s = 0 if isinstance(request.form, Change) else request.form.duration_s - first_s
    return {**facts_of(book, request.beneficiary, except_for=request.number), "added_s": before_s + added_s}


def first_window_s(book: Book, number: int) -> int:
    """Return the length of the window as it was first approved, seconds; 0 for what has none."""
    asked = (stored for stored in book.store.read(f"request:{number}", 0) if stored.kind in _ASKED)
    return max(0, *[0, *(int(stored.body["form"].get("duration_s", 0)) for stored in asked)][-1:])


def _open(book: Book, subject: str) -> list[Request]:
    found = (book.request(number) for number in book.requests.open())
    return [request for request in found if request is not None and request.beneficiary == subject]


def _gpus(form: Form) -> int:
    return form.gpus if isinstance(form, GpuForm) else 0

"""Which versions answer, entered with the step that moved them: each step of a rollout, its end, or its taking back."""

from __future__ import annotations

from typing import Final

from ledger.book import Write
from ledger.nouns import AdapterForm, DeployForm
from ledger.streams.model import Adapted, Routed, Share
from ledger.streams.request import Request
from workers.executors.base import Executor, Routes
from workers.room import WORKER, Room

BACK: Final = "It was taken back before it was done."


def moved(room: Room, request: Request, executor: Executor) -> tuple[Write, ...]:
    """Return the write that says what answers by now, to be entered with the step; none when nothing moved."""
    return _routed(room, request, _unlike(room, request, executor), request.number, "")


def carried(room: Room, request: Request, executor: Executor) -> tuple[Write, ...]:
    """Return the write that says what answers, to be entered with `Done`, also where that is what answered before."""
    if isinstance(request.form, AdapterForm):
        return (_adapted(room, request, request.form),)
    return _routed(room, request, _answering(request, executor), request.number, "")


def taken_back(room: Room, request: Request, executor: Executor) -> tuple[Write, ...]:
    """Return the write that says what answers again, to be entered with `Failed`; none when nothing had moved."""
    return _routed(room, request, _unlike(room, request, executor), None, BACK)


def _adapted(room: Room, request: Request, form: AdapterForm) -> Write:
    entry = Adapted(
        environment=form.environment,
        adapter=form.adapter,
        digest=form.digest,
        base=form.base,
        loaded=form.load,
        request=request.number,
    )
    expected = room.book.model(form.model).version
    return Write(stream=f"model:{form.model}", expected=expected, entries=(entry,), actor=WORKER)


def _answering(request: Request, executor: Executor) -> tuple[Share, ...]:
    by_digest = isinstance(request.form, DeployForm) and bool(request.form.digest)
    return executor.answering(request.form.resource) if by_digest and isinstance(executor, Routes) else ()


def _unlike(room: Room, request: Request, executor: Executor) -> tuple[Share, ...]:
    """Return what answers if the ledger says something else, else nothing."""
    shares = _answering(request, executor)
    if not shares or not isinstance(request.form, DeployForm):
        return ()
    known = room.book.model(request.form.model).routing(request.form.environment)
    return () if known is not None and known.shares == shares else shares


def _routed(room: Room, request: Request, shares: tuple[Share, ...], number: int | None, why: str) -> tuple[Write, ...]:
    form = request.form
    if not shares or not isinstance(form, DeployForm):
        return ()
    entry = Routed(environment=form.environment, shares=shares, request=number, why=why)
    stream, version = f"model:{form.model}", room.book.model(form.model).version
    return (Write(stream=stream, expected=version, entries=(entry,), actor=WORKER),)

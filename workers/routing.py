"""Which versions answer, entered with the step that moved them: with `Done`, with each step of a rollout, with `Failed`."""

from __future__ import annotations

from typing import Final

from ledger.book import Write
from ledger.nouns import DeployForm
from ledger.streams.model import Routed
from ledger.streams.request import Request
from workers.executors.base import Executor, Routes
from workers.room import WORKER, Room

BACK: Final = "It was taken back before it was done."


def routing(room: Room, request: Request, executor: Executor, *, taken_back: bool = False) -> tuple[Write, ...]:
    """Return the write that says what answers now, to be entered with the request's own step; none when nothing moved.

    Args:
        taken_back: whether the step is the end of a change that was not done.

    Raises:
        BackendError: the executor cannot say.
    """
    form = request.form
    if not isinstance(form, DeployForm) or not isinstance(executor, Routes):
        return ()
    shares = executor.answering(form.resource)
    model = room.book.model(form.model)
    known = model.routing(form.environment)
    if not shares or (known is not None and known.shares == shares):
        return ()
    number, why = (None, BACK) if taken_back else (request.number, "")
    entry = Routed(environment=form.environment, shares=shares, request=number, why=why)
    return (Write(stream=f"model:{form.model}", expected=model.version, entries=(entry,), actor=WORKER),)

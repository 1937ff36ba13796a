"""Carrying out what was approved: by one worker, in the approved window, under the recorded votes."""

from __future__ import annotations

from dataclasses import replace

from ledger.nouns import DeployForm, FormKind, window_end
from ledger.streams.law import Place, require
from ledger.streams.request.entries import Dispatched, Done, Failed, Queued, Started
from ledger.streams.request.state import Request, Status
from ledger.streams.seats import filled


def queued(state: Request, entry: Queued, place: Place) -> Request:
    """Stand in line for devices."""
    del place
    require(state.status in {Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    return replace(state, status=Status.QUEUED, queued=entry)


def dispatched(state: Request, entry: Dispatched, place: Place) -> Request:
    """Hand it to one worker, under the next generation, within the approved window and the recorded votes."""
    again = state.status is Status.STARTING
    require(state.status in {Status.APPROVED, Status.QUEUED, Status.STARTING}, f"{state.name} is {state.status}")
    require(entry.generation == state.generation + 1, "generations go up by one")
    require(entry.form_digest == state.form_digest, "the dispatch is of another form")
    require(not again or entry.grant_key == state.grant_key, "a grant keeps its key")
    by_rule = state.decision is not None and state.decision.auto
    require(by_rule or filled(state.seats, state.votes), "the votes do not fill the seats")
    _lawful_window(state, entry, place)
    return replace(
        state,
        status=Status.STARTING,
        generation=entry.generation,
        grant_key=entry.grant_key,
        executor=entry.executor,
        devices=entry.devices,
        dispatched_at=place.at,
        not_after=entry.not_after,
    )


def _lawful_window(state: Request, entry: Dispatched, place: Place) -> None:
    form = state.form
    if isinstance(form, DeployForm):
        require(entry.not_after is None, "a change has no window")
        return
    require(form.start is None or place.at >= form.start, "it may not start before its window")
    require(entry.not_after is not None, "a lease has an end")
    first = state.dispatched_at if state.status is Status.STARTING else None
    latest = window_end(form, first or place.at)
    require(entry.not_after is None or entry.not_after <= latest, "the end lies beyond what was approved")


def started(state: Request, entry: Started, place: Place) -> Request:
    """Hold the lease, if the worker is the one that was dispatched last."""
    require(state.status is Status.STARTING, f"{state.name} is {state.status}")
    require(state.form.kind is FormKind.LEASE, "a change is done, not started")
    require(entry.generation == state.generation, "a stale worker's success does not count")
    return replace(state, status=Status.RUNNING, receipt=entry.receipt, started_at=place.at)


def done(state: Request, entry: Done, place: Place) -> Request:
    """Have made the change, if the worker is the one that was dispatched last."""
    require(state.status is Status.STARTING, f"{state.name} is {state.status}")
    require(state.form.kind is FormKind.CHANGE, "a lease is started, not done")
    require(entry.generation == state.generation, "a stale worker's success does not count")
    return replace(state, status=Status.DONE, receipt=entry.receipt, started_at=place.at)


def failed(state: Request, entry: Failed, place: Place) -> Request:
    """Be over without having started."""
    require(state.status in {Status.APPROVED, Status.QUEUED, Status.STARTING}, f"{state.name} is {state.status}")
    return replace(state, status=Status.FAILED, why=entry.why, ended_at=place.at)

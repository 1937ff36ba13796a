"""Carrying out what was approved: by one worker, in the approved window, under the recorded votes."""

from __future__ import annotations

from dataclasses import replace

from ledger.nouns import Change, DataForm, FormKind, KeyForm, window_end
from ledger.streams.law import Place, require
from ledger.streams.request.entries import (
    CredentialSet,
    CredentialShown,
    Dispatched,
    Done,
    Failed,
    Queued,
    Started,
    Stumbled,
)
from ledger.streams.request.state import Request, Status
from ledger.streams.seats import filled


def queued(state: Request, entry: Queued, place: Place) -> Request:
    """Stand in line: ours before it is dispatched, the backend's own once it has it and did not start it."""
    del place
    open_to = {Status.APPROVED, Status.QUEUED, Status.STARTING}
    require(state.status in open_to, f"{state.name} is {state.status}")
    dispatched_already = state.status is Status.STARTING
    return replace(state, status=Status.STARTING if dispatched_already else Status.QUEUED, queued=entry)


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
        queued=state.queued if again else None,
    )


def _lawful_window(state: Request, entry: Dispatched, place: Place) -> None:
    form = state.form
    if isinstance(form, Change):
        require(entry.not_after is None, "a change has no window")
        return
    require(form.start is None or place.at >= form.start, "it may not start before its window")
    require(entry.not_after is not None, "a lease has an end")
    # Time in the backend's own line is not time held: only a dispatch that may have started keeps its first end.
    may_run = state.status is Status.STARTING and state.queued is None
    first = state.dispatched_at if may_run else None
    latest = window_end(form, first or place.at)
    require(entry.not_after is None or entry.not_after <= latest, "the end lies beyond what was approved")


def started(state: Request, entry: Started, place: Place) -> Request:
    """Hold the lease, if the worker is the one that was dispatched last."""
    require(state.status is Status.STARTING, f"{state.name} is {state.status}")
    require(state.form.kind is FormKind.LEASE, "a change is done, not started")
    require(entry.generation == state.generation, "a stale worker's success does not count")
    return replace(
        state,
        status=Status.RUNNING,
        receipt=entry.receipt,
        started_at=place.at,
        confirmed=entry.generation,
        queued=None,
        stumbles=0,
    )


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


def stumbled(state: Request, entry: Stumbled, place: Place) -> Request:
    """Count one more try that failed as nobody foresaw."""
    del place
    require(state.status is Status.STARTING, f"{state.name} is {state.status}")
    require(entry.attempt == state.stumbles + 1, "attempts are counted one by one")
    return replace(state, stumbles=entry.attempt, why=entry.why)


def credential_shown(state: Request, entry: CredentialShown, place: Place) -> Request:
    """Show the holder, and nobody else, a secret; the one before stops to count."""
    _has_credential(state)
    require(place.actor == entry.holder and entry.holder in state.barred, "only the holder is shown a secret")
    require(entry.count == state.credentials_shown + 1, "showings are counted one by one")
    return replace(state, credential=entry.verifier.value, credentials_shown=entry.count)


def credential_set(state: Request, entry: CredentialSet, place: Place) -> Request:
    """Have the backend take the secret that was shown last."""
    del place
    _has_credential(state)
    require(entry.count == state.credentials_shown > state.credentials_set, "that secret is not the one shown last")
    return replace(state, credentials_set=entry.count)


def _has_credential(state: Request) -> None:
    held = state.status is Status.RUNNING and isinstance(state.form, DataForm | KeyForm)
    require(held, f"{state.name} has no credential")

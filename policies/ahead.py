"""When the holder of a lease is warned of its end: early enough that whoever must agree to more time still works.

A tenth of the window ahead (`warn_at`). Where the extension that is offered first needs people, the warning comes as
long before the last working hour as it would come before the end, an hour at most: the holder asks, an approver
answers. Not in the first half of the window, nor in the first hours of a long one (who takes it for a weekend on Friday
morning is told on Friday); and where nobody works any more before the end, at the usual time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ledger.book import Book
from ledger.nouns import Change, Form, GpuForm
from ledger.streams.request import Outcome, Request, Status, held_since, longer, warn_at, warned_at
from policies.decide import Policy
from policies.facts import facts_of_extension
from policies.hours import Hours

ANSWER: Final = timedelta(hours=1)
"""The working time that an approver has to answer."""
ASK: Final = timedelta(hours=1)
"""The working time that the holder has to ask before that, at most."""
QUIET: Final = timedelta(hours=4)
"""How long nobody is told early, at most: half of the window where that is shorter."""
_HOUR_S, _DAY_S = 3600, 86_400


def first_step_s(form: Form) -> int:
    """Return by how many seconds an extension is offered first: an hour of devices, a day of data or a key; 0 for a change."""
    return _HOUR_S if isinstance(form, GpuForm) else 0 if isinstance(form, Change) else _DAY_S


def early(hours: Hours, since: datetime, end: datetime) -> datetime:
    """Return when to warn of the end of a window that people would have to agree to prolong."""
    usual, quiet = warn_at(since, end), min((end - since) / 2, QUIET)
    at = hours.before(end, ANSWER + min(end - usual, ASK), floor=since + quiet)
    return min(at, usual) if hours.left(at, end) else usual


def warning_at(policy: Policy, book: Book, request: Request) -> datetime | None:
    """Return when the holder of a running lease is warned of its end; None for what has none or was told of it."""
    if request.status is not Status.RUNNING or request.warned_of == request.not_after:
        return None
    sooner = sooner_at(policy.catalogue.hours, request)
    return sooner if sooner is not None and needs_people(policy, book, request) else warned_at(request)


def sooner_at(hours: Hours, request: Request) -> datetime | None:
    """Return when the holder would be warned if people must agree, None when that is no sooner than usual."""
    since, end = held_since(request), request.not_after
    if since is None or end is None:
        return None
    at, usual = early(hours, since, max(since, end)), warned_at(request)
    return at if usual is not None and at < usual else None


def needs_people(policy: Policy, book: Book, request: Request) -> bool:
    """Whether people must agree to what is offered first; not while an extension is asked for already."""
    step_s, slack = first_step_s(request.form), book.people().slack(request.beneficiary)
    asked = request.extension is not None and request.extension.outcome is Outcome.PENDING
    if not step_s or slack is None or request.not_after is None or asked:
        return False
    form = longer(request.form, step_s, request.not_after + timedelta(seconds=step_s))
    decision = policy.extend(f"user:{slack}", form, facts_of_extension(book, request, step_s))
    return decision.permitted and not decision.auto

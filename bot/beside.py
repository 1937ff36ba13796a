"""What a lead wants to see beside a request: how full the pool is, and what the asker used lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bot.blocks.deployment import loaded_words
from bot.blocks.words import Voice, shown, tokens
from ledger.book import Book
from ledger.nouns import AdapterForm, DataForm, DeployForm, DoorForm, GpuForm, KeyForm
from ledger.streams.request import Request
from policies.budgets import left

PAST: Final = timedelta(days=30)
_LEVELS: Final = ("open", "internal", "personal data", "restricted")


def beside(book: Book, request: Request, voice: Voice) -> list[tuple[str, str]]:
    """Return facts for the approvers' card, label and value; every one of them read from the ledger or the catalogue."""
    return [*_frozen(book, request, voice), *_about(book, request, voice)]


def _frozen(book: Book, request: Request, voice: Voice) -> list[tuple[str, str]]:
    stop = book.halts().over(request.form.resource)
    return [("Frozen", f"by {voice.name_of(stop.by)}; no approval counts until it is lifted")] if stop else []


def _budget(book: Book, request: Request, voice: Voice) -> list[tuple[str, str]]:
    team = request.decision.team if request.decision else ""
    known = left(book, voice.policy, team, request.form.start or voice.now)
    return [(f"Budget of {known.team}", known.of_words(voice.policy))] if known else []


def _about(book: Book, request: Request, voice: Voice) -> list[tuple[str, str]]:
    form = request.form
    if isinstance(form, GpuForm):
        past = (_past_label(request, voice), _past(book, request, voice))
        return [("Pool", _pool(book, form, voice)), *_budget(book, request, voice), past]
    if isinstance(form, DataForm):
        dataset = voice.policy.catalogue.datasets[form.resource.removeprefix("data:")]
        columns = ", ".join(form.columns) or "all of them"
        return [("Columns", columns), ("Sensitivity", f"{dataset.level}, {_LEVELS[dataset.level]}")]
    if isinstance(form, KeyForm):
        return [("Answers there now", _answers(book, form)), *_team_tokens(request, voice)]
    if isinstance(form, DoorForm):
        return _door(book, form)
    if isinstance(form, AdapterForm):
        return [("Loaded there now", loaded_words(book.model(form.model), form.environment))]
    return [("Running now", _running(book, form))]


def _pool(book: Book, form: GpuForm, voice: Voice) -> str:
    """`h100-shared: 12 of 16 free, nobody queued, 14:03 CET`: it carries its time, because a message grows old."""
    name = form.resource.removeprefix("gpu:")
    pool = book.pool(name)
    free, total = len(pool.free_now(form.gpu_type)), pool.total(form.gpu_type)
    waiting = book.requests.in_line(form.resource)
    queue = f"{waiting} queued" if waiting else "nobody queued"
    local = voice.now.astimezone(voice.zone)
    return f"{name}: {free} of {total} free, {queue} at {local:%H:%M} {local:%Z}"


def _past_label(request: Request, voice: Voice) -> str:
    return f"{voice.name_of(request.asker)}, last 30 days"


def _past(book: Book, request: Request, voice: Voice) -> str:
    since = voice.now - PAST
    past = [
        other
        for other in map(book.request, book.requests.of(request.asker))
        if other is not None and other.submitted_at >= since and other.number != request.number
    ]
    if not past:
        return "first request"
    hours = sum(other.usage.gpu_s for other in past if other.usage is not None) / 3600
    many = "1 request" if len(past) == 1 else f"{len(past)} requests"
    return f"{many}, {hours:,.3g} GPU-hours used"


def _door(book: Book, form: DoorForm) -> list[tuple[str, str]]:
    """What the finding says, as long as it stands."""
    finding = book.watch(form.backend).finding(form.finding)
    if finding is None:
        return [("Found", "it no longer stands")]
    who = [("Who", shown(str(finding.who)))] if finding.who.value else []
    return [("Found", f"{finding.fault.value}: {shown(str(finding.what))}"), *who]


def _answers(book: Book, form: KeyForm) -> str:
    """The versions that are routed to, by the ledger: `3.2.1`, `3.2.0 (90 %), 3.2.1 (10 %)`."""
    model, _, place = form.resource.partition(":")[2].partition("@")
    routings = book.model(model).in_environment(place)
    if not routings:
        return "nothing yet"
    shares = routings[-1].shares
    return ", ".join(f"{each.version} ({each.percent} %)" if len(shares) > 1 else each.version for each in shares)


def _team_tokens(request: Request, voice: Voice) -> list[tuple[str, str]]:
    """What the asker's team may use in a window by the catalogue: all its keys together."""
    team = request.decision.team.removeprefix("team:") if request.decision else ""
    item = voice.policy.catalogue.budgets.get(team)
    if item is None or item.tokens is None:
        return []
    return [(f"Budget of {team}", f"{tokens(item.tokens)} a {item.span.value}, all its keys together")]


def _running(book: Book, form: DeployForm) -> str:
    """What answers there by the ledger, or the version that was put there last; what is around it is not known here."""
    routing = book.model(form.model).routing(form.environment) if form.digest else None
    if routing is not None:
        return ", ".join(
            share.version if routing.whole else f"{share.version} ({share.percent} %)" for share in routing.shares
        )
    sql = "SELECT number FROM request_index WHERE resource = ? AND last_kind = 'request.done' ORDER BY last_at DESC LIMIT 1"
    rows = book.store.query(sql, (form.resource,))
    done = book.request(int(rows[0][0])) if rows else None
    if done is None or not isinstance(done.form, DeployForm):
        return "nothing that this ledger knows of"
    return done.form.version

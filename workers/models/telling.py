"""What the commands about models say: versions, evaluations and routings in words and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ledger.ran_told import shares_words
from ledger.streams.model import Evaluation, Model, Registration, Routing, short, stretches
from workers.models.registering import Taken

Tell = Callable[[int, int], None]


def tell_taken(model: str, version: str, taken: Taken, console: Console, *, kind: str = "") -> None:
    """Say what became of a version, or an adapter, that was added."""
    weights = taken.weights
    if taken.seq is None:
        console.print(f"{model} {kind}{version} means these weights already. Nothing was entered.", highlight=False)
    else:
        console.print(f"{model} {kind}{version} is registered: ledger entry {taken.seq:,}.", highlight=False)
    console.print(f"{weights.digest}, {size_words(weights.size)}", highlight=False, soft_wrap=True)
    if taken.before and taken.seq is not None:
        console.print(f"Until now it meant {short(taken.before)}; what was asked for keeps that.", highlight=False)
    if weights.left_out:
        console.print(f"Left out: {escape(', '.join(weights.left_out))}", highlight=False, soft_wrap=True)


def size_words(size: int) -> str:
    """Return `988 MB`, `16.1 GB`."""
    if size < 10**6:
        return f"{size / 1e3:.1f}\N{NO-BREAK SPACE}kB"
    return f"{size / 1e9:.1f}\N{NO-BREAK SPACE}GB" if size >= 10**9 else f"{size / 1e6:.0f}\N{NO-BREAK SPACE}MB"


def evaluation_words(found: Evaluation | None) -> str:
    """Return `40 of 40, p95 120 ms`; `never` when it was never evaluated."""
    if found is None:
        return "never"
    result = found.result
    return f"{result.cases - result.failed} of {result.cases}, p95\N{NO-BREAK SPACE}{result.p95_ms}\N{NO-BREAK SPACE}ms"


def tell_versions(name: str, model: Model, console: Console) -> None:
    """Say every version that means something now, newest first."""
    if not model.registered:
        console.print(f"No version of {name} is registered. quartermaster models add {name} 1.0 DIRECTORY adds one.")
        return
    table = Table(title=name, title_justify="left", title_style="bold")
    for head in ("version", "weights", "size", "registered"):
        table.add_column(head, no_wrap=True)
    table.add_column("evaluation")
    table.add_column("answers in")
    for each in _current(model):
        row = (each.version, short(each.digest), size_words(each.size), f"{each.at:%Y-%m-%d}")
        table.add_row(*row, evaluation_words(model.evaluation(each.digest)), _where(model, each.digest))
    console.print(table)


def versions_json(name: str, model: Model) -> Iterator[dict[str, Any]]:
    """Yield the same for programs."""
    for each in _current(model):
        found = model.evaluation(each.digest)
        yield {
            "model": name,
            "version": each.version,
            "digest": each.digest,
            "size": each.size,
            "registered": each.at.isoformat(),
            "entry": each.seq,
            "evaluation": None
            if found is None
            else {"cases": found.result.cases, "failed": found.result.failed, "p95_ms": found.result.p95_ms},
            "answers_in": _answers(model, each.digest),
        }


def tell_model(name: str, model: Model, console: Console) -> None:
    """Say everything that is known about one model."""
    tell_versions(name, model, console)
    for each in _current(model):
        console.print(f"{each.version}  {each.digest}", highlight=False, soft_wrap=True)
    history = Table("environment", "since", "answers", "by", title="What answered", title_justify="left")
    for routing in model.routings:
        history.add_row(routing.environment, _time(routing.at), shares_words(routing.shares), _by(routing))
    if model.routings:
        console.print(history)
    if model.adapters:
        console.print(_adapters(model))
    if model.adapted:
        console.print(_beside(model))


def _adapters(model: Model) -> Table:
    """Every adapter as its name means it now, and beside which versions it is loaded."""
    table = Table("adapter", "digest", "size", "loaded", title="Adapters", title_justify="left")
    standing = {(each.environment, each.base): model.loaded(each.environment, each.base) for each in model.adapted}
    for name in dict.fromkeys(each.version for each in model.adapters):
        known = model.adapter(name)
        if known is not None:
            where = (
                f"{e} ({short(base)})" for (e, base), there in standing.items() for a in there if a.adapter == name
            )
            table.add_row(name, short(known.digest), size_words(known.size), ", ".join(where))
    return table


def _beside(model: Model) -> Table:
    """Every adapter that answered, beside which version, and from when to when."""
    table = Table(title="What answered beside it", title_justify="left")
    for head in ("environment", "since", "until", "adapter", "beside", "by"):
        table.add_column(head, overflow="fold", min_width=len("(0123456789ab)") if head == "adapter" else None)
    versions = {each.digest: each.version for each in model.registered}
    for each in stretches(model.routings, model.adapted):
        adapter, until = each.loading, _time(each.end.at) if each.end is not None else "now"
        named, beside = f"{adapter.adapter}\n({short(adapter.digest)})", versions[adapter.base]
        table.add_row(adapter.environment, _time(each.since), until, named, beside, f"REQ-{adapter.request}")
    return table


def _by(routing: Routing) -> str:
    return f"REQ-{routing.request}" if routing.request is not None else f"by itself: {escape(routing.why)}"


def _current(model: Model) -> list[Registration]:
    found = (model.resolve(version) for version in reversed(model.versions))
    return [each for each in found if each is not None]


def _answers(model: Model, digest: str) -> dict[str, int]:
    environments = dict.fromkeys(routing.environment for routing in model.routings)
    now = {name: routing.shares for name in environments if (routing := model.routing(name)) is not None}
    return {name: each.percent for name, shares in now.items() for each in shares if each.digest == digest}


def _where(model: Model, digest: str) -> str:
    return ", ".join(
        name if percent == 100 else f"{name} ({percent}\N{NO-BREAK SPACE}%)"  # noqa: PLR2004
        for name, percent in _answers(model, digest).items()
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

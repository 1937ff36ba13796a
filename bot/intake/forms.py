"""From a reading to an exact form: pools, totals and windows filled in from the catalogue, or the doubts that remain."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.intake.adapters import adapter_wish
from bot.intake.grammar import read
from bot.intake.kept import Kept
from bot.intake.model.proposal import KINDS, NonsenseError, Proposal
from bot.intake.model.together import together
from bot.intake.reading import Doubt, DoubtReason, Intent, Reading
from bot.intake.vocabulary import Vocabulary
from ledger.nouns import Access, DataForm, DeployForm, Form, GpuForm, KeyForm
from ledger.streams.model import WHOLE
from policies.catalogue import ENDPOINT, Catalogue
from policies.serving import ModelItem

ASKING = frozenset({Intent.GPU_REQUEST, Intent.DATA_REQUEST, Intent.DEPLOY_REQUEST, Intent.KEY_REQUEST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """An exact form, and why it is wanted in the person's own words (may be empty)."""

    form: Form
    purpose: str
    also: tuple[Intent, ...] = ()
    """Other wishes of the same message, which were heard and are not in the form."""
    without: tuple[str, ...] = ()
    """Slots that were said and have no place in such a form: a deployment starts when it is approved."""
    by_model: tuple[str, ...] = ()
    """Slots whose words the grammar had left unread and the model pointed at: to be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """A request with something missing or doubtful; the form that asks for it is filled with `reading.slots`."""

    reading: Reading
    doubts: tuple[Doubt, ...]
    by_model: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Not a request for something: a verb about a request, a question, or nothing."""

    reading: Reading
    words: str = ""
    """What is to be said to it, where that is known already."""


def understand(
    text: str,
    *,
    now: datetime,
    catalogue: Catalogue,
    person: str = "",
    proposal: Proposal | None = None,
    kind: str = "",
) -> Understood | Unclear | Other:
    """Return what `text` asks for; nothing is guessed, and who asks is never taken from it.

    Args:
        proposal: what a model said of the same text; what it points at beside the sentence counts for nothing.
        kind: which of two kinds of request the person said they meant, where grammar and model had read different ones.
    """
    adapter = adapter_wish(text, catalogue)
    if isinstance(adapter, str):
        return Other(reading=Reading(intent=Intent.OTHER, text=text), words=adapter)
    if adapter is not None:
        return Understood(form=adapter, purpose="")
    vocabulary = known_to(catalogue)
    reading = read(text, now=now, vocabulary=vocabulary, sender=person)
    by_model: tuple[str, ...] = ()
    if proposal is not None and may_be_read_twice(reading):
        with suppress(NonsenseError):  # it fitted when it was heard, and the catalogue has changed since
            both = together(reading, proposal, text, now=now, vocabulary=vocabulary, sender=person, kind=kind)
            reading, by_model = both.reading, both.by_model
    heard = form_from(reading, catalogue, now)
    return heard if isinstance(heard, Other) else replace(heard, by_model=by_model)


def may_be_read_twice(reading: Reading) -> bool:
    """Whether a model is asked about a sentence: one wish for a thing, or nothing that the grammar understood."""
    return reading.intent in {*KINDS.values(), Intent.OTHER} and not reading.also and bool(reading.text)


def form_from(reading: Reading, catalogue: Catalogue, now: datetime) -> Understood | Unclear | Other:
    """Return the exact form of a reading, or what is still doubtful about it."""
    if reading.intent not in ASKING:
        return Other(reading=reading)
    doubts = [*reading.doubts, *_several(reading)]
    kinds = tuple(doubt for doubt in doubts if doubt.slot == "kind")
    if kinds:
        return Unclear(reading=reading, doubts=kinds)
    form = _BUILD[reading.intent](dict(reading.slots), catalogue, now, doubts)
    if form is None or doubts:
        return Unclear(reading=reading, doubts=tuple(doubts))
    without = ("start",) if isinstance(form, DeployForm) and reading.slots.get("start") is not None else ()
    purpose = str(reading.slots.get("purpose") or "")
    return Understood(form=form, purpose=purpose, also=reading.also, without=without)


def _several(reading: Reading) -> list[Doubt]:
    """Two wishes for things of one kind are asked about: nobody may be given half of what they asked for unawares."""
    slot = {Intent.GPU_REQUEST: "gpu_count", Intent.DATA_REQUEST: "dataset"}.get(reading.intent, "model")
    return [_doubt(slot, DoubtReason.COMPETING)] if reading.intent in reading.also else []


def _gpu(slots: dict[str, Any], catalogue: Catalogue, now: datetime, doubts: list[Doubt]) -> Form | None:
    _need(slots, doubts, "gpu_type", "gpu_count")
    start, end, held = _window(slots, now, doubts)
    if doubts:
        return None
    pools = [slots["pool"]] if slots.get("pool") else list(catalogue.pools_of(slots["gpu_type"]))
    if len(pools) != 1:
        doubts.append(_doubt("pool", DoubtReason.AMBIGUOUS if pools else DoubtReason.MISSING, candidates=tuple(pools)))
        return None
    if slots["gpu_type"] not in catalogue.pools[pools[0]].types:
        doubts.append(
            _doubt("pool", DoubtReason.COMPETING, said=pools[0], candidates=catalogue.pools_of(slots["gpu_type"]))
        )
        return None
    return GpuForm(
        resource=f"gpu:{pools[0]}",
        gpu_type=slots["gpu_type"],
        gpus=int(slots["gpu_count"]),
        duration_s=held,
        start=start,
        not_after=end,
    )


def _data(slots: dict[str, Any], catalogue: Catalogue, now: datetime, doubts: list[Doubt]) -> Form | None:
    del catalogue
    _need(slots, doubts, "dataset", "access")
    start, end, held = _window(slots, now, doubts)
    if doubts:
        return None
    return DataForm(
        resource=f"data:{slots['dataset']}",
        access=Access(slots["access"]),
        duration_s=held,
        columns=tuple(slots.get("columns") or ()),
        start=start,
        not_after=end,
    )


def _deploy(slots: dict[str, Any], catalogue: Catalogue, now: datetime, doubts: list[Doubt]) -> Form | None:
    del now
    _need(slots, doubts, "model", "environment")
    percent = slots.get("canary_percent")
    if percent is not None and not 0 < percent < WHOLE:
        doubts.append(_doubt("canary_percent", DoubtReason.NOT_A_NUMBER, said=f"{percent} %"))
    meant = None if doubts else _version(slots, catalogue.models[slots["model"]], doubts)
    if doubts or meant is None:
        return None
    version, digest = meant
    return DeployForm(
        resource=f"deploy:{slots['model']}@{slots['environment']}",
        model=slots["model"],
        version=version,
        environment=slots["environment"],
        replicas=slots.get("replicas"),
        strategy=slots.get("strategy"),
        canary_percent=percent,
        rollback=bool(slots.get("rollback")),
        digest=digest,
    )


def _key(slots: dict[str, Any], catalogue: Catalogue, now: datetime, doubts: list[Doubt]) -> Form | None:
    del catalogue
    _need(slots, doubts, "model", "environment", "tokens")
    start, end, held = _window(slots, now, doubts)
    if doubts:
        return None
    return KeyForm(
        resource=f"{ENDPOINT}:{slots['model']}@{slots['environment']}",
        tokens=int(slots["tokens"]),
        duration_s=held,
        start=start,
        not_after=end,
    )


_BUILD: Final = {
    Intent.GPU_REQUEST: _gpu,
    Intent.DATA_REQUEST: _data,
    Intent.DEPLOY_REQUEST: _deploy,
    Intent.KEY_REQUEST: _key,
}


def _version(slots: dict[str, Any], model: ModelItem, doubts: list[Doubt]) -> tuple[str, str] | None:
    """Return the version that is meant and the digest of its weights, or doubt it.

    Without a version, going back means what answered there before, and promoting means the canary.
    """
    rollback, environment, said = bool(slots.get("rollback")), slots["environment"], slots.get("version")
    found = model.meant(said, environment, rollback=rollback, promote=bool(slots.get("promote")))
    if found is not None:
        return found
    candidates = tuple(reversed(model.versions))
    if said is not None:
        doubts.append(_doubt("version", DoubtReason.UNKNOWN_NAME, said=said, candidates=candidates))
    elif model.serving is not None and not model.versions:
        doubts.append(_doubt("version", DoubtReason.NONE_YET, said=model.name))
    elif model.serving is not None and rollback:
        doubts.append(_doubt("version", DoubtReason.NOTHING_BEFORE, said=environment, candidates=candidates))
    else:
        doubts.append(_doubt("version", DoubtReason.MISSING, candidates=candidates if slots.get("promote") else ()))
    return None


def _need(slots: dict[str, Any], doubts: list[Doubt], *names: str) -> None:
    known = {doubt.slot for doubt in doubts}
    doubts += [_doubt(n, DoubtReason.MISSING) for n in names if slots.get(n) is None and n not in known]


def _window(slots: dict[str, Any], now: datetime, doubts: list[Doubt]) -> tuple[datetime | None, datetime | None, int]:
    """Return (start, named end, seconds), UTC; a start that is now is none: it begins when it is approved."""
    start, end, held = _utc(slots.get("start")), _utc(slots.get("end")), slots.get("duration_s")
    if start is not None and start < now - timedelta(minutes=1) and "start" not in {d.slot for d in doubts}:
        doubts.append(_doubt("start", DoubtReason.PAST))
    if start is not None and start <= now + timedelta(minutes=1):
        start = None
    if held is None and end is not None:
        held = int((end - (start or now)).total_seconds())
    if held is None and "duration_s" not in {d.slot for d in doubts}:
        doubts.append(_doubt("duration_s", DoubtReason.MISSING))
    elif held is not None and held <= 0:
        doubts.append(_doubt("duration_s", DoubtReason.PAST))
    return start, end, int(held or 0)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)


def _doubt(slot: str, reason: DoubtReason, *, said: str = "", candidates: tuple[str, ...] = ()) -> Doubt:
    return Doubt(slot=slot, reason=reason, said=said, candidates=candidates)


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """Return the names a reader may recognise, from the catalogue."""
    return Vocabulary.from_json(
        {
            "gpu_types": [
                {"name": t.name, "aliases": list(t.aliases), "gpus_per_node": t.gpus_per_node}
                for t in catalogue.gpu_types.values()
            ],
            "pools": [{"name": p.name, "aliases": list(p.aliases)} for p in catalogue.pools.values()],
            "datasets": [
                {"name": d.name, "aliases": list(d.aliases), "columns": list(d.columns)}
                for d in catalogue.datasets.values()
            ],
            "models": [
                {"name": m.name, "aliases": list(m.aliases), "versions": list(m.versions), "latest": m.latest}
                for m in catalogue.models.values()
            ],
            "environments": [{"name": n, "aliases": list(a)} for n, a in catalogue.environments.items()],
        }
    )


def known_to(catalogue: Catalogue) -> Vocabulary:
    """Return the vocabulary of a catalogue, made once."""
    return _VOCABULARIES.of(catalogue)


_VOCABULARIES: Final = Kept(vocabulary_of)

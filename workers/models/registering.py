"""A version is registered: its weights are taken into the store, and their digest is entered in the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ledger.book import Book, Write
from ledger.errors import VersionConflictError
from ledger.streams.model import LATEST, VERSION, AdapterRegistered, Registered
from policies.catalogue import Catalogue
from policies.serving import ModelItem
from workers.models.errors import WeightsError
from workers.models.weights import Progress, Weights, WeightStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of it: the weights in the store, and the entry that says so, None where it said so already."""

    weights: Weights
    seq: int | None
    before: str
    """The digest that the version meant until then, empty for a new one."""


def served_model(catalogue: Catalogue, name: str) -> ModelItem:
    """Return a model that is served; raises WeightsError naming those there are."""
    item = catalogue.models.get(name)
    if item is not None and item.serving is not None:
        return item
    served = ", ".join(each.name for each in catalogue.models.values() if each.serving is not None)
    missing = f"the catalogue serves no model {name}"
    if not served:
        raise WeightsError(f"{missing}, and no other; add [models.{name}.serving] to catalogue.toml and adopt it")
    raise WeightsError(f"{missing}. It serves: {served}")


def check_version(version: str) -> None:
    """Return only if a version may be called so; raises WeightsError with what may be."""
    if version == LATEST:
        raise WeightsError(f"no version is called {LATEST}: that word means the newest one")
    if VERSION.fullmatch(version) is None:
        raise WeightsError(f"{version[:80]!r} is no name of a version; use letters, digits, dots and dashes: 3.2.1")


def check_adapter(name: str, source: Path) -> None:
    """Return only if an adapter may be called so and the folder is one's; raises WeightsError."""
    if name == LATEST or VERSION.fullmatch(name) is None:
        raise WeightsError(f"{name[:80]!r} is no name of an adapter; use letters, digits, dots and dashes: legal-tone")
    try:
        body = json.loads((source / "adapter_config.json").read_bytes())
    except OSError:
        raise WeightsError(f"{source.name} has no adapter_config.json; it is no LoRA adapter") from None
    except (ValueError, RecursionError):
        raise WeightsError("adapter_config.json is no JSON") from None
    if not isinstance(body, dict) or body.get("peft_type", "LORA") != "LORA" or type(body.get("r")) is not int:
        raise WeightsError("adapter_config.json names no LoRA adapter with a rank; other kinds are not loaded")
    if not (source / "adapter_model.safetensors").is_file():
        raise WeightsError(f"{source.name} has no adapter_model.safetensors; other kinds of weights can hold code")


def register_adapter(
    book: Book, store: WeightStore, model: str, name: str, source: Path, *, actor: str, within: Path | None = None
) -> Taken:
    """Take the adapter in `source` into the store and enter what its name means from now on.

    Raises:
        WeightsError: the adapter or the name cannot be used; nothing was entered.
        LedgerError: the ledger cannot be written now; the adapter stays in the store for the next try.
    """
    check_adapter(name, source)
    adapter = store.take_in(source, within=within)
    while True:
        state = book.model(model)
        meant = state.adapter(name)
        before = meant.digest if meant is not None else ""
        if before == adapter.digest:
            return Taken(weights=adapter, seq=None, before=before)
        entry = AdapterRegistered(adapter=name, digest=adapter.digest, size=adapter.size)
        try:
            receipt = book.append(Write(stream=f"model:{model}", expected=state.version, entries=(entry,), actor=actor))
        except VersionConflictError:
            continue  # somebody else entered something about this model
        return Taken(weights=adapter, seq=receipt.seqs[0], before=before)


def register(
    book: Book,
    store: WeightStore,
    model: str,
    version: str,
    source: Path,
    *,
    actor: str,
    within: Path | None = None,
    progress: Progress | None = None,
) -> Taken:
    """Take the weights in `source` into the store and enter what `version` means from now on.

    Nothing is entered for weights that could not be taken in; a crash in between leaves weights that no version names.

    Raises:
        WeightsError: the weights or the name cannot be used; nothing was entered.
        LedgerError: the ledger cannot be written now; the weights stay in the store for the next try.
    """
    check_version(version)
    weights = store.take_in(source, within=within, progress=progress)
    while True:
        state = book.model(model)
        meant = state.resolve(version)
        before = meant.digest if meant is not None else ""
        if before == weights.digest:
            return Taken(weights=weights, seq=None, before=before)
        entry = Registered(version=version, digest=weights.digest, size=weights.size)
        try:
            receipt = book.append(Write(stream=f"model:{model}", expected=state.version, entries=(entry,), actor=actor))
        except VersionConflictError:
            continue  # somebody else entered something about this model
        return Taken(weights=weights, seq=receipt.seqs[0], before=before)

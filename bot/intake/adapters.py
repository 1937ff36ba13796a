"""A wish for an adapter, said in one plain sentence: "load adapter legal-tone on fraud-detector in dev".

The sentence has one order of words in each language and nothing beside it but politeness, so that a question about
adapters, or a sentence that only speaks of one, never becomes a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ledger.nouns import AdapterForm
from ledger.streams.model import Adaptation, Model
from policies.catalogue import Catalogue
from policies.serving import ModelItem

_LOAD: Final = r"load|attach|lade|charge[rz]?|cargar?|carga"
_UNLOAD: Final = r"unload|detach|remove|entlade|entferne|décharge[rz]?|retire[rz]?|enlève|descargar?|quita|retira"
_LAST: Final = r"(?P<loads>laden)|entladen|entfernen"
_KIND: Final = r"(?:lora[ -])?(?:adapter|adaptateur|adaptador)"
_THE: Final = r"(?:(?:the|our|my|den|unseren|le|el) |l['’])?"
_TO: Final = r"(?:on|onto|to|from|for|auf|von|für|sur|de|du|à|en|a|al|del)"
_AT: Final = r"(?:in|on|auf|im|en|dans|sur) (?:(?:the|der|dem|la|el) )?"
_POLITE: Final = (
    r"(?:please|bitte|por favor|s['’]il (?:te|vous) plaît|hi|hey|hallo|bonjour|hola|can you|could you)[,:]? "
)
_REST: Final = rf"(?P<adapter>\S+) {_TO} (?P<model>.+?)(?: {_AT}(?P<place>\S+))?"
_THANKS: Final = r"(?:,? (?:please|bitte|por favor|s['’]il (?:te|vous) plaît|thanks|danke|merci|gracias))?[ .!?]*"
_FIRST: Final = re.compile(
    rf"(?:{_POLITE})*(?:(?P<loads>{_LOAD})|{_UNLOAD}) {_THE}{_KIND} {_REST}{_THANKS}", re.IGNORECASE
)
_LAST_WORD: Final = re.compile(rf"(?:{_POLITE})*{_THE}{_KIND} {_REST} (?:bitte )?(?:{_LAST}){_THANKS}", re.IGNORECASE)


def adapter_wish(text: str, catalogue: Catalogue) -> AdapterForm | str | None:
    """Return the exact form of a wish for an adapter, a sentence saying why there is none, or None for any other text."""
    plain = " ".join(re.sub(r"<@[^>]*>", " ", text).split())
    found = _FIRST.fullmatch(plain) or _LAST_WORD.fullmatch(plain)
    if found is None:
        return None
    model = _named(found["model"], {item.name: item.aliases for item in catalogue.models.values()})
    if model is None:
        return f"I know no model {_shown(found['model'])}. There are: {', '.join(catalogue.models)}."
    place = _named(found["place"] or "", catalogue.environments)
    if place is None:
        return f"Say where, in {' or '.join(catalogue.environments)}: `load adapter NAME on {model} in dev`."
    return adapter_form(catalogue.models[model], place, found["adapter"], load=bool(found["loads"]))


def adapter_form(item: ModelItem, place: str, adapter: str, *, load: bool) -> AdapterForm | str:
    """Return the form that loads or unloads an adapter, with what its name means now, or a sentence saying why there is none."""
    return _loading(item, place, adapter) if load else _unloading(item, place, adapter)


def _loading(item: ModelItem, place: str, adapter: str) -> AdapterForm | str:
    if item.serving is None or item.known is None or not item.serving.adapters:
        return f"{item.name} takes no adapters. Whoever owns the catalogue can allow them: `adapters = true`."
    known = item.known.adapter(adapter)
    if known is None:
        return _unknown(item, adapter)
    routing = item.known.routing(place)
    if routing is None:
        return f"Nothing answers for {item.name} in {place} yet that an adapter could stand beside. Deploy a version first."
    if routing.whole is None:
        return f"Several versions of {item.name} share the calls in {place}. Ask again once one answers them all."
    base = routing.whole.digest
    there = next((each for each in item.known.loaded(place, base) if each.adapter == adapter), None)
    if there is not None:
        anew = "" if there.digest == known.digest else " It means other bytes by now: unload it first."
        return f"{adapter} is loaded on {item.name} in {place} already.{anew}"
    return _form(item, place, adapter, known.digest, base, load=True)


def _unloading(item: ModelItem, place: str, adapter: str) -> AdapterForm | str:
    there = _standing(item.known, place) if item.known is not None else ()
    found = next((each for each in there if each.adapter == adapter), None)
    if found is None:
        named = ", ".join(each.adapter for each in there) or "none"
        return f"{_shown(adapter)} is not loaded on {item.name} in {place}. Loaded there: {named}."
    return _form(item, place, adapter, found.digest, found.base, load=False)


def _standing(model: Model, place: str) -> tuple[Adaptation, ...]:
    routing = model.routing(place)
    shares = routing.shares if routing is not None else ()
    return tuple(each for share in shares for each in model.loaded(place, share.digest))


def _form(item: ModelItem, place: str, adapter: str, digest: str, base: str, *, load: bool) -> AdapterForm:
    resource = f"deploy:{item.name}@{place}"
    return AdapterForm(
        resource=resource, model=item.name, environment=place, adapter=adapter, digest=digest, base=base, load=load
    )


def _unknown(item: ModelItem, adapter: str) -> str:
    names = dict.fromkeys(each.version for each in item.known.adapters) if item.known is not None else {}
    there = f"There are: {', '.join(names)}." if names else "None is registered yet."
    return f"No adapter {_shown(adapter)} of {item.name} is registered. {there}"


def _named(said: str, known: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the one name that is meant by its own spelling or an alias, None for no other."""
    plain = said.strip("`\"'.,;!?").casefold()
    return next((name for name, also in known.items() if plain in {each.casefold() for each in (name, *also)}), None)


def _shown(said: str) -> str:
    """What was said, so short and plain that it can be said back."""
    return re.sub(r"[^\w.@+ -]", "", said)[:60] or "of that name"

"""Every word a rule may use, declared once: facts and their sources, units, seats, and what can be done to what.

Classes, resources and environments come from the catalogue, roles from the `g` rows. A word that is none of these is a
fault, and the nearest known word is named.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from policies.catalogue import Catalogue

FACTS: Final[Mapping[str, tuple[str, str]]] = {
    "gpus": ("form", "devices asked for, in total"),
    "duration_s": ("form", "length of the window, seconds; write it as hours or days"),
    "cost_minor": ("catalogue", "price of the whole window, cents; write it as cost, in whole units"),
    "held_gpus": ("ledger", "devices the person holds or is about to hold"),
    "open_requests": ("ledger", "requests of the person that wait for approval"),
    "added_s": ("ledger", "what an extension adds to the first window, seconds"),
    "level": ("catalogue", "sensitivity of the data, 0 open to 3 restricted"),
    "columns": ("form", "columns asked for; all of the data set's when none is named"),
    "tokens": ("form", "tokens that a key is for, prompts and answers together"),
    "versions_back": ("catalogue", "how far back: versions before the latest, or what answered before; 0 is newest"),
    "canary_percent": ("form", "share of the traffic, percent"),
    "replicas": ("form", "copies that serve"),
    "tests": ("ledger", "1 when these weights passed their evaluation"),
    "change_window_closed": ("calendar", "1 while changes are closed"),
    "breakglass": ("desk", "1 in a declared emergency, never from a form"),
    "self": ("ledger", "1 when the voter asked, or gains by it"),
    "service": ("engine", "1 when the subject is a program (svc:), not a person"),
}
"""Name of each fact, the source it comes from, and what it says."""

UNITS: Final[Mapping[str, tuple[str, int]]] = {
    "hours": ("duration_s", 3600),
    "days": ("duration_s", 86400),
    "cost": ("cost_minor", 100),
}
"""Words of the limit language over facts in smaller units, compared exactly."""

SEATS: Final = frozenset({"owner-lead", "dpo", "budget", "peer", "admin"})
MOST_IN_A_SEAT: Final = 5

_EVERYWHERE: Final = ("extend", "release", "withdraw", "revoke", "halt", "lift")
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "gpu": ("use", *_EVERYWHERE),
    "data": ("read", "write", *_EVERYWHERE),
    "deploy": ("deploy", "rollback", "promote", "adapt", *_EVERYWHERE),
    "endpoint": ("use", *_EVERYWHERE),
    "desk": ("export", "halt", "lift", "revert", "erase", "recover", "change"),
}
"""What can be done to each scheme of resources."""
EVERY_ACTION: Final = frozenset(action for known in ACTIONS.values() for action in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words that depend on the catalogue: `places` maps each class and resource to the schemes below it."""

    places: Mapping[str, frozenset[str]]
    owners: Mapping[str, frozenset[str]]
    """For each class and resource, the teams that own something in it."""

    def fits(self, place: str, action: str) -> bool:
        """Whether something in `place` has this action; `*` fits everywhere."""
        return action == "*" or any(action in ACTIONS[scheme] for scheme in self.places.get(place, ()))


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """Return the words of a catalogue: every class, every environment and every resource by name."""
    places: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    for resource in catalogue.resources():
        scheme, owner = resource.partition(":")[0], catalogue.owner(resource)
        for name in catalogue.classes(resource):
            places.setdefault(name, set()).add(scheme)
            owners.setdefault(name, set()).update({owner} if owner else ())
    for name, scheme in (
        ("class:any", "desk"),
        ("class:gpu", "gpu"),
        ("class:data", "data"),
        ("class:endpoint", "endpoint"),
    ):
        places.setdefault(name, {scheme})
    for name in catalogue.environments:
        places.setdefault(f"env:{name}", {"deploy"})
    return Vocabulary(
        places={name: frozenset(schemes) for name, schemes in places.items()},
        owners={name: frozenset(teams) for name, teams in owners.items()},
    )


def nearest_word(word: str, known: Iterable[str]) -> str:
    """Return what to do about an unknown word: the nearest known one, else all of them when they are few."""
    names = sorted(known)
    if found := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return f"Did you mean {found[0]}?"
    few = 24
    return f"Known: {', '.join(names[:few])}{' and more' if len(names) > few else ''}." if names else "None is known."

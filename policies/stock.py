"""What the ledger knows of the models that are served, put beside what the catalogue says of them."""

from __future__ import annotations

from dataclasses import replace

from ledger.book import Book
from ledger.streams.model import Model
from policies.catalogue import Catalogue
from policies.decide import Policy


class Stock:
    """Returns a policy whose served models have the versions of the ledger; the same one while neither moves.

    Whoever decides reads the versions of the streams first (`policies.grounds`), so that what a decision rests on
    cannot have moved when it is written.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._made: tuple[Policy, dict[str, Model], Policy] | None = None

    def of(self, policy: Policy) -> Policy:
        """Return `policy` with what the ledger knows now; itself when it serves no model."""
        served = [name for name, item in policy.catalogue.models.items() if item.serving is not None]
        if not served:
            return policy
        known = {name: self._book.model(name) for name in served}
        made = self._made
        if made is None or made[0] is not policy or _moved(made[1], known):
            made = self._made = (policy, known, policy.with_catalogue(stocked(policy.catalogue, known)))
        return made[2]


def stocked(catalogue: Catalogue, known: dict[str, Model]) -> Catalogue:
    """Return the catalogue with the versions of these models."""
    filled = {
        name: replace(item, known=known[name], versions=known[name].versions, latest=known[name].latest)
        if name in known
        else item
        for name, item in catalogue.models.items()
    }
    return replace(catalogue, models=filled)


def _moved(before: dict[str, Model], now: dict[str, Model]) -> bool:
    return any(before[name].version != now[name].version for name in now)

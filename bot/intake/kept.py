"""A value made once for an object and kept with it: catalogues and vocabularies are frozen and few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

_MOST: Final = 8

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """What `make` returned for the latest few objects, by identity; hashing a whole catalogue would cost more."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._kept: dict[int, tuple[K, V]] = {}

    def of(self, key: K) -> V:
        """Return the value of this very object. The object is kept alive with it, so that its identity stays its own."""
        found = self._kept.get(id(key))
        if found is None:
            if len(self._kept) >= _MOST:
                self._kept.pop(next(iter(self._kept)), None)
            found = self._kept[id(key)] = (key, self._make(key))
        return found[1]

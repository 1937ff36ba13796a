"""Who has which role where: a closure computed once, in place of Casbin's role manager, which is quadratic."""

from __future__ import annotations

from collections.abc import Iterable

from policies.errors import PolicyError
from policies.rows import FILE, Link


class RoleClosure:
    """Answers `has_link(member, role, team)`; a `*` link counts in every team. Cycles are refused."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._direct: dict[str, list[tuple[str, str]]] = {}
        for link in links:
            self._direct.setdefault(link.member, []).append((link.role, link.team))
        self._all = {member: self._reach(member, ()) for member in self._direct}

    def _reach(self, member: str, path: tuple[str, ...]) -> frozenset[tuple[str, str]]:
        if member in path:
            raise PolicyError(FILE, member, f"roles go in a circle: {' > '.join((*path, member))}")
        found: set[tuple[str, str]] = set()
        for role, team in self._direct.get(member, ()):
            found.add((role, team))
            for above, where in self._reach(role, (*path, member)):
                if team == "*" or where in {"*", team}:
                    found.add((above, where if team == "*" else team))
        return frozenset(found)

    def has_link(self, member: str, role: str, *team: str) -> bool:
        """Whether `member` has `role` in `team`. A name that is itself a role never counts as having it."""
        held = self._all.get(member, frozenset())
        return (role, "*") in held or bool(team and (role, team[0]) in held)

    def teams(self, member: str) -> tuple[str, ...]:
        """Return the teams in which `member` has a role by name, in order of the file."""
        return tuple(dict.fromkeys(team for _, team in self._direct.get(member, ()) if team != "*"))

    def roles(self, member: str) -> tuple[tuple[str, str], ...]:
        """Return the (role, team) rows of `member`."""
        return tuple(self._direct.get(member, ()))

    def people(self) -> tuple[str, ...]:
        """Return every `user:` in the policy."""
        return tuple(member for member in self._direct if member.startswith("user:"))


class ClassLinks:
    """Answers `has_link(resource, class)` from the catalogue: what generated g2 rows would say."""

    def __init__(self, classes: dict[str, frozenset[str]]) -> None:
        self._classes = classes

    def has_link(self, resource: str, wanted: str, *_: str) -> bool:
        """Whether `resource` belongs to `wanted`."""
        return wanted in self._classes.get(resource, frozenset())

"""Who has which role where: a closure computed once, in place of Casbin's role manager, which is quadratic."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from policies.errors import PolicyError
from policies.rows import FILE, Link


class RoleClosure:
    """Answers `has_link(member, role, team)`; a `*` link counts in every team.

    Raises:
        PolicyError: roles go in a circle.
    """

    def __init__(self, links: Iterable[Link]) -> None:
        self._direct: dict[str, list[tuple[str, str]]] = {}
        for link in links:
            self._direct.setdefault(link.member, []).append((link.role, link.team))
        self._all: dict[str, frozenset[tuple[str, str]]] = {}
        for member in _roles_first(self._direct):
            self._all[member] = self._reach(member)
        self._people = tuple(member for member in self._direct if member.startswith("user:"))

    def _reach(self, member: str) -> frozenset[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for role, team in self._direct.get(member, ()):
            found.add((role, team))
            for above, where in self._all.get(role, ()):
                if team == "*" or where in {"*", team}:
                    found.add((above, where if team == "*" else team))
        return frozenset(found)

    def has_link(self, member: str, role: str, *team: str) -> bool:
        """Whether `member` has `role` in `team`. A name that is itself a role never counts as having it."""
        held = self._all.get(member, frozenset())
        return (role, "*") in held or bool(team and (role, team[0]) in held)

    def held(self, member: str) -> frozenset[tuple[str, str]]:
        """Return every (role, team) of `member`, inherited ones too."""
        return self._all.get(member, frozenset())

    def teams(self, member: str) -> tuple[str, ...]:
        """Return the teams in which `member` has a role by name, in order of the file."""
        return tuple(dict.fromkeys(team for _, team in self._direct.get(member, ()) if team != "*"))

    def roles(self, member: str) -> tuple[tuple[str, str], ...]:
        """Return the (role, team) rows of `member`."""
        return tuple(self._direct.get(member, ()))

    def people(self) -> tuple[str, ...]:
        """Return every `user:` in the policy."""
        return self._people


def _roles_first(direct: dict[str, list[tuple[str, str]]]) -> tuple[str, ...]:
    graph = {member: [role for role, _ in roles] for member, roles in direct.items()}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        names = " > ".join(reversed(error.args[1]))
        raise PolicyError(FILE, names, "roles go in a circle; take one of these rows out") from error

"""Everything that gives access to the data sets now: our grants, each compared with what was granted, and side doors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ledger.nouns import Access
from workers.executors.base import Holding
from workers.executors.postgres import names
from workers.executors.postgres.doors import Door, side_doors, strange_role
from workers.executors.postgres.leases import Lease, read_leases
from workers.executors.postgres.roles import Membership, Role, grant_roles, memberships
from workers.executors.postgres.session import Session
from workers.executors.postgres.settings import PostgresSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one look saw: the grants that stand, and the doors beside them."""

    grants: tuple[Holding, ...]
    doors: tuple[Door, ...]

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """Everything that was seen."""
        return (*self.grants, *(door.holding for door in self.doors))


def survey(session: Session, settings: PostgresSettings, now: datetime) -> Survey:
    """Return everything that is held, read in one snapshot so that a grant in the making is not half seen."""
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        leases = read_leases(session, settings.house)
        roles = grant_roles(session, settings.house)
        members = memberships(session)
        doors = list(side_doors(session, settings, {role.name for role in roles}, members))
    ours = [(role, lease) for role in roles if (lease := _lease_of(role, leases)) is not None]
    explained = {role.id for role, _ in ours}
    strange = [strange_role(settings, role, members) for role in roles if role.id not in explained]
    return Survey(
        grants=tuple(_holding(settings, role, lease, members, now) for role, lease in ours), doors=(*strange, *doors)
    )


def _lease_of(role: Role, leases: dict[str, Lease]) -> Lease | None:
    """A mark can be copied to another role; the lease knows which role is meant."""
    lease = leases.get(role.mark.key) if role.mark is not None else None
    return lease if lease is not None and lease.role_id in {0, role.id} else None


def _holding(settings: PostgresSettings, role: Role, lease: Lease, members: list[Membership], now: datetime) -> Holding:
    columns = f" ({', '.join(lease.columns)})" if lease.columns else ""
    return Holding(
        key=lease.key,
        who=lease.who if lease.own_account else role.name,
        what=f"{lease.access} {lease.data_set}{columns}",
        wrong=" ".join(_wrong(settings, role, lease, members, now)),
        until=lease.not_after,
    )


def _wrong(
    settings: PostgresSettings, role: Role, lease: Lease, members: list[Membership], now: datetime
) -> Iterator[str]:
    """Yield a sentence for each thing that is not as granted."""
    if lease.ended:
        yield "It was taken back and its role is still there."
    else:
        yield from _wrong_limits(settings, role, lease, now)
    if role.mighty:
        yield "It has an attribute that no grant gives."
    if role.login and (lease.own_account or not lease.verifier):
        yield "It can log in and no password was shown."
    yield from _wrong_memberships(settings, role, lease, members)


def _wrong_limits(settings: PostgresSettings, role: Role, lease: Lease, now: datetime) -> Iterator[str]:
    """What a grant that runs may not exceed: its end, its sessions, and what its comment promises."""
    if now >= lease.not_after:
        yield "Its end has passed."
    mark = role.mark
    if mark is None or mark.generation != lease.generation or mark.not_after != lease.not_after:
        yield "Its comment does not say what its lease says."
    if role.until is None or role.until > lease.not_after or (mark is not None and role.until > mark.not_after):
        yield "Its login is valid beyond the end."
    if not 0 <= role.connections <= settings.connection_limit:
        yield "It may have more sessions than are allowed."


def _wrong_memberships(
    settings: PostgresSettings, role: Role, lease: Lease, members: list[Membership]
) -> Iterator[str]:
    wanted = set() if lease.ended else names.roles_for(
        settings.house, lease.data_set, Access(lease.access), lease.columns
    )  # fmt: skip
    holders = {lease.who} if lease.own_account and not lease.ended else set()
    up = [m for m in members if m.member == role.name]
    down = [m for m in members if m.role == role.name and m.member != settings.executor]
    extra = {m.role for m in up} - wanted
    strangers = {m.member for m in down} - holders
    if extra:
        yield f"It is also a member of {_listed(extra)}."
    if wanted - {m.role for m in up}:
        yield f"It is not a member of {_listed(wanted - {m.role for m in up})}."
    if strangers:
        yield f"It was handed on to {_listed(strangers)}."
    if holders - {m.member for m in down}:
        yield f"It is not with {_listed(holders)}."
    if any(not m.plain for m in (*up, *down)):
        yield "A membership can be assumed or handed on."


def _listed(found: Iterable[str]) -> str:
    return ", ".join(sorted(found))

"""A pool's devices as law: what there is, what is booked for which window, and who holds which device. Never twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device: `id` is its UUID or a stable name, `gpu_type` the catalogue's, `label` what people read (`gpu-04:0`)."""

    id: str
    gpu_type: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventoried(Entry):
    """What the pool holds from now on; `source` is `nvml` or `catalogue`."""

    kind: ClassVar[str] = "pool.inventoried"
    source: str
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked(Entry):
    """Capacity kept for a request: `count` devices of a type over [start, end)."""

    kind: ClassVar[str] = "pool.booked"
    request: int
    gpu_type: str
    count: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased(Entry):
    """These devices are the request's until it frees them."""

    kind: ClassVar[str] = "pool.leased"
    request: int
    devices: tuple[str, ...]
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed(Entry):
    """The request neither books nor holds anything any more."""

    kind: ClassVar[str] = "pool.freed"
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebooked(Entry):
    """The request keeps what it booked, and holds, to another end: later for an extension, sooner, or back again."""

    kind: ClassVar[str] = "pool.rebooked"
    request: int
    end: datetime


ENTRIES: Final = registry_of(Inventoried, Booked, Leased, Freed, Rebooked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Where a pool stands: its devices, the bookings by request, and the holder of each leased device."""

    version: int = 0
    source: str = ""
    devices: tuple[Device, ...] = ()
    bookings: tuple[Booked, ...] = ()
    leases: tuple[Leased, ...] = ()

    def booking(self, request: int) -> Booked | None:
        """Return what `request` has booked, if anything."""
        return next((b for b in self.bookings if b.request == request), None)

    def lease(self, request: int) -> Leased | None:
        """Return what `request` holds, if anything."""
        return next((lease for lease in self.leases if lease.request == request), None)

    def label(self, device: str) -> str:
        """Return what people call the device with this id."""
        return next((d.label for d in self.devices if d.id == device), device)

    def total(self, gpu_type: str) -> int:
        """Return how many devices of this type there are."""
        return sum(d.gpu_type == gpu_type for d in self.devices)

    def free_now(self, gpu_type: str) -> tuple[Device, ...]:
        """Return the devices of this type that nobody holds."""
        held = {device for lease in self.leases for device in lease.devices}
        return tuple(d for d in self.devices if d.gpu_type == gpu_type and d.id not in held)

    def bookable(self, gpu_type: str, start: datetime, end: datetime, *, ignoring: int | None = None) -> int:
        """Return how many devices of this type no booking or lease claims at any moment of [start, end)."""
        claims = [c for c in self._claims(gpu_type) if c.request != ignoring and c.start < end and start < c.end]
        moments = {start, *(c.start for c in claims if c.start > start)}
        worst = max((sum(c.count for c in claims if c.start <= at < c.end) for at in moments), default=0)
        return self.total(gpu_type) - worst

    def _claims(self, gpu_type: str) -> list[Booked]:
        """Every booking, and every lease that outlasts its booking, as intervals."""
        leased = {lease.request: lease for lease in self.leases}
        return [
            replace(b, end=max(b.end, leased[b.request].end)) if b.request in leased else b
            for b in self.bookings
            if b.gpu_type == gpu_type
        ]


def evolve(state: Pool | None, entry: Entry, place: Place) -> Pool:
    """Return the pool after `entry`, or raise UnlawfulError when it may not follow."""
    pool = state or Pool()
    if isinstance(entry, Inventoried):
        after = _inventoried(pool, entry)
    elif isinstance(entry, Booked):
        after = _booked(pool, entry)
    elif isinstance(entry, Leased):
        after = _leased(pool, entry)
    elif isinstance(entry, Freed):
        require(pool.booking(entry.request) is not None, f"request {entry.request} holds nothing here")
        after = replace(
            pool,
            bookings=tuple(b for b in pool.bookings if b.request != entry.request),
            leases=tuple(lease for lease in pool.leases if lease.request != entry.request),
        )
    elif isinstance(entry, Rebooked):
        after = _rebooked(pool, entry)
    else:
        refuse(f"{entry.kind} does not belong to a pool")
    return replace(after, version=place.version)


def _inventoried(pool: Pool, entry: Inventoried) -> Pool:
    ids = [d.id for d in entry.devices]
    require(len(ids) == len(set(ids)), "a device is listed twice")
    return replace(pool, source=entry.source, devices=entry.devices)


def _booked(pool: Pool, entry: Booked) -> Pool:
    require(entry.count > 0 and entry.start < entry.end, "a booking has devices and a window")
    require(pool.booking(entry.request) is None, f"request {entry.request} has booked already")
    free = pool.bookable(entry.gpu_type, entry.start, entry.end)
    require(entry.count <= free, f"only {free} of type {entry.gpu_type} are free in that window")
    return replace(pool, bookings=(*pool.bookings, entry))


def _rebooked(pool: Pool, entry: Rebooked) -> Pool:
    booking = pool.booking(entry.request)
    if booking is None:
        refuse(f"request {entry.request} has not booked")
    require(entry.end > booking.start, "a booking has a window")
    if entry.end > booking.end:
        free = pool.bookable(booking.gpu_type, booking.end, entry.end, ignoring=entry.request)
        require(booking.count <= free, f"only {free} of type {booking.gpu_type} are free in that window")
    moved = replace(booking, end=entry.end)
    return replace(
        pool,
        bookings=tuple(moved if each is booking else each for each in pool.bookings),
        leases=tuple(replace(each, end=entry.end) if each.request == entry.request else each for each in pool.leases),
    )


def _leased(pool: Pool, entry: Leased) -> Pool:
    booking = pool.booking(entry.request)
    require(booking is not None, f"request {entry.request} has not booked")
    require(pool.lease(entry.request) is None, f"request {entry.request} holds devices already")
    free = set() if booking is None else {d.id for d in pool.free_now(booking.gpu_type)}
    require(len(set(entry.devices)) == len(entry.devices), "a device is leased twice")
    require(booking is not None and len(entry.devices) == booking.count, "as many devices as were booked")
    require(set(entry.devices) <= free, "a device is not free")
    return replace(pool, leases=(*pool.leases, entry))

"""Which kills the crash table plays: each a victim, a step and an executor, in chains that are played one beside the other."""

from __future__ import annotations

from dataclasses import dataclass

from services import crash_longer, crash_shorter
from services.crash_postgres import PostgresSite
from services.crash_slurm import SlurmSite

START = ("taken-up", "before-dispatched", "after-dispatched", "before-ensure", "after-ensure")
LEASE = (*START, "before-started", "after-started")
CHANGE = (*START, "before-done", "after-done")
END = ("before-revoke", "after-revoke", "before-settled", "after-settled")
CLOCK = ("before-expired", "after-expired", *END)
SITES = (SlurmSite, PostgresSite)
"""The real backends that are killed too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Kill `victim` when a request of `scheme` comes to `step`."""

    victim: str
    step: str
    scheme: str

    @property
    def point(self) -> str:
        """The step by its label in the code, where the row names the verb too."""
        return self.step.split()[-1]

    @property
    def extends(self) -> bool:
        """Whether the victim dies of an extension."""
        return self.step in crash_longer.EVERY

    @property
    def shortens(self) -> bool:
        """Whether the victim dies of a sooner end."""
        return self.step.startswith(crash_shorter.VERB)

    @property
    def moves(self) -> bool:
        """Whether the victim dies of another end."""
        return self.extends or self.shortens


def chains(*, short: bool) -> list[list[Case]]:
    """Return the cases, those of a chain one after the other; `short` leaves out what only repeats another executor."""

    def of(victim, steps, scheme):
        return [Case(victim=victim, step=step, scheme=scheme) for step in steps]

    few = ("after-dispatched", "after-ensure", "after-revoke")
    each = (("gpu", LEASE + END), ("data", LEASE + END), ("deploy", CHANGE))
    workers = [of("worker child", steps, scheme) for scheme, steps in each]
    whole = [
        case
        for scheme, steps in each
        for case in of("worker", [s for s in steps if not short or s == few[scheme == "data"]], scheme)
    ]
    clock = [*of("clock", CLOCK, "gpu"), *of("clock", CLOCK if not short else CLOCK[3:4], "data")]
    desk = of(
        "desk",
        ("approve before-append", "approve after-append", "release before-append", "release after-append"),
        "gpu",
    )
    valkey = [case for scheme in ("gpu", "data") for case in of("Valkey", ("taken-up", *few, "after-started"), scheme)]
    return [*workers, whole, [*clock, *desk], valkey]


def site_chain(site, *, short: bool) -> list[Case]:
    """Return the kills of one real backend; `short` keeps one of each victim."""
    steps = {
        "worker child": (*site.starts, *site.ends),
        "worker": (*site.starts, *site.ends),
        "clock": site.ends,
        "backend": site.dies,
    }
    few = {
        "worker child": "after-ensure",
        "worker": "before-ensure",
        "clock": "after-revoke",
        "backend": "after-ensure",
    }
    return [
        Case(victim=victim, step=step, scheme=site.scheme)
        for victim, each in steps.items()
        for step in each
        if not short or step == few[victim]
    ]


def longer_chain(scheme, site=None, *, short: bool) -> list[Case]:
    """Return the kills around an extension; `short` keeps the one between the backend's answer and its entry."""
    own = {} if site is None else {"dies": site.dies_longer, "late": site.saves_late}
    cases = [
        Case(victim=victim, step=step, scheme=scheme)
        for victim, steps in crash_longer.kills(scheme, **own)
        for step in steps
    ]
    return [case for case in cases if not short or (case.victim, case.step) == ("worker child", "after-prolong")]


def shorter_chain(scheme, site=None) -> list[Case]:
    """Return the kills around a sooner end."""
    own = {} if site is None else {"dies": site.dies_longer, "late": site.saves_late}
    every = crash_shorter.kills_of(scheme, **own)
    return [Case(victim=victim, step=step, scheme=scheme) for victim, steps in every for step in steps]


def every_chain(*, short: bool) -> list[list[Case]]:
    """Return the chains of the whole table: the kills of each real backend come one after the other, as it is one."""
    moving = [[*longer_chain(scheme, short=False), *shorter_chain(scheme)] for scheme in ("gpu", "data")]
    of_sites = [
        [
            *site_chain(site, short=False),
            *longer_chain(site.scheme, site, short=False),
            *shorter_chain(site.scheme, site),
        ]
        for site in SITES
    ]
    return [*chains(short=short), *moving, *of_sites]

"""The streams of the house itself: the genesis entry, the people, the policy in force, and what auditors did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from ledger.nouns import Personal
from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require

MODES: Final = frozenset({"demo", "real"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Entry):
    """The first entry of a ledger: its random origin, the Slack workspace it serves, and whether it is `demo` or `real`."""

    kind: ClassVar[str] = "ledger.opened"
    origin: str
    mode: str
    workspace: str
    checkpoint_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile(Entry):
    """One file of a policy: its name, the SHA-256 of its bytes, and the bytes themselves beside the leaf."""

    name: str
    sha256: str
    text: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPublished(Entry):
    """The policy in force from now on: the digest that every decision must name, and the files behind it."""

    kind: ClassVar[str] = "policy.published"
    digest: str
    files: tuple[PolicyFile, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled(Entry):
    """A person got a random subject id; who it is stands beside the leaf."""

    kind: ClassVar[str] = "people.enrolled"
    subject: str
    slack: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Entry):
    """Somebody took evidence with them: entries start <= seq < stop, in `format`, with the digest of the file."""

    kind: ClassVar[str] = "audit.exported"
    by: str
    format: str
    start: int
    stop: int
    sha256: str


LEDGER_ENTRIES: Final = registry_of(Opened)
POLICY_ENTRIES: Final = registry_of(PolicyPublished)
PEOPLE_ENTRIES: Final = registry_of(Enrolled)
AUDIT_ENTRIES: Final = registry_of(Exported)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Which policy is in force, and since which entry."""

    version: int = 0
    digest: str = ""
    seq: int = -1
    files: tuple[PolicyFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everybody who has a subject id, by subject; a Slack id is None once erased."""

    version: int = 0
    slack_of: tuple[tuple[str, str | None], ...] = ()

    def subject(self, slack: str) -> str | None:
        """Return the subject of this Slack user, if enrolled."""
        return next((s for s, known in self.slack_of if known == slack), None)

    def slack(self, subject: str) -> str | None:
        """Return the Slack user behind a subject, if known and not erased."""
        return next((known for s, known in self.slack_of if s == subject), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How often evidence was taken."""

    version: int = 0
    exports: int = 0


def evolve_ledger(state: Opened | None, entry: Entry, place: Place) -> Opened:
    """Return the genesis entry; a ledger opens once, in one of two modes."""
    require(state is None, "a ledger is opened once")
    require(place.seq in {-1, 0}, "a ledger begins with its genesis entry")
    if not isinstance(entry, Opened):
        refuse(f"{entry.kind} does not open a ledger")
    require(entry.mode in MODES, "a ledger is demo or real")
    return entry


def evolve_policy(state: Policies | None, entry: Entry, place: Place) -> Policies:
    """Return the policy in force after `entry`."""
    before = state or Policies()
    if not isinstance(entry, PolicyPublished):
        refuse(f"{entry.kind} does not belong to the policy")
    require(entry.digest != before.digest, "this policy is in force already")
    return Policies(version=place.version, digest=entry.digest, seq=place.seq, files=entry.files)


def evolve_people(state: People | None, entry: Entry, place: Place) -> People:
    """Return who is known after `entry`: a subject id is given once, and to one person."""
    before = state or People()
    if not isinstance(entry, Enrolled):
        refuse(f"{entry.kind} does not belong to the people")
    require(entry.subject not in {s for s, _ in before.slack_of}, "that subject id is taken")
    known = entry.slack.value
    require(known is None or before.subject(known) is None, "that person has a subject id")
    return replace(before, version=place.version, slack_of=(*before.slack_of, (entry.subject, known)))


def evolve_audit(state: Audit | None, entry: Entry, place: Place) -> Audit:
    """Return the count of exports after `entry`."""
    before = state or Audit()
    if not isinstance(entry, Exported):
        refuse(f"{entry.kind} does not belong to the audit")
    require(entry.start <= entry.stop, "an export has a range")
    return Audit(version=place.version, exports=before.exports + 1)

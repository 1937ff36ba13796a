"""The rules' part of `make bench`, and Casbin as it is shipped: every row, its own role manager, no index."""

from __future__ import annotations

import logging
import random
import re
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import casbin

from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move
from ledger.nouns import GpuForm
from policies.decide import Policy
from policies.files import FILES, read_files
from policies.lint import lint
from policies.rows import Link, Rows
from policies.watch import PolicySource

RULES = Path(__file__).parents[2] / "policies"
STAGES = ("p", "p2", "p3")
UNITS = {"hours": ("duration_s", 3600), "days": ("duration_s", 86_400), "cost": ("cost_minor", 100)}
ACTIONS = ("use", "read", "write", "deploy", "rollback", "adapt", "export", "revoke")
SEATS = ("owner-lead", "dpo", "budget", "peer")
FORM = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=4, duration_s=10_800)
TOO_MANY = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=16, duration_s=259_200)
KNOWN: dict[str, int | str] = {"held_gpus": 0, "open_requests": 0}
FACTS = {"gpus": 4, "duration_s": 10_800, "cost_minor": 3_360, "held_gpus": 0, "open_requests": 0}
ROUNDS = 7


# -- Casbin as it is shipped ------------------------------------------------------------------------------------


def slow_within(facts: dict[str, int], limit: str, mode: str) -> bool:
    """The limit language once more, written without a look at the first: whole numbers, unit by unit."""
    for word, compare, number in re.findall(r"([a-z_]+)([<>=]+)(\d+)", limit):
        name, unit = UNITS.get(word, (word, 1))
        if name not in facts:
            if mode in {"allow", "auto"}:
                return False
            continue
        difference = facts[name] - int(number) * unit
        holds = {"<=": difference <= 0, ">=": difference >= 0, "==": difference == 0}
        if not {**holds, "<": difference < 0, ">": difference > 0}[compare]:
            return False
    return True


def stock(policy: Policy, teams: tuple[str, ...]) -> casbin.Enforcer:
    """A plain enforcer with every row, every link written out for `teams`, and a g2 row for each class."""
    logging.getLogger("casbin").setLevel(logging.ERROR)
    model = casbin.Model()
    model.load_model_from_text((RULES / "model.conf").read_text())
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("within", slow_within)
    for rule in policy.snapshot.rows.rules:
        model.add_policy("p", rule.stage, rule.values)
    for link in policy.snapshot.rows.links:
        for team in teams if link.team == "*" else (link.team,):
            model.add_policy("g", "g", [link.member, link.role, team])
    for resource in policy.catalogue.resources():
        for name in policy.catalogue.classes(resource):
            model.add_policy("g", "g2", [resource, name])
    enforcer.build_role_links()
    return enforcer


def ask_stock(enforcer: casbin.Enforcer, stage: str, request: list) -> tuple[bool, str]:
    """What Casbin says with all rows; the empty id when nothing matched. Programs are told by their prefix."""
    facts = {**request[4], "service": 0 if request[0].startswith("user:") else 1}
    request = [*request[:4], facts, *request[5:]]
    arguments = request if stage == "p" else [enforcer.new_enforce_context(stage[1:]), *request]
    allowed, explain = enforcer.enforce_ex(*arguments)
    return bool(allowed), explain[0] if explain else ""


def boundaries(policy: Policy) -> dict[str, list[int]]:
    """Each fact with the values around every limit that speaks of it."""
    found: dict[str, set[int]] = {"self": {0, 1}, "gpus": {1}}
    for rule in policy.snapshot.rows.rules:
        for word, number in re.findall(r"([a-z_]+)[<>=]+(\d+)", rule.limit):
            name, unit = UNITS.get(word, (word, 1))
            exact = int(number) * unit
            found.setdefault(name, set()).update({max(exact - 1, 0), exact, exact + 1})
    return {name: sorted(values) for name, values in found.items()}


def requests(policy: Policy, teams: tuple[str, ...], seed: str, count: int) -> Iterator[tuple[str, list, str]]:
    """Requests at random over who, where and what, with every fact at an edge of some limit or unknown."""
    dice, values = random.Random(seed), boundaries(policy)
    places = [*policy.catalogue.resources(), "gpu:nowhere", "data:nothing"]
    people = [*(f"user:{name}" for name in policy.people()), "user:U0NOBODY", "svc:worker", "svc:other"]
    for _ in range(count):
        facts = {name: dice.choice(options) for name, options in values.items() if dice.random() < 0.85}
        request = [dice.choice(people), dice.choice(teams), dice.choice(places), dice.choice(ACTIONS), facts]
        yield dice.choice(STAGES), request, dice.choice(SEATS)


def differences(policy: Policy, enforcer: casbin.Enforcer, teams: tuple[str, ...], seed: str, count: int) -> list:
    """Every request on which the two differ: effect and rule of ASK and VOTE, whether any NEED row matches."""
    found = []
    for stage, request, seat in requests(policy, teams, seed, count):
        if stage == "p2":
            ours, theirs = bool(policy.snapshot.every("p2", *request)), ask_stock(enforcer, "p2", request)[0]
        else:
            full = [*request, *([seat] if stage == "p3" else [])]
            ours, theirs = policy.snapshot.first(stage, *request, seat), ask_stock(enforcer, stage, full)
        if ours != theirs:
            found.append((stage, request, seat, ours, theirs))
    return found


# -- a house that grew ------------------------------------------------------------------------------------------

_TEAM_ROWS = (
    *(
        f"p, t{{n}}-gpu-{k}, role:{{r}}{k}, team:t{{n}}, class:gpu/shared, use, gpus<={k + 3} hours<=48, allow"
        for k in range(6)
    ),
    *(
        f"p, t{{n}}-data-{k}, role:{{r}}{k}, team:t{{n}}, class:data, read, level<={k % 4} days<={k + 9}, allow"
        for k in range(5)
    ),
    *(f"p, t{{n}}-dev-{k}, role:{{r}}{k}, team:t{{n}}, env:dev, deploy, replicas<={k + 1}, allow" for k in range(5)),
    *(
        f"p2, t{{n}}-need-{k}, *, team:t{{n}}, class:gpu, use, gpus>{k + 2} hours>{20 - k}, allow, owner-lead:1"
        for k in range(6)
    ),
    *(
        f"p2, t{{n}}-read-{k}, *, team:t{{n}}, class:data, read, level>={k} days>{20 - k}, allow, owner-lead:1"
        for k in range(4)
    ),
    *(
        f"p3, t{{n}}-peer-{k}, role:{{r}}{k}, team:t{{n}}, class:any, *, columns<={k + 1}, allow, peer"
        for k in range(4)
    ),
)
_PEOPLE = tuple(f"g, user:U{{n}}X{k}, role:{{r}}{k}, team:t{{n}}" for k in range(6))


def grown(count: int) -> str:
    """The shipped rules and as many teams of 30 rules each as make `count` rules; no bucket over 20 rows."""
    shipped = (RULES / "policy.csv").read_text()
    have = len(Policy.load(RULES).snapshot.rows.rules)
    rows = [row.format(n=n, r="grade-") for n in range(-(-(count - have) // len(_TEAM_ROWS))) for row in _TEAM_ROWS]
    people = [row.format(n=n, r="grade-") for n in range(-(-(count - have) // len(_TEAM_ROWS))) for row in _PEOPLE]
    return "\n".join([shipped, *rows[: count - have], *people, ""])


@cache
def house(count: int) -> Policy:
    """A policy of `count` rules."""
    return Policy.of({**read_files(RULES), "policy.csv": grown(count)})


def asked(policy: Policy) -> list[list]:
    """Twenty requests, each of another team of the house, over pools, data and deployments."""
    teams = sorted({rule.dom for rule in policy.snapshot.rows.rules if rule.dom != "*"}, key=lambda t: (len(t), t))
    step = max(len(teams) // 20, 1)
    places = (("gpu:h100-shared", "use"), ("data:claims_2024", "read"), ("deploy:fraud-detector@dev", "deploy"))
    found = []
    for place in range(20):
        team, (resource, action) = teams[place * step % len(teams)], places[place % 3]
        facts = {**FACTS, "level": 1, "replicas": 1}
        found.append([f"user:U{team.removeprefix('team:t')}X{place % 6}", team, resource, action, facts])
    return found


def median_of(work: Callable[[list], object], asks: list[list], rounds: int = ROUNDS) -> float:
    """The middle time, in seconds, of one question."""
    times = []
    for _ in range(rounds):
        for ask in asks:
            start = time.perf_counter()
            work(ask)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# -- the figures ------------------------------------------------------------------------------------------------


def growth(folder: Path) -> float:
    """p50 of an ASK at 50,000 rules over that at 100."""
    del folder
    small, large = house(100), house(50_000)
    pairs = []
    for _ in range(ROUNDS):
        few = median_of(lambda ask: small.snapshot.first("p", *ask), asked(small), 10)
        many = median_of(lambda ask: large.snapshot.first("p", *ask), asked(large), 10)
        pairs.append(many / few)
    return statistics.median(pairs)


def against_stock(folder: Path) -> float:
    """How many times faster than Casbin as shipped, both with 10,000 rules."""
    del folder
    policy = house(10_000)
    asks = asked(policy)[:6]
    enforcer = stock(policy, tuple({ask[1] for ask in asks}))
    ratios = []
    for _ in range(3):
        theirs = median_of(lambda ask: ask_stock(enforcer, "p", ask), asks, 1)
        ratios.append(theirs / median_of(lambda ask: policy.snapshot.first("p", *ask), asks, 30))
    return statistics.median(ratios)


def first_decision(folder: Path) -> float:
    """How many times sooner the first decision comes after a load with 4,000 people in one team."""
    del folder
    shipped = Policy.load(RULES)
    crowd = tuple(Link(line=0, member=f"user:C{n}", role="role:engineer", team="team:vision") for n in range(4_000))
    rows = Rows(rules=shipped.snapshot.rows.rules, links=(*shipped.snapshot.rows.links, *crowd))
    ask = ["user:C7", "team:vision", "gpu:h100-shared", "use", FACTS]
    crowded = Policy(shipped.snapshot, shipped.catalogue, "", {})
    ours = statistics.median(seconds(lambda: shipped.snapshot.with_rows(rows).first("p", *ask)) for _ in range(5))
    crowded.snapshot = shipped.snapshot.with_rows(rows)
    return seconds(lambda: ask_stock(stock(crowded, ("team:vision",)), "p", ask)) / ours


def unlike_stock(folder: Path) -> float:
    """On how many generated requests the answer differs from stock Casbin's: 100,000, or what a minute holds."""
    del folder
    policy, teams, found = Policy.load(RULES), ("team:vision", "team:platform", "team:none"), 0
    enforcer, end = stock(policy, teams), time.monotonic() + 60
    for turn in range(100):
        found += len(differences(policy, enforcer, teams, f"bench {turn}", 1_000))
        if time.monotonic() > end:
            break
    return float(found)


def lint_seconds(folder: Path) -> float:
    """Seconds to lint 50,000 rules, reading them included."""
    rules = _folder(folder / "lint", 50_000)
    return min(seconds(lambda: lint(rules)) for _ in range(3))


def seen(count: int) -> Callable[[Path], float]:
    """Milliseconds from a new policy.csv in place to the policy that it says."""

    def measure(folder: Path) -> float:
        rules = _folder(folder / f"seen-{count}", count)
        source, path, times = PolicySource(rules), rules / "policy.csv", []
        for turn in range(5):
            beside = rules / "beside"
            beside.write_text(f"{path.read_text()}# {turn}\n")
            beside.replace(path)
            before = source._policy
            times.append(seconds(source.current))
            assert source.current() is not before, source.error
        return statistics.median(times) * 1_000

    return measure


def why_not(folder: Path) -> float:
    """What a denial with its reason and its nearest request costs, in decisions that permit."""
    del folder
    policy = Policy.load(RULES)
    ratios = []
    for _ in range(ROUNDS):
        yes = median_of(lambda _: policy.decide("user:U01MIRA", FORM, KNOWN), [[]] * 200, 1)
        no = median_of(lambda _: policy.decide("user:U01MIRA", TOO_MANY, KNOWN), [[]] * 200, 1)
        near = median_of(lambda _: policy.nearest("user:U01MIRA", TOO_MANY, KNOWN), [[]] * 200, 1)
        ratios.append((no + near) / yes)
    return statistics.median(ratios)


def decisions(folder: Path) -> float:
    """How many decisions fit into one durable append: the rules must not be what people wait for."""
    policy, store, ratios = Policy.load(RULES), SqliteStore(folder / "decide"), []
    for turn in range(5):
        draft = Draft(id=f"{turn:032x}", kind="bench.said", v=1, actor="svc:bench", body={"n": turn})
        ours = median_of(lambda _: policy.decide("user:U01MIRA", FORM, KNOWN), [[]] * 20, 1)
        move = Move(stream="s", expected=ANY, drafts=(draft,))
        ratios.append(seconds(lambda move=move: store.append([move])) / ours)
    return statistics.median(ratios)


def _folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    for name in FILES:
        shutil.copy(RULES / name, folder / name)
    (folder / "policy.csv").write_text(grown(count))
    return folder


ROWS: tuple[tuple[str, Callable[[Path], float], str], ...] = (
    ("decisions in the time of one durable append", decisions, ">= 1"),
    ("a decision at 50,000 rules against 100 (cost, p50)", growth, "<= 1.5"),
    ("a decision at 10,000 rules against Casbin as shipped", against_stock, ">= 1000"),
    ("first decision with 4,000 people in a team, likewise", first_decision, ">= 50"),
    ("other answers than Casbin's, to 100,000 requests", unlike_stock, "0"),
    ("why not, with the nearest request, in decisions", why_not, "<= 4"),
    ("seconds to lint 50,000 rules", lint_seconds, "<= 2"),
    ("milliseconds until 1,000 new rules decide", seen(1_000), "<= 50"),
    ("milliseconds until 50,000 new rules decide", seen(50_000), "<= 1000"),
)

"""The whole story without a browser: every step is printed as it happens, and checked. Exit 0 only if all of it is true."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from bot.blocks.words import duration
from bot.crew import Crew
from bot.desk import Desk
from bot.errors import Reason, Refused
from bot.evidence import Wish, export
from bot.house import House, house_of
from bot.intake.forms import Understood, understand
from ledger.audit import verify_bundle, verify_store
from ledger.export.bundle import read_bundle
from ledger.nouns import GpuForm
from ledger.streams.request import Request, Status, Verdict
from policies.decide import Policy
from workers.app import build_room, take_inventories
from workers.embedded import Valkey
from workers.queue import nudger
from workers.settings import HouseSettings

MIRA, INES, TOMAS, ODILE = "U01MIRA", "U02INES", "U03TOMAS", "U05ODILE"
NAMES: Final = {MIRA: "Mira", INES: "Ines", TOMAS: "Tomas", ODILE: "Odile"}
WAIT_S: Final = 30.0


class PlayError(AssertionError):
    """Raised when a step of the story is not true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the story is played on."""

    house: House
    desk: Desk
    console: Console
    home: Path


def play(home: Path, console: Console) -> None:
    """Play the story in `home` and return only if every step of it was true; raises PlayError otherwise."""
    with _stage(home, console) as stage:
        _scene(stage, "A lead approves")
        running = _approved_by_a_lead(stage)
        _scene(stage, "A rule approves")
        _approved_by_rule(stage)
        _scene(stage, "The policy says no")
        _denied(stage)
        _scene(stage, "Handed back, and looked at")
        _released(stage, running)
        _scene(stage, "The auditor")
        _audited(stage)
    console.print("\n[bold green]All of it was true.[/]")


@contextmanager
def _stage(home: Path, console: Console) -> Iterator[Stage]:
    settings = HouseSettings(home=home, policies=home / "policies")
    house = house_of(settings, mode="demo", workspace="T0LOCAL")
    valkey = Valkey(home / "valkey")
    valkey.start()
    crew = Crew(home, settings.policies_folder, valkey.url, simulate=True)
    try:
        take_inventories(build_room(settings, simulate=True))
        crew.start("worker")
        crew.start("clock")
        desk = Desk(
            house.book, house.policy.current, nudger(valkey.url, house.book.requests.resource), house.book.clock
        )
        console.print(
            f"Ledger, Valkey, a Celery worker and the clock run in [bold]{escape(str(home))}[/]. No Slack yet."
        )
        yield Stage(house=house, desk=desk, console=console, home=home)
    finally:
        crew.stop()
        valkey.stop()


def _approved_by_a_lead(stage: Stage) -> int:
    request = _asks(stage, MIRA, "4 h100 for 3 hours so I can retrain churn")
    _true(stage, request.status is Status.WAITING, f"{request.name} waits: {_seats(stage, request)}")
    own = stage.desk.review(MIRA, request.number, request.form_digest, Verdict.APPROVE)
    _true(
        stage,
        isinstance(own, Refused) and own.reason is Reason.OWN_REQUEST,
        "Mira tries to approve it: refused, it is hers",
    )
    wrong = stage.desk.review(TOMAS, request.number, request.form_digest, Verdict.APPROVE)
    _true(stage, isinstance(wrong, Refused), "Tomas, lead of another team, tries: refused, not his seat")
    approved = stage.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)
    _says(stage, INES, "Approve")
    _true(stage, isinstance(approved, Request), f"{request.name} is approved by Ines ({_vote_rule(approved)})")
    running = _until(stage, request.number, Status.RUNNING)
    devices = ", ".join(running.receipt.devices) if running.receipt else ""
    end = f"{running.not_after:%H:%M} UTC" if running.not_after else ""
    _true(stage, len(running.devices) == 4, f"the worker started it on {devices} until {end} (simulated devices)")  # noqa: PLR2004
    return request.number


def _approved_by_rule(stage: Stage) -> None:
    tomas = _asks(stage, TOMAS, "2 h100 for 1 hour to profile the loader")
    rules = ", ".join(f"`{rule}`" for rule in tomas.decision.rules) if tomas.decision else ""
    _true(stage, tomas.decision is not None and tomas.decision.auto, f"nobody is asked: {rules}")
    running = _until(stage, tomas.number, Status.RUNNING)
    _true(stage, len(running.devices) == 2, f"{running.name} runs on {', '.join(running.devices)}")  # noqa: PLR2004
    _says(stage, TOMAS, "Release")
    stage.desk.release(TOMAS, tomas.number)
    _until(stage, tomas.number, Status.ENDED)


def _denied(stage: Stage) -> None:
    denied = _asks(stage, MIRA, "16 h100 for 3 days, sweep over the new embedder")
    _true(stage, denied.status is Status.DENIED, f"{denied.name} is denied. {denied.why}")
    nearest = stage.desk.preview(MIRA, denied.form).nearest
    passes = nearest is not None and isinstance(nearest.form, GpuForm) and nearest.form.gpus < 16  # noqa: PLR2004
    _true(stage, passes, f"the nearest request that passes: {nearest.label if nearest else 'none'}")


def _released(stage: Stage, number: int) -> None:
    _says(stage, MIRA, f"Release REQ-{number}")
    released = stage.desk.release(MIRA, number)
    _true(stage, isinstance(released, Request), f"REQ-{number} is released by Mira")
    ended = _until(stage, number, Status.ENDED)
    cost = _policy(stage).money(ended.usage.cost_minor) if ended.usage else ""
    free = len(stage.house.book.pool("h100-shared").free_now("h100-80gb"))
    _true(stage, ended.usage is not None, f"taken back and checked; {cost}")
    _true(stage, free == 16, f"{free} of 16 devices are free again")  # noqa: PLR2004


def _audited(stage: Stage) -> None:
    _says(stage, ODILE, "/qm export")
    subject = stage.desk.subject(ODILE)
    made = export(stage.house, ODILE, subject, Wish())
    if isinstance(made, Refused):
        raise PlayError(made.detail)
    _true(stage, made.verdict.sound and made.verdict.anchored, f"{made.entries} entries in {made.path.name}, verified")
    refused = export(stage.house, MIRA, stage.desk.subject(MIRA), Wish())
    _true(stage, isinstance(refused, Refused), "Mira tries to export: refused")
    whole = verify_store(stage.house.book.store, note=stage.house.checkpoint(), key=stage.house.signer.verifier_key)
    _true(stage, whole.sound, f"the database replays: {whole.size} entries, every one lawful")
    bundle = read_bundle(made.path)
    victim = bundle.entries[5]
    forged = replace(victim, data=victim.data.replace(b'"v":1', b'"v":2'))
    entries = (*bundle.entries[:5], forged, *bundle.entries[6:])
    found = verify_bundle(replace(bundle, entries=entries), key=stage.house.signer.verifier_key)
    _true(stage, found.bad == 5, f"one byte changed: found at entry {found.bad}, {found.fault}")  # noqa: PLR2004


# -- the same few moves everywhere -----------------------------------------------------------------------------------


def _asks(stage: Stage, slack: str, text: str) -> Request:
    _says(stage, slack, f"@quartermaster {text}")
    policy = _policy(stage)
    understood = understand(text, now=stage.house.book.clock(), catalogue=policy.catalogue, person=slack)
    if not isinstance(understood, Understood):
        raise PlayError(f"not understood: {text}")
    preview = stage.desk.preview(slack, understood.form)
    stage.console.print(
        f"   [dim]read back:[/] {escape(_plain(policy, understood))} [dim]{escape(preview.decision.why)}[/]"
    )
    request = stage.desk.submit(slack, understood.form, purpose=understood.purpose, said=text)
    if isinstance(request, Refused):
        raise PlayError(f"refused: {request.reason}")
    for kind, at, _, seq in request.history:
        stage.console.print(f"   [dim]entry {seq}[/] {kind} [dim]{at:%H:%M:%S} UTC[/]")
    return request


def _plain(policy: Policy, understood: Understood) -> str:
    form = understood.form
    if isinstance(form, GpuForm):
        label = policy.catalogue.gpu_types[form.gpu_type].label
        price = policy.money(policy.catalogue.price(form))
        return f"{form.gpus} × {label} for {duration(form.duration_s)}, {price}."
    return f"{form.action} {form.resource}."


def _until(stage: Stage, number: int, wanted: Status) -> Request:
    seen = len(_request(stage, number).history)
    deadline = time.monotonic() + WAIT_S
    while (request := _request(stage, number)).status is not wanted:
        if time.monotonic() > deadline:
            raise PlayError(f"REQ-{number} is {request.status}, expected {wanted}")
        time.sleep(0.02)
    for kind, at, actor, seq in request.history[seen:]:
        stage.console.print(f"   [dim]entry {seq}[/] {kind} [dim]{at:%H:%M:%S} UTC, {actor}[/]")
    return request


def _request(stage: Stage, number: int) -> Request:
    request = stage.house.book.request(number)
    if request is None:
        raise PlayError(f"there is no REQ-{number}")
    return request


def _policy(stage: Stage) -> Policy:
    return stage.house.policy.current()


def _seats(stage: Stage, request: Request) -> str:
    parts = []
    for seat, subjects in stage.desk.missing(request):
        names = [NAMES.get(stage.desk.slack(subject) or "", "somebody") for subject in subjects]
        parts.append(f"{seat.count} {seat.name} of {seat.team.removeprefix('team:')} ({' or '.join(names)})")
    return ", ".join(parts)


def _vote_rule(outcome: Request | Refused) -> str:
    return outcome.reviews[-1].rule if isinstance(outcome, Request) and outcome.reviews else ""


def _scene(stage: Stage, title: str) -> None:
    stage.console.print(f"\n[bold]{title}[/]")


def _says(stage: Stage, slack: str, words: str) -> None:
    stage.console.print(f" [cyan]{NAMES[slack]}[/]: {escape(words)}")


def _true(stage: Stage, holds: bool, words: str) -> None:
    mark = "[green]✓[/]" if holds else "[red]✗[/]"
    stage.console.print(f" {mark} {escape(words)}")
    if not holds:
        raise PlayError(words)

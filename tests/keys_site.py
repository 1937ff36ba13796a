"""The shipped rules with a model that is really served, and a world in which keys to it are granted."""

from __future__ import annotations

from dataclasses import replace

from conftest import INES, MIRA, RULES

from ledger.nouns import KeyForm
from ledger.streams.request import Request, Verdict
from policies.decide import Policy
from policies.files import read_files
from workers.backends import teams_of
from workers.endpoint import counters, keytable
from workers.endpoint.counters import Counters
from workers.endpoint.keys import TableKeys
from workers.endpoint.keytable import KeyTable
from workers.executors.endpoint_keys import EndpointKeys
from workers.hands import attend

LISTED = 'versions = ["3.1.0", "3.2.0", "3.2.1"]\nlatest = "3.2.1"\n'
SERVING = "[models.fraud-detector.serving]\ncontext = 8192\noutput = 1024\nbyte_level = true\n\n"
NEXT = "[models.churn-predictor]"
ADDRESS = "http://127.0.0.1:8440"


def catalogue_text(text, tokens=50_000_000):
    """The shipped catalogue, in which fraud-detector is served and vision may use so many tokens a month."""
    text = text.replace(LISTED, "").replace(NEXT, SERVING + NEXT)
    return text.replace('window = "month"\ncost = 6000', f'window = "month"\ncost = 6000\ntokens = {tokens}')


def served_policy(**rest):
    files = read_files(RULES)
    return Policy.of({**files, "catalogue.toml": catalogue_text(files["catalogue.toml"], **rest)})


def serve(world, folder, **rest):
    """Let keys be granted in a world; returns it with `keys`, `tokens` and the executor `minter`."""
    world.policy = served_policy(**rest)
    table = KeyTable(folder / keytable.FILE)
    world.tokens = Counters(folder / counters.FILE)
    world.minter = EndpointKeys(
        table,
        lambda: Counters(folder / counters.FILE),
        ADDRESS,
        lambda number: world.book.request(number).decision.team.removeprefix("team:"),
        teams=lambda: teams_of(world.policy.catalogue),
        clock=world.time,
    )
    world.keys = TableKeys(table, world.tokens, world.time)
    world.room = replace(world.room, executors={**world.room.executors, "endpoint": world.minter})
    world.over = lambda: (table.close(), world.tokens.close())
    return world


def ask_key(world, slack=MIRA, place="production", tokens=2_000_000, days=30, **rest):
    form = KeyForm(resource=f"endpoint:fraud-detector@{place}", tokens=tokens, duration_s=days * 86_400, **rest)
    outcome = world.desk.submit(slack, form, purpose="score claims", said="a key")
    assert isinstance(outcome, Request), outcome
    return outcome


def granted(world, **rest):
    request = ask_key(world, **rest)
    if request.open_seats:
        assert isinstance(world.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE), Request)
    attend(world.room, request.number)
    return world.now(request)

"""The world of `conftest` with a model that is really served: a keeper, an executor, the stand-in in place of vLLM."""

from __future__ import annotations

import functools
from datetime import timedelta

from conftest import INES, MIRA, RULES, make_world
from serving_site import SERVING, STANDIN, ServingSite

from ledger.book import Write, open_sqlite, utc_now
from ledger.nouns import DeployForm
from ledger.streams.model import Registered
from ledger.streams.request import Request, Verdict
from policies.catalogue import FILE, parse_catalogue
from policies.decide import Policy
from policies.stock import Stock
from workers.executors.vllm import VllmExecutor
from workers.hands import attend
from workers.room import alone_on
from workers.serving.record import Record

RAVI = "U08RAVI"
MODEL = "fraud-detector"
LISTED = 'versions = ["3.1.0", "3.2.0", "3.2.1"]\nlatest = "3.2.1"\n'
SERVED = f"[models.fraud-detector.serving]\ncontext = {SERVING.context}\noutput = {SERVING.output}\nkeep_s = 600\n"


class Wall:
    """The real time, which a test may set ahead."""

    ahead = timedelta()

    def __call__(self):
        return utc_now() + self.ahead

    def pass_time(self, **span):
        self.ahead += timedelta(**span)


def served_catalogue(more=""):
    """Return the shipped catalogue with a served model in it; `more` are further lines of its table."""
    text = (RULES / FILE).read_text()
    assert LISTED in text
    return parse_catalogue(text.replace(LISTED, "") + SERVED + more)


class ServedWorld:
    """Asks, approves and carries out; `until` ticks the keeper, which nudges the hands by itself."""

    def __init__(self, folder, *, ready_s=30.0, command=STANDIN, serving=SERVING, more=""):
        self.time = Wall()
        self.book = open_sqlite(folder / "ledger.sqlite3", clock=self.time)
        self.site = ServingSite(
            folder,
            ready_s=ready_s,
            record=Record(self.book),
            alone_on=functools.partial(alone_on, folder / "locks", patience_s=5),
        )
        self.site.command = command
        self.site.new_keeper()
        self.rules = Policy.load(RULES).with_catalogue(served_catalogue(more))
        self.stock = Stock(self.book)
        self.world = make_world(self.book, self.time, folder, self.rules)
        self.executor = VllmExecutor(self.site.folder, {MODEL: serving}.get, clock=self.time, ready_s=ready_s)
        self.world.room.executors["vllm"] = self.executor
        self.room, self.desk = self.world.room, self.world.desk
        self.site.nudge = self.attend

    def register(self, *versions, **folders):
        """Take versions in and register them: made up ones, or those of folders."""
        taken = {version: self.site.version(version) for version in versions}
        taken |= {version: self.site.store.take_in(folder).digest for version, folder in folders.items()}
        for version, digest in taken.items():
            entry = Registered(version=version, digest=digest, size=1)
            model = self.book.model(MODEL)
            self.book.append(Write(stream=f"model:{MODEL}", expected=model.version, entries=(entry,), actor="os:ops"))
        self.read()

    def read(self):
        """Let the policy know what the ledger knows by now."""
        self.world.policy = self.stock.of(self.rules)

    def attend(self, number):
        self.read()
        attend(self.room, number)

    def ask(self, version, environment="production", slack=MIRA, **rest):
        self.read()
        digest = self.book.model(MODEL).resolve(version).digest
        form = DeployForm(
            resource=f"deploy:{MODEL}@{environment}", model=MODEL, version=version, environment=environment,
            digest=digest, **rest,
        )  # fmt: skip
        outcome = self.desk.submit(slack, form, purpose="", said="")
        assert isinstance(outcome, Request), outcome
        return outcome

    def approve(self, request):
        """Let whoever is needed agree."""
        for slack in (INES, RAVI):
            outcome = self.desk.review(slack, request.number, request.form_digest, Verdict.APPROVE)
            assert isinstance(outcome, Request), outcome
        return self.now(request)

    def deploy(self, version, environment="production", **rest):
        """Ask, approve and carry out; return the request as it is over."""
        request = self.ask(version, environment, **rest)
        if environment == "production":
            request = self.approve(request)
        return self.finish(request)

    def finish(self, request, seconds=60):
        self.attend(request.number)
        self.site.until(lambda: self.now(request).final, seconds)
        return self.now(request)

    def now(self, request):
        return self.book.request(request.number)

    def answering(self, environment="production"):
        """What answers by the ledger: version and percent."""
        routing = self.book.model(MODEL).routing(environment)
        return [(share.version, share.percent) for share in routing.shares] if routing else []

    def routed(self, environment="production"):
        """What answers by the route table."""
        return [(share.version, share.percent) for share in self.executor.answering(f"deploy:{MODEL}@{environment}")]

    def close(self):
        self.site.close()
        self.book.store.close()

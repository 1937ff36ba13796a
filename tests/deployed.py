"""Models on disk and in a ledger, for tests: weights that can be taken in, and deployments from asking to done."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from ledger.book import Book, Write
from ledger.nouns import AdapterForm, Decision, DeployForm, Effect, Enforcement, Personal, Receipt, Seat, new_subject
from ledger.streams.codec import digest
from ledger.streams.house import Enrolled
from ledger.streams.model import Adapted, AdapterRegistered, Evaluated, Registered, Routed, Share
from ledger.streams.request import Approved, Decided, Dispatched, Done, Phase, Reviewed, Submitted, Verdict

SUITE = f"sha256:{'0' * 64}"
RECEIPT = Receipt(executor="vllm", enforcement=Enforcement.ENFORCED)
SEAT = Seat(name="owner-lead", count=1, team="team:platform")
SERVING = "\n[models.fraud-detector.serving]\ncontext = 8192\noutput = 1024\n"


def weights_of(text):
    """Return `sha256:` and 64 digits made of a letter."""
    return f"sha256:{text * 64}"


def write_weights(folder, text=b"weights"):
    """Write a model that can be taken into the store, and return its folder."""
    folder.mkdir(parents=True)
    head = json.dumps({"a": {"dtype": "U8", "shape": [len(text)], "data_offsets": [0, len(text)]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + text)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def serve(catalogue, model="fraud-detector"):
    """Return the text of a catalogue in which `model` is really served."""
    lines, inside = [], False
    for line in catalogue.splitlines():
        inside = line == f"[models.{model}]" if line.startswith("[") else inside
        if not (inside and line.startswith(("versions", "latest"))):
            lines.append(line)
    return "\n".join(lines) + SERVING.replace("fraud-detector", model)


@dataclass
class Deployed:
    """Enters what happens to one model as the desk, the hands and the keeper would."""

    book: Book
    model: str = "fraud-detector"
    asker: str = ""
    lead: str = ""

    def __post_init__(self):
        self.asker, self.lead = self.asker or self.enrol("U01MIRA"), self.lead or self.enrol("U08RAVI")

    def enrol(self, slack):
        subject = new_subject()
        self.enter("people", Enrolled(subject=subject, slack=Personal(slack)))
        return subject

    def write(self, stream, *entries, actor="svc:hands"):
        state = self.book.state(stream)
        return Write(stream=stream, expected=state.version if state else 0, entries=entries, actor=actor)

    def enter(self, stream, *entries, actor="svc:hands"):
        self.book.append(self.write(stream, *entries, actor=actor))

    def register(self, version, letter):
        entry = Registered(version=version, digest=weights_of(letter), size=988_097_824)
        self.enter(f"model:{self.model}", entry, actor="os:root")

    def form(self, version, environment="production", **more):
        found = self.book.model(self.model).resolve(version)
        resource = f"deploy:{self.model}@{environment}"
        known = {"version": found.version, "digest": found.digest} if found else {"version": version}
        return DeployForm(resource=resource, model=self.model, environment=environment, **(known | more))

    def register_adapter(self, name, letter):
        entry = AdapterRegistered(adapter=name, digest=weights_of(letter), size=4_196_000)
        self.enter(f"model:{self.model}", entry, actor="os:root")

    def adapter_form(self, name, base, environment="production", *, load=True):
        """An adapter beside the version `base`, by the digests that both mean now."""
        model = self.book.model(self.model)
        digests = {"digest": model.adapter(name).digest, "base": model.resolve(base).digest}
        where = {"resource": f"deploy:{self.model}@{environment}", "model": self.model, "environment": environment}
        return AdapterForm(adapter=name, load=load, **digests, **where)

    def adapted(self, number, **changes):
        """What is entered of a change of adapters that is being carried out."""
        form = self.book.request(number).form
        said = {"environment": form.environment, "adapter": form.adapter, "digest": form.digest, "base": form.base}
        return Adapted(**({"loaded": form.load, "request": number} | said | changes))

    def adapt(self, form):
        """The whole of it; returns the number of the request."""
        number = self.start(form)
        done = Done(generation=1, receipt=RECEIPT)
        self.book.append(self.write(f"model:{self.model}", self.adapted(number)), self.write(f"request:{number}", done))
        return number

    def start(self, form):
        """Ask, agree and dispatch; returns the number of the request."""
        number, form_digest = self.book.next_number(), digest(form)
        decision = Decision(effect=Effect.PERMIT, rules=("ask", "need"), seats=(SEAT,), policy="p" * 64)
        personal = {"purpose": Personal("better recall"), "said": Personal("deploy it")}
        submitted = Submitted(
            request=number, asker=self.asker, beneficiary=self.asker, form=form, form_digest=form_digest, **personal
        )
        stream = f"request:{number}"
        decided = Decided(phase=Phase.SUBMIT, form_digest=form_digest, decision=decision)
        self.enter(stream, submitted, decided, actor=self.asker)
        vote = {"form_digest": form_digest, "rule": "vote-lead", "reason": Personal("")}
        reviewed = Reviewed(reviewer=self.lead, seat=SEAT.name, verdict=Verdict.APPROVE, **vote)
        self.enter(stream, reviewed, Approved(form_digest=form_digest), actor=self.lead)
        rest = {"not_after": None, "executor": "vllm", "devices": ()}
        self.enter(stream, Dispatched(generation=1, grant_key="0" * 32, form_digest=form_digest, **rest))
        return number

    def evaluate(self, number, failed=0, cases=40):
        form = self.book.request(number).form
        figures = {"suite": SUITE, "p50_ms": 80, "p95_ms": 120, "tokens": 1280}
        where = {"digest": form.digest, "environment": form.environment, "request": number}
        self.enter(f"model:{form.model}", Evaluated(cases=cases, failed=failed, **figures, **where))

    def route(self, number, *shares, why=""):
        """Enter what answers now, and that the request is done."""
        form = self.book.request(number).form
        shares = shares or (Share(version=form.version, digest=form.digest, percent=100),)
        routed = Routed(environment=form.environment, shares=shares, request=number, why=why)
        done = Done(generation=1, receipt=RECEIPT)
        self.book.append(self.write(f"model:{form.model}", routed), self.write(f"request:{number}", done))

    def deploy(self, version, environment="production", *shares, **more):
        """The whole of it; returns the number of the request."""
        number = self.start(self.form(version, environment, **more))
        self.evaluate(number)
        self.route(number, *shares)
        return number

    def share(self, version, percent):
        found = self.book.model(self.model).resolve(version)
        return Share(version=version, digest=found.digest, percent=percent)

"""An adapter from the sentence to the callers: asked for, agreed to, loaded, entered, found beside the door, taken away."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from conftest import INES, KOFI, MIRA
from served_world import MODEL, RAVI, ServedWorld
from serving_site import SERVING, tensors

from bot.blocks.deployment import deployment_facts, loaded_words
from bot.intake.forms import Other, Understood, understand
from ledger.audit import verify_store
from ledger.nouns import RevertForm
from ledger.streams.model import short
from ledger.streams.request import Request, Status, Verdict
from ledger.streams.watch import Fault
from policies.decide import Policy
from policies.rows import Rows
from workers.models.registering import register_adapter
from workers.reconcile import reconcile
from workers.revert import RevertExecutor
from workers.serving.adapters import AdapterOrders
from workers.serving.record import Record

TONE = f"{MODEL}:legal-tone@dev"
WITH = replace(SERVING, adapters=True)


class AdapterWorld(ServedWorld):
    def __init__(self, folder):
        super().__init__(folder, serving=WITH, more="adapters = true\n")
        self.folder = folder

    def add(self, name="legal-tone", seed="tone", rank=8):
        source = self.folder / "adapters" / seed
        source.mkdir(parents=True, exist_ok=True)
        (source / "adapter_model.safetensors").write_bytes(tensors(seed))
        (source / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
        return register_adapter(self.book, self.site.store, MODEL, name, source, actor="os:ops").weights.digest

    def hear(self, text):
        self.read()
        return understand(text, now=self.time(), catalogue=self.world.policy.catalogue)

    def say(self, text, slack=MIRA):
        """Ask in a sentence, and return the request."""
        heard = self.hear(text)
        assert isinstance(heard, Understood), heard
        outcome = self.desk.submit(slack, heard.form, purpose="", said=text)
        assert isinstance(outcome, Request), outcome
        return outcome

    def load(self, name="legal-tone", environment="dev"):
        return self.finish(self.say(f"load adapter {name} on {MODEL} in {environment}"))

    def unload(self, name="legal-tone", environment="dev"):
        return self.finish(self.say(f"unload adapter {name} from {MODEL} in {environment}"))

    def loaded(self, environment="dev"):
        return loaded_words(self.book.model(MODEL), environment)

    def smuggle(self, name="smuggled"):
        """Load an adapter with the server's own key, past the desk."""
        (server,) = self.site.alive()
        path = str(self.site.store.load(self.add("other", "other")).path)
        headers = {"authorization": f"Bearer {server.key}"}
        body = {"lora_name": name, "lora_path": path, "load_inplace": True}
        httpx.post(f"{server.url}/v1/load_lora_adapter", json=body, headers=headers).raise_for_status()

    def scan(self):
        return reconcile(self.room, self.executor, pause_s=0).findings


@pytest.fixture
def served(tmp_path):
    made = AdapterWorld(tmp_path)
    made.site.evaluation({"id": "a", "prompt": "hi", "checks": [{"lacks": "\x01"}]})
    made.register("3.2.0", "3.2.1")
    made.deploy("3.2.0", "dev")
    made.digest = made.add()
    yield made
    assert verify_store(made.book.store).sound
    made.close()


def test_an_adapter_is_asked_for_loaded_and_entered_with_the_end_of_its_request(served):
    request = served.load()
    assert request.status is Status.DONE, request.why
    assert request.receipt.note == "legal-tone answers in dev as fraud-detector:legal-tone."
    assert served.loaded() == f"legal-tone `{short(served.digest)}`"
    entries = [entry.kind for entry in served.book.store.scan()]
    assert entries[-2:] == ["model.adapted", "request.done"]
    (row,) = served.site.rows(TONE)
    assert served.site.ask(row)["choices"]
    assert served.scan() == ()


def test_an_adapter_is_unloaded_by_a_request_of_its_own(served):
    served.load()
    request = served.unload()
    assert request.status is Status.DONE, request.why
    assert request.receipt.note == "legal-tone does not answer in dev any more."
    assert served.loaded() == "no adapter"
    served.site.until(lambda: TONE not in served.site.table().routes)


def test_production_needs_the_lead_and_a_peer_and_staging_the_lead(served):
    served.deploy("3.2.0", "staging")
    request = served.say(f"load adapter legal-tone on {MODEL} in staging")
    assert [(seat.name, seat.count) for seat in request.decision.seats] == [("owner-lead", 1)]
    served.deploy("3.2.0", "production")
    request = served.say(f"load adapter legal-tone on {MODEL} in production")
    assert sorted((seat.name, seat.count) for seat in request.decision.seats) == [("owner-lead", 1), ("peer", 1)]
    served.attend(request.number)
    served.site.keeper.tick()
    assert "fraud-detector:legal-tone@production" not in served.site.table().routes
    assert served.finish(served.approve(request)).status is Status.DONE


def test_while_changes_are_closed_an_adapter_is_no_more_changed_in_production_than_a_version(served):
    served.deploy("3.2.0", "production")
    form = served.hear(f"load adapter legal-tone on {MODEL} in production").form
    policy = served.world.policy
    rows = policy.snapshot.rows
    closed = tuple(replace(each, limit=each.limit.replace("change_window_closed==1 ", "")) for each in rows.rules)
    shut = Policy(policy.snapshot.with_rows(Rows(rules=closed, links=rows.links)), policy.catalogue, "x", {})
    facts = {"held_gpus": 0, "open_requests": 0}
    assert policy.decide(f"user:{MIRA}", form, facts).permitted
    refused = shut.decide(f"user:{MIRA}", form, facts)
    assert (refused.permitted, refused.rules) == (False, ("no-change-window-adapt",))


def test_approvers_see_the_digests_of_the_adapter_and_of_the_version_beside_it(served):
    form = served.hear(f"load adapter legal-tone on {MODEL} in dev").form
    base = served.book.model(MODEL).resolve("3.2.0").digest
    voice = SimpleNamespace(policy=served.world.policy)
    assert deployment_facts(form, voice) == [
        ("Adapter", f"`{short(served.digest)}`"),
        ("Beside", f"3.2.0 `{short(base)}`"),
    ]


def test_the_card_of_a_version_says_which_adapters_it_will_not_have(served):
    served.load()
    form = served.ask("3.2.1", "dev").form
    served.read()
    facts = dict(deployment_facts(form, SimpleNamespace(policy=served.world.policy)))
    assert facts["Adapters"] == "without legal-tone until asked for again"


def test_what_was_asked_for_keeps_its_digest_when_the_name_is_registered_anew(served):
    request = served.say(f"load adapter legal-tone on {MODEL} in dev")
    served.add(seed="newer")
    assert served.finish(request).status is Status.DONE
    assert served.loaded() == f"legal-tone `{short(served.digest)}`"


def test_an_adapter_that_the_server_refuses_fails_in_words_and_is_not_loaded(served):
    served.add("broad", "broad", rank=64)
    request = served.load("broad")
    assert request.status is Status.FAILED
    assert request.why == "Its rank is higher than the servers of this model allow (--max-lora-rank)."
    assert served.loaded() == "no adapter"
    assert served.scan() == ()


def test_two_who_ask_for_the_same_adapter_get_it_once(served):
    first, second = (served.say(f"load adapter legal-tone on {MODEL} in dev") for _ in range(2))
    assert served.finish(first).status is Status.DONE
    assert served.finish(second).status is Status.FAILED
    assert served.now(second).why.startswith("legal-tone is loaded there already")


def test_an_adapter_for_a_version_that_was_replaced_meanwhile_is_refused(served):
    request = served.say(f"load adapter legal-tone on {MODEL} in dev")
    served.deploy("3.2.1", "dev")
    assert served.finish(request).status is Status.FAILED
    assert "does not answer in dev any more" in served.now(request).why


def test_a_server_that_dies_while_an_adapter_is_asked_for_has_it_in_the_end(served):
    for server in served.site.alive():
        os.kill(server.pid, signal.SIGKILL)
    assert served.load().status is Status.DONE
    served.site.until(lambda: served.site.rows(TONE))


def test_an_adapter_that_nobody_approved_is_found_and_taken_away_by_request(served):
    served.load()
    served.smuggle()
    (finding,) = served.scan()
    assert finding.fault is Fault.UNEXPLAINED
    assert finding.what.value == "adapter smuggled on fraud-detector 3.2.0 in dev"
    assert served.scan() == (finding,)
    served.room.executors["desk"] = RevertExecutor(lambda: served.room)
    form = RevertForm(resource="desk:revert", backend="vllm", finding=finding.finding)
    request = served.desk.submit(MIRA, form, purpose="", said="")
    if not isinstance(request, Request) or request.status is Status.DENIED:
        request = served.desk.submit(KOFI, form, purpose="", said="")
    for slack in ("U07ADA", INES, RAVI):
        if served.now(request).status is Status.WAITING:
            served.desk.review(slack, request.number, request.form_digest, Verdict.APPROVE)
    served.attend(request.number)
    assert served.now(request).status is Status.DONE, served.now(request).why
    assert served.scan() == ()
    assert [row.served for row in served.site.rows(TONE)] == [f"legal-tone@{short(served.digest)}"]


def test_another_adapter_under_an_approved_name_is_found(served):
    served.load()
    served.smuggle(f"legal-tone@{short(served.digest)}")
    (finding,) = served.scan()
    assert finding.fault is Fault.UNEXPLAINED


def test_an_adapter_that_was_lost_is_entered_once_and_asked_for_again_says_why(served):
    served.load()
    file = served.site.store.load(served.digest).path / "adapter_model.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    for server in served.site.alive():
        os.kill(server.pid, signal.SIGKILL)
    served.site.until(lambda: served.book.model(MODEL).drifts)
    (drift,) = served.book.model(MODEL).drifts
    assert (drift.figure, drift.expected, drift.seen, drift.environment) == ("adapter:legal-tone", 1, 0, "dev")
    for _ in range(3):
        served.site.ahead += 1000
        served.site.keeper.tick()
    assert [entry.kind for entry in served.book.store.scan()].count("model.drifted") == 1
    assert served.unload().status is Status.DONE
    served.site.until(lambda: not served.book.model(MODEL).drifts)
    again = served.load()
    assert again.status is Status.FAILED
    assert again.why.startswith("The adapter cannot be used: adapter_model.safetensors of sha256:")


def test_a_loss_that_was_entered_and_not_noted_is_not_entered_again(served):
    served.load()
    record, line = Record(served.book), AdapterOrders(served.site.folder).orders()[0].line
    record.adapter_back(line, "legal-tone", 1)
    for _ in range(2):
        record.adapter_lost(line, "legal-tone", 1, 0)
    for _ in range(2):
        record.adapter_back(line, "legal-tone", 1)
    kinds = [entry.kind for entry in served.book.store.scan()]
    assert (kinds.count("model.drifted"), kinds.count("model.recovered")) == (1, 1)


WORDS = {
    f"load adapter tone on {MODEL} in dev": "No adapter tone of fraud-detector is registered. There are: legal-tone.",
    "load adapter legal-tone on nothing in dev": "I know no model nothing.",
    f"load adapter legal-tone on {MODEL}": "Say where, in dev or staging or production",
    f"load adapter legal-tone on {MODEL} in staging": "Nothing answers for fraud-detector in staging yet",
    f"unload adapter legal-tone from {MODEL} in dev": "legal-tone is not loaded on fraud-detector in dev. Loaded there: none.",
}


@pytest.mark.parametrize("text", WORDS)
def test_what_cannot_be_is_said_in_words_before_anything_is_sent(served, text):
    heard = served.hear(text)
    assert isinstance(heard, Other)
    assert heard.words.startswith(WORDS[text])


def test_an_adapter_that_is_loaded_is_not_asked_for_again(served):
    served.load()
    heard = served.hear(f"load adapter legal-tone on {MODEL} in dev")
    assert heard.words == "legal-tone is loaded on fraud-detector in dev already."


def test_adapters_are_for_models_whose_catalogue_allows_them(served, tmp_path):
    plain = ServedWorld(tmp_path / "plain")
    plain.register("3.2.0")
    form = served.hear(f"load adapter legal-tone on {MODEL} in dev").form
    heard = understand(f"load adapter x on {MODEL} in dev", now=plain.time(), catalogue=plain.world.policy.catalogue)
    assert heard.words.startswith("fraud-detector takes no adapters.")
    assert served.world.policy.catalogue.knows(form)
    item = served.world.policy.catalogue.models[MODEL]
    closed = replace(item, serving=SERVING)
    assert (closed.adapts(form), closed.adapts(replace(form, load=False))) == (False, True)
    assert not item.adapts(replace(form, digest=form.base))
    assert not item.adapts(replace(form, base=form.digest))
    plain.close()

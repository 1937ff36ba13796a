"""`quartermaster models`: what is added is registered, what is listed is so, and what ran verifies offline."""

from __future__ import annotations

import base64
import json
import zipfile
from datetime import timedelta

import pytest
from conftest import RULES, Hand
from deployed import Deployed, serve, write_weights
from typer.testing import CliRunner

from bot.house import open_house
from ledger.book import Book, open_sqlite, utc_now
from ledger.cli import app as ledger_app
from ledger.log.merkle import verify_inclusion
from policies.decide import FILES
from workers.models.cli import app
from workers.models.errors import WeightsError


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    (home / "policies").mkdir(parents=True)
    for name in FILES:
        text = (RULES / name).read_text()
        (home / "policies" / name).write_text(serve(text) if name == "catalogue.toml" else text)
    open_house(home, home / "policies", home / "ledger.sqlite3", mode="demo", workspace="T0").book.store.close()
    return home


@pytest.fixture
def run(home):
    def run(*arguments, fails=0):
        found = CliRunner().invoke(app, [*arguments, "--dir", str(home)], env={"COLUMNS": "200"})
        if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == fails, found.output
        return " ".join(found.output.split())

    return run


@pytest.fixture
def book(home):
    book: Book = open_sqlite(home / "ledger.sqlite3")
    yield book
    book.store.close()


def test_a_version_is_added_listed_and_shown(run, book, tmp_path):
    folder = write_weights(tmp_path / "one")
    (folder / "run.py").write_text("")
    said = run("add", "fraud-detector", "3.2.1", str(folder))
    model = book.model("fraud-detector")
    digest = model.resolve("3.2.1").digest
    assert "fraud-detector 3.2.1 is registered: ledger entry" in said
    assert digest in said
    assert "Left out: run.py" in said
    assert model.resolve("latest").version == "3.2.1"
    assert digest[7:19] in run("list")
    assert digest in run("show", "fraud-detector")
    (row,) = json.loads(run("list", "--json"))
    assert (row["digest"], row["evaluation"], row["answers_in"]) == (digest, None, {})


def test_the_same_weights_again_enter_nothing_and_others_replace_them(run, book, tmp_path):
    run("add", "fraud-detector", "3.2.1", str(write_weights(tmp_path / "one")))
    assert "Nothing was entered" in run("add", "fraud-detector", "3.2.1", str(tmp_path / "one"))
    first = book.model("fraud-detector").resolve("3.2.1").digest
    said = run("add", "fraud-detector", "3.2.1", str(write_weights(tmp_path / "two", b"other")))
    assert f"Until now it meant {first[7:19]}" in said
    assert len(book.model("fraud-detector").registered) == 2


@pytest.mark.parametrize(
    ("model", "version", "why"),
    [
        ("nobody", "1", "serves no model nobody. It serves: fraud-detector"),
        ("churn-predictor", "1", "serves no model churn-predictor"),
        ("fraud-detector", "latest", "that word means the newest one"),
        ("fraud-detector", "a b", "is no name of a version"),
    ],
)
def test_what_cannot_be_added_is_said_before_anything_is_copied(run, home, tmp_path, model, version, why):
    with pytest.raises(WeightsError, match=why):
        run("add", model, version, str(write_weights(tmp_path / "one")))
    assert not (home / "models").exists()


def test_weights_that_cannot_be_taken_in_are_not_registered(run, book, tmp_path):
    folder = write_weights(tmp_path / "one")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no safetensors"):
        run("add", "fraud-detector", "1", str(folder))
    assert book.model("fraud-detector").registered == ()


def test_without_a_version_it_is_said_how_one_is_added(run):
    assert "No version of fraud-detector is registered" in run("list")
    assert "models add fraud-detector" in run("show", "fraud-detector")


@pytest.fixture
def tale(home):
    """A deployment an hour ago, as the ledger's own time counts."""
    time = Hand(now=utc_now() + timedelta(hours=1))
    tale = Deployed(open_sqlite(home / "ledger.sqlite3", clock=time))
    tale.time = time
    tale.register("3.2.1", "a")
    tale.number = tale.deploy("3.2.1")
    tale.at = time() + timedelta(seconds=1)
    time.pass_time(hours=1)
    yield tale
    tale.book.store.close()


def moment(tale):
    return f"{tale.at:%Y-%m-%dT%H:%M:%S}"


def test_what_ran_is_told_with_its_request_its_people_and_its_proof(run, tale):
    said = run("at", moment(tale))
    assert "fraud-detector in production: 3.2.1 (aaaaaaaaaaaa)" in said
    assert f"by REQ-{tale.number}, asked by U01MIRA, approved by U08RAVI" in said
    answer = json.loads(run("at", moment(tale), "--json", "--environment", "production"))
    proof = answer["ran"][0]["proof"]
    siblings = [bytes.fromhex(each) for each in proof["inclusion_proof"]]
    leaf, root = bytes.fromhex(proof["leaf_hash"]), bytes.fromhex(proof["root_hash"])
    verify_inclusion(leaf, proof["entry"], proof["tree_size"], siblings, root)
    assert str(proof["tree_size"]) in answer["checkpoint"].splitlines()


def test_before_the_first_routing_nothing_is_said_to_have_run(run, tale):
    assert "Nothing was routed in production yet" in run("at", "2020-01-01", "--environment", "production")


def test_a_bundle_answers_offline_against_the_key_from_outside(run, tale, home, tmp_path):
    out = tmp_path / "all.zip"
    taken = CliRunner().invoke(ledger_app, ["export", str(out)], env={"QM_HOME": str(home)})
    assert taken.exit_code == 0, taken.output
    key = tale.book.genesis().checkpoint_key
    said = run("at", moment(tale), "--bundle", str(out), "--key", key)
    assert "3.2.1 (aaaaaaaaaaaa)" in said
    assert "approved by U08RAVI" in said
    assert "Verified against the key you gave." in said
    assert "not anchored" in run("at", moment(tale), "--bundle", str(out), fails=3)
    alone = CliRunner().invoke(ledger_app, ["ran", moment(tale), "--bundle", str(out), "--key", key])
    assert alone.exit_code == 0, alone.output
    assert "3.2.1 (aaaaaaaaaaaa)" in alone.output


@pytest.fixture
def adapted(tale):
    """Beside the version an adapter for an hour, and another one from then on."""
    tale.register_adapter("legal-tone", "c")
    tale.register_adapter("brief", "d")
    tale.loads = tale.adapt(tale.adapter_form("legal-tone", "3.2.1"))
    tale.at = tale.time() + timedelta(seconds=1)
    tale.time.pass_time(hours=1)
    tale.unloads = tale.adapt(tale.adapter_form("legal-tone", "3.2.1", load=False))
    tale.adapt(tale.adapter_form("brief", "3.2.1"))
    return tale


def test_the_adapters_of_a_time_are_told_with_their_bytes_their_requests_and_their_proofs(run, adapted):
    said = run("at", moment(adapted))
    people = "asked by U01MIRA, approved by U08RAVI"
    assert "with adapter legal-tone (cccccccccccc) since" in said
    assert f"UTC, by REQ-{adapted.loads}, {people}" in said
    assert f"UTC, unloaded by REQ-{adapted.unloads}, {people}" in said
    assert "brief" not in said
    (ran,) = json.loads(run("at", moment(adapted), "--json"))["ran"]
    (adapter,) = ran["adapters"]
    assert (adapter["digest"], adapter["base"]) == ("sha256:" + "c" * 64, ran["shares"][0]["digest"])
    assert (adapter["loaded"]["request"], adapter["ended"]["request"]) == (
        f"REQ-{adapted.loads}",
        f"REQ-{adapted.unloads}",
    )
    assert adapter["since"] < adapter["until"]
    for proof in (adapter["loaded"]["proof"], adapter["ended"]["proof"]):
        siblings = [bytes.fromhex(each) for each in proof["inclusion_proof"]]
        leaf, root = bytes.fromhex(proof["leaf_hash"]), bytes.fromhex(proof["root_hash"])
        verify_inclusion(leaf, proof["entry"], proof["tree_size"], siblings, root)


def test_a_version_that_left_and_came_back_is_told_with_the_adapter_it_has_again(run, adapted):
    adapted.register("3.3.0", "b")
    adapted.time.pass_time(hours=1)
    adapted.deploy("3.3.0")
    adapted.at = adapted.time() + timedelta(seconds=1)
    adapted.time.pass_time(hours=1)
    assert "adapter" not in run("at", moment(adapted))
    adapted.deploy("3.2.1", rollback=True)
    adapted.at = adapted.time() + timedelta(seconds=1)
    said = run("at", moment(adapted))
    assert "with adapter brief (dddddddddddd) since" in said
    assert "when its version came back; loaded" in said
    assert "still loaded" in said
    shown = run("show", "fraud-detector")
    assert "What answered beside it" in shown
    assert [shown.count(each) for each in ("(cccccccccccc)", "(dddddddddddd)")] == [1, 2]


def test_a_bundle_names_adapters_offline(run, adapted, home, tmp_path):
    out = tmp_path / "all.zip"
    assert CliRunner().invoke(ledger_app, ["export", str(out)], env={"QM_HOME": str(home)}).exit_code == 0
    key = adapted.book.genesis().checkpoint_key
    alone = CliRunner().invoke(
        ledger_app, ["ran", f"{adapted.time():%Y-%m-%dT%H:%M:%S.%f}", "--bundle", str(out), "--key", key]
    )
    assert alone.exit_code == 0, alone.output
    assert "with adapter brief (dddddddddddd)" in alone.output
    assert "not ended yet where this bundle ends" in alone.output


def altered(bundle, to):
    """Write the bundle anew, with another version in what was routed."""
    with zipfile.ZipFile(bundle) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    records = [json.loads(line) for line in parts["entries.jsonl"].splitlines()]
    for record in records:
        data = base64.b64decode(record["bytes"])
        if b"model.routed" in data:
            record["bytes"] = base64.b64encode(data.replace(b"3.2.1", b"3.2.0")).decode()
    parts["entries.jsonl"] = "".join(json.dumps(each, sort_keys=True) + "\n" for each in records).encode()
    with zipfile.ZipFile(to, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_an_altered_bundle_answers_nothing(run, tale, home, tmp_path):
    out, bad = tmp_path / "all.zip", tmp_path / "bad.zip"
    CliRunner().invoke(ledger_app, ["export", str(out)], env={"QM_HOME": str(home)})
    altered(out, bad)
    said = run("at", moment(tale), "--bundle", str(bad), fails=1)
    assert "Not verified" in said
    assert "3.2" not in said


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", ""])
def test_what_is_no_time_is_said_in_words(run, text):
    assert "is not a day or a time" in run("at", text, fails=2)


def write_adapter(folder, **config):
    write_weights(folder)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8} | config))
    return folder


def test_an_adapter_is_added_beside_the_versions_and_shown(run, book, tmp_path):
    folder = write_adapter(tmp_path / "lora")
    run("add", "fraud-detector", "3.2.1", str(write_weights(tmp_path / "one")))
    said = run("add", "fraud-detector", "legal-tone", str(folder), "--adapter")
    known = book.model("fraud-detector").adapter("legal-tone")
    assert "fraud-detector adapter legal-tone is registered: ledger entry" in said
    assert known.digest in said
    assert book.model("fraud-detector").versions == ("3.2.1",)
    shown = run("show", "fraud-detector")
    assert "legal-tone" in shown
    assert known.digest[7:19] in shown
    assert "means these weights already" in run("add", "fraud-detector", "legal-tone", str(folder), "--adapter")


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("latest", {}, "is no name of an adapter"),
        ("a:b", {}, "is no name of an adapter"),
        ("x", {"peft_type": "IA3"}, "names no LoRA adapter with a rank"),
        ("x", {"r": "8"}, "names no LoRA adapter with a rank"),
    ],
)
def test_what_is_no_adapter_is_refused_and_nothing_is_entered(run, book, tmp_path, name, change, why):
    with pytest.raises(WeightsError, match=why):
        run("add", "fraud-detector", name, str(write_adapter(tmp_path / "lora", **change)), "--adapter")
    assert book.model("fraud-detector").adapters == ()


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_has_both_its_files(run, tmp_path, missing):
    folder = write_adapter(tmp_path / "lora")
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match=missing):
        run("add", "fraud-detector", "x", str(folder), "--adapter")

"""The commands an auditor uses: what they write, what they answer, and how they exit."""

from __future__ import annotations

import json
import sqlite3

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.export.bundle import read_bundle
from ledger.log.checkpoint import Signer
from ledger.log.sqlite import SqliteStore


@pytest.fixture
def run(house, monkeypatch):
    monkeypatch.setenv("QM_HOME", str(house.home))
    monkeypatch.setenv("USER", "qm")
    runner = CliRunner()

    def call(*words):
        done = runner.invoke(app, [str(word) for word in words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, " ".join(done.output.split())

    return call


@pytest.fixture
def key(house):
    return house.signer.verifier_key


def test_a_bundle_is_taken_entered_and_verified(run, key, house, tmp_path):
    path = tmp_path / "all.zip"
    code, said = run("export", path)
    assert (code, "This export is ledger entry 2" in said) == (0, True)
    entered = house.book.store.read("audit")[0].body
    assert (entered["by"], entered["format"], entered["start"], entered["stop"]) == ("os:qm", "bundle", 0, 2)
    assert entered["sha256"] in said
    assert run("verify", "--bundle", path, "--key", key)[0] == 0


def test_a_key_may_stand_in_a_file(run, key, tmp_path):
    (tmp_path / "key.txt").write_text(f"{key}\n")
    run("export", tmp_path / "all.zip")
    code, said = run("verify", "--bundle", tmp_path / "all.zip", "--key", f"@{tmp_path / 'key.txt'}")
    assert (code, "Verified" in said) == (0, True)


def test_without_a_key_nothing_is_verified(run, key, tmp_path):
    run("export", tmp_path / "all.zip")
    code, said = run("verify", "--bundle", tmp_path / "all.zip")
    assert code == 3
    assert f"Consistent with key {key}, not anchored." in said
    assert run("verify")[0] == 3


def test_a_database_is_verified_against_a_kept_checkpoint(run, key, house, tmp_path):
    (tmp_path / "kept.txt").write_text(house.checkpoint())
    run("export", tmp_path / "all.zip")
    assert run("verify", "--key", key, "--checkpoint", tmp_path / "kept.txt")[0] == 0


def test_a_cut_tail_is_found_by_a_kept_checkpoint_alone(run, key, house, tmp_path):
    run("export", tmp_path / "all.zip")
    (tmp_path / "kept.txt").write_text(house.checkpoint())
    house.book.store.close()
    tx = sqlite3.connect(house.home / "ledger.sqlite3")
    for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        tx.execute(f'DROP TRIGGER "{name}"')
    tx.execute("DELETE FROM entry WHERE seq = 2")
    tx.execute("DELETE FROM batch WHERE size = 3")
    tx.commit()
    tx.close()
    assert run("verify")[0] == 3  # a sound, shorter log
    code, said = run("verify", "--key", key, "--checkpoint", tmp_path / "kept.txt")
    assert (code, "entry 2: truncated" in said) == (1, True)


def test_another_key_is_a_fault(run, tmp_path):
    run("export", tmp_path / "all.zip")
    other = Signer.at(tmp_path / "other", "quartermaster").verifier_key
    assert run("verify", "--bundle", tmp_path / "all.zip", "--key", other)[0] == 1


def test_a_period_holds_its_neighbours(run, tmp_path):
    code, _ = run("export", tmp_path / "p.zip", "--since", "2000-01-01", "--until", "2000-02-01")
    bundle = read_bundle(tmp_path / "p.zip")
    assert (code, [entry.seq for entry in bundle.entries]) == (0, [0])
    code, said = run("verify", "--bundle", tmp_path / "p.zip")
    assert (code, "the period is complete" in said) == (3, True)


def test_a_request_claims_nothing_of_the_rest(run, tmp_path):
    run("export", tmp_path / "r.zip", "--request", 1001)
    assert "no claim is made" in run("verify", "--bundle", tmp_path / "r.zip")[1]


def test_json_lines_and_table(run, tmp_path):
    assert run("export", tmp_path / "a.jsonl", "--format", "jsonl")[0] == 0
    assert [json.loads(line)["seq"] for line in (tmp_path / "a.jsonl").read_bytes().splitlines()] == [0, 1]
    assert run("export", tmp_path / "a.csv", "--format", "csv")[0] == 0
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfseq,at,")


def test_somebodys_copy_is_only_read(run, house, tmp_path):
    house.book.store.snapshot(tmp_path / "copy")
    code, said = run("export", tmp_path / "c.jsonl", "--format", "jsonl", "--database", tmp_path / "copy")
    assert (code, "Not entered" in said) == (0, True)
    copy = SqliteStore(tmp_path / "copy", read_only=True)
    assert copy.size() == 2
    copy.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["verify", "--bundle", "none.zip"], "none.zip is not a bundle"),
        (["verify", "--database", "none"], "there is no ledger at none"),
        (["verify", "--key", "@none"], "none cannot be read"),
        (["export", "x.zip", "--since", "yesterday"], "yesterday is not a day or a time"),
        (["export", "x.zip", "--since", "2026-01-01T00:00:00"], "has no zone"),
        (["export", "x.zip", "--since", "2026-02-01", "--until", "2026-01-01"], "ends before it begins"),
        (["export", "/nowhere/x.csv", "--format", "csv"], "/nowhere/x.csv cannot be written"),
        (["export", "x.zip", "--database", "none"], "there is no ledger at none"),
    ],
)
def test_what_does_not_work_is_one_sentence(run, words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = run(*words)
    assert (code, sentence in said) == (2, True), said


def test_nothing_is_overwritten(run, tmp_path):
    (tmp_path / "there.zip").write_text("mine")
    assert run("export", tmp_path / "there.zip")[0] == 2
    assert (tmp_path / "there.zip").read_text() == "mine"


@pytest.mark.parametrize("command", ["verify", "export"])
def test_help_shows_examples_and_exit_codes(run, command):
    code, said = run(command, "--help")
    assert (code, "Example" in said, "Exit 0" in said) == (0, True, True)

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ledger.errors import CheckpointError
from ledger.log.checkpoint import Checkpoint, Signer, open_checkpoint, verify_signature

WYCHEPROOF = json.loads((Path(__file__).parents[2] / "vectors" / "wycheproof_ed25519.json").read_text())


@pytest.fixture
def signer(tmp_path):
    return Signer.at(tmp_path / "keys" / "k", "quartermaster")


CHECKPOINT = Checkpoint(origin="quartermaster/demo/1", size=12, root=bytes(32))


def test_a_checkpoint_round_trips(signer):
    assert open_checkpoint(signer.sign(CHECKPOINT), signer.verifier_key) == CHECKPOINT


def test_another_key_does_not_open_it(signer, tmp_path):
    other = Signer.at(tmp_path / "other", "quartermaster")
    with pytest.raises(CheckpointError):
        open_checkpoint(signer.sign(CHECKPOINT), other.verifier_key)


@pytest.mark.parametrize(
    ("old", "new"), [("\n12\n", "\n13\n"), ("\n12\n", "\n012\n"), ("demo", "real"), ("\n\n", "\n")]
)
def test_a_changed_note_is_refused(signer, old, new):
    with pytest.raises(CheckpointError):
        open_checkpoint(signer.sign(CHECKPOINT).replace(old, new, 1), signer.verifier_key)


def test_a_key_is_readable_by_its_owner_alone(signer, tmp_path):
    assert stat.S_IMODE((tmp_path / "keys" / "k").stat().st_mode) == 0o600


@pytest.mark.parametrize("group", WYCHEPROOF["testGroups"], ids=lambda group: group["publicKey"]["pk"][:8])
def test_published_signatures(group):
    public = bytes.fromhex(group["publicKey"]["pk"])
    for case in group["tests"]:
        arguments = (public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        if case["result"] == "valid":
            verify_signature(*arguments)
        else:
            with pytest.raises(CheckpointError):
                verify_signature(*arguments)

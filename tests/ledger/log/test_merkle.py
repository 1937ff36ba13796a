from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ledger.errors import ProofError
from ledger.log import merkle

VECTORS = Path(__file__).parents[2] / "vectors"
KNOWN = json.loads((VECTORS / "rfc6962_known.json").read_text())
LEAVES = [merkle.leaf_hash(bytes([i])) for i in range(64)]


def test_roots_are_those_of_the_rfc():
    leaves = [merkle.leaf_hash(bytes.fromhex(data)) for data in KNOWN["leaf_inputs_hex"]]
    assert [merkle.root_of(leaves[:size]).hex() for size in range(9)] == KNOWN["root_by_size_hex"]


@pytest.mark.parametrize("case", json.loads((VECTORS / "merkle_inclusion.json").read_text()), ids=lambda c: c["file"])
def test_published_inclusion_proofs(case):
    proof = [base64.b64decode(each) for each in case["proof"] or []]
    leaf, root = (base64.b64decode(case[name] or "") for name in ("leafHash", "root"))
    arguments = (leaf, case["leafIdx"], case["treeSize"], proof, root)
    if case["wantErr"]:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(*arguments)
    else:
        merkle.verify_inclusion(*arguments)


@pytest.mark.parametrize("size", range(1, 65))
def test_every_leaf_of_every_small_tree_is_proved(size):
    node, root = merkle.nodes_over(LEAVES[:size]), merkle.root_of(LEAVES[:size])
    for index in range(size):
        proof = merkle.inclusion_proof(node, index, size)
        merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
        with pytest.raises(ProofError):
            merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
        with pytest.raises(ProofError):
            merkle.verify_inclusion(LEAVES[index], index, size, [*proof, root], root)


@pytest.mark.parametrize("new", range(1, 65))
def test_every_small_tree_is_a_prefix_of_every_larger_one(new):
    node, root = merkle.nodes_over(LEAVES[:new]), merkle.root_of(LEAVES[:new])
    for old in range(1, new + 1):
        proof = merkle.consistency_proof(node, old, new)
        merkle.verify_consistency(old, new, proof, merkle.root_of(LEAVES[:old]), root)
        if old < new:
            with pytest.raises(ProofError):
                merkle.verify_consistency(old, new, proof, merkle.leaf_hash(b"fork"), root)


def test_a_proof_from_nothing_is_refused():
    with pytest.raises(ProofError):
        merkle.verify_consistency(0, 3, [], merkle.EMPTY_ROOT, merkle.root_of(LEAVES[:3]))


def test_a_hash_that_is_not_32_bytes_is_refused():
    with pytest.raises(ProofError):
        merkle.verify_inclusion(b"short", 0, 1, [], merkle.root_of(LEAVES[:1]))

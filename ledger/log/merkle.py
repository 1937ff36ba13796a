"""The Merkle tree of RFC 9162, section 2.1: hashes, frontier, proofs and their checks. Pure, and without storage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from ledger.errors import ProofError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

NodeSource = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree of 2^level leaves beginning at leaf index * 2^level."""


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the complete subtrees, largest first, as (level, hash). O(log n) space."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
        if len(levels) != len(peaks) or any(len(peak) != HASH_SIZE for peak in peaks):
            raise ProofError("frontier does not fit its size")
        self.size = size
        self.peaks = list(zip(levels, peaks, strict=True))

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        self._add_peak(0, leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes in order, a complete subtree at a time: hashing level by level is what makes it quick."""
        start, end = 0, len(leaves)
        while start < end:
            level = (end - start).bit_length() - 1
            if self.size:
                level = min(level, (self.size & -self.size).bit_length() - 1)
            run = 1 << level
            self._add_peak(level, perfect_root(leaves[start : start + run]))
            self.size += run
            start += run

    def copy(self) -> Frontier:
        """Return another frontier that grows on its own."""
        return Frontier(self.size, [peak for _, peak in self.peaks])

    def _add_peak(self, level: int, carried: bytes) -> None:
        while self.peaks and self.peaks[-1][0] == level:
            carried = node_hash(self.peaks.pop()[1], carried)
            level += 1
        self.peaks.append((level, carried))

    def root(self) -> bytes:
        """Return the root hash of the tree so far."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def hashes(self) -> bytes:
        """Return the peaks' hashes, largest subtree first, joined."""
        return b"".join(peak for _, peak in self.peaks)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root hash over these leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over 2^k subtree hashes of one level."""
    level = list(hashes)
    while len(level) > 1:
        pairs = iter(level)
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return level[0]


def leaf_hashes_of(entries: Sequence[bytes]) -> list[bytes]:
    """Return the leaf hash of each entry's bytes."""
    return [hashlib.sha256(b"\x00" + data).digest() for data in entries]


def nodes_over(leaves: Sequence[bytes]) -> NodeSource:
    """Return a node source that computes from leaf hashes, for small trees."""

    def node(level: int, index: int) -> bytes:
        width = 1 << level
        return perfect_root(leaves[index * width : (index + 1) * width])

    return node


def range_hash(node: NodeSource, start: int, stop: int) -> bytes:
    """Return the hash of the subtree over leaves start <= i < stop, where the RFC's recursion meets that range."""
    width = stop - start
    if width & (width - 1) == 0:
        return node(width.bit_length() - 1, start // width)
    split = start + _split(width)
    return node_hash(range_hash(node, start, split), range_hash(node, split, stop))


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def inclusion_proof(node: NodeSource, index: int, size: int) -> list[bytes]:
    """Return the sibling hashes of leaf `index` in the tree of `size`, leaf side first; RFC 9162 2.1.3.1."""
    if not 0 <= index < size:
        raise ProofError(f"no leaf {index} in a tree of {size}")
    start, stop, path = 0, size, []
    while stop - start > 1:
        split = start + _split(stop - start)
        if index < split:
            path.append(range_hash(node, split, stop))
            stop = split
        else:
            path.append(range_hash(node, start, split))
            start = split
    return path[::-1]


def consistency_proof(node: NodeSource, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` is a prefix of that of `new`; RFC 9162 2.1.4.1."""
    if not 0 < old <= new:
        raise ProofError(f"no proof from {old} to {new}")
    return [] if old == new else _subproof(node, old, 0, new, known=True)


def _subproof(node: NodeSource, old: int, start: int, stop: int, *, known: bool) -> list[bytes]:
    if start + old == stop:
        return [] if known else [range_hash(node, start, stop)]
    split = _split(stop - start)
    if old <= split:
        proof = _subproof(node, old, start, start + split, known=known)
        return [*proof, range_hash(node, start + split, stop)]
    proof = _subproof(node, old - split, start + split, stop, known=False)
    return [*proof, range_hash(node, start, start + split)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is entry `index` of the tree of `size` leaves whose root is `root`.

    Args:
        leaf: its leaf hash, 32 bytes.
        proof: sibling hashes, 32 bytes each, leaf side first.

    Raises:
        ProofError: `proof` has the wrong length or leads to another root.

    Source: RFC 9162, 2.1.3.2.
    """
    _check_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofError(f"no leaf {index} in a tree of {size}")
    fn, sn, at = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            at = node_hash(sibling, at)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            at = node_hash(at, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or at != root:
        raise ProofError("the proof leads to another root")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree (`old`, `old_root`) is a prefix of (`new`, `new_root`).

    Raises:
        ProofError: the sizes admit no proof, or it has the wrong length, or leads elsewhere.

    Source: RFC 9162, 2.1.4.2.
    """
    _check_hashes(old_root, new_root, *proof)
    if not 0 < old <= new:
        raise ProofError(f"no proof from {old} to {new}")
    if old == new:
        if proof or old_root != new_root:
            raise ProofError("two trees of one size differ")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofError("the proof is empty")
    _walk(old, new, path, old_root, new_root)


def _walk(old: int, new: int, path: list[bytes], old_root: bytes, new_root: bytes) -> None:
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or first != old_root or second != new_root:
        raise ProofError("the proof leads to another root")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise ProofError("a hash is not 32 bytes")

"""Signed checkpoints: C2SP tlog-checkpoint in a signed note, Ed25519.

A checkpoint says "this log had `size` entries with this root". It is evidence only where somebody else holds it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import CheckpointError
from ledger.log.merkle import HASH_SIZE

_ED25519: Final = b"\x01"
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_FIELD: Final = 2**255 - 19
_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
_SMALL_ORDER: Final = {0, 1, _FIELD - 1, _OF_ORDER_8, _FIELD - _OF_ORDER_8}
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE: Final = re.compile(r"\u2014 (\S+) (\S+)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The log `origin` had `size` entries with root hash `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """An Ed25519 key and the name it signs under."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = key

    @classmethod
    def at(cls, path: Path, name: str) -> Signer:
        """Return the signer whose key is in `path`, made there (readable by its owner alone) when missing."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        raw = path.read_bytes()
        if len(raw) != HASH_SIZE:
            raise CheckpointError(f"{path} is not a key")
        return cls(name, Ed25519PrivateKey.from_private_bytes(raw))

    @property
    def verifier_key(self) -> str:
        """The public key as C2SP writes it: name, key hash, and key, joined by `+`."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"{self.name}+{_key_hash(self.name, raw).hex()}+{base64.b64encode(_ED25519 + raw).decode()}"

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note of a checkpoint."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        signature = _key_hash(self.name, raw) + self._key.sign(checkpoint.body.encode())
        return f"{checkpoint.body}\n\u2014 {self.name} {base64.b64encode(signature).decode()}\n"


def open_checkpoint(note: str, verifier_key: str) -> Checkpoint:
    """Return the checkpoint in a signed note; raises CheckpointError unless this key signed exactly these bytes."""
    name, key_hash, raw = _parse_key(verifier_key)
    _check_text(note)
    body, gap, signatures = note.partition("\n\n")
    found = [(n, _decode(s)) for n, s in _SIGNATURE.findall(signatures)]
    if not gap or "".join(f"\u2014 {n} {base64.b64encode(s).decode()}\n" for n, s in found) != signatures:
        raise CheckpointError("not a signed note")
    ours = [signature[4:] for n, signature in found if n == name and signature[:4] == key_hash]
    if len(ours) != 1:
        raise CheckpointError("not signed by this key")
    verify_signature(raw, f"{body}\n".encode(), ours[0])
    return _parse_body(f"{body}\n")


def verify_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Return only if `signature` is by `public` over `message`, with S below the group order and 64 bytes long."""
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= _ORDER:  # noqa: PLR2004 Ed25519
        raise CheckpointError("not a signature")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise CheckpointError("the signature does not fit") from error


def _parse_body(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):  # noqa: PLR2004 three lines and an end
        raise CheckpointError("not a checkpoint")
    root = _decode(lines[2])
    if len(root) != HASH_SIZE:
        raise CheckpointError("a root hash has 32 bytes")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)


def _parse_key(text: str) -> tuple[str, bytes, bytes]:
    _check_text(text)
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not parts[0] or any(each.isspace() for each in parts[0]):  # noqa: PLR2004 name, hash, key
        raise CheckpointError("not a verifier key: name+hash+key")
    key = _decode(parts[2])
    if key[:1] != _ED25519 or len(key) != 33 or _key_hash(parts[0], key[1:]).hex() != parts[1]:  # noqa: PLR2004
        raise CheckpointError("not a verifier key of Ed25519")
    if _is_weak(key[1:]):
        raise CheckpointError("a key that signs for everybody, or is written in a second way")
    return parts[0], bytes.fromhex(parts[1]), key[1:]


def _is_weak(raw: bytes) -> bool:
    """Whether a public key has small order or is not encoded as encoding would."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return y >= _FIELD or y in _SMALL_ORDER


def _check_text(text: str) -> None:
    if not text.isascii() and not _encodes(text):
        raise CheckpointError("not Unicode text")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key_hash(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise CheckpointError("not base64 as it would be written")
    return data

"""A key to a model: made at its holder's click, shown once, and known to everybody else by its SHA-256 alone.

The hands ask models too, for people who ask in Slack. They have nobody's key: they name the grant, with a secret of the
house that only who may read its folder knows.

A key has 256 random bits, so that a plain hash of it tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "qm-"
HOUSE: Final = "house.secret"
"""The file of the secret, in the folder of served models."""
_BYTES: Final = 32
_KEY: Final = re.compile(r"qm-[A-Za-z0-9_-]{43}")
_OF_HOUSE: Final = re.compile(r"qm-house-([0-9a-f]{64})-([0-9a-f]{32})")
_VERIFIER: Final = re.compile(r"[0-9a-f]{64}")


def new_key() -> str:
    """Return a fresh key: `qm-` and 43 characters that need no quoting in a header, a shell or an address."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def is_key(text: str) -> bool:
    """Whether `text` is written as a key is."""
    return _KEY.fullmatch(text) is not None


def verifier_of(key: str) -> str:
    """Return what is kept of a key: its SHA-256, 64 hex digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def is_verifier(text: str) -> bool:
    """Whether `text` is what `verifier_of` returns, and above all no key."""
    return _VERIFIER.fullmatch(text) is not None


def house_secret(path: Path) -> str:
    """Return the secret of this house, 64 hex digits, made at the first call; readable by the owner of `path` alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    if not path.exists():
        beside.touch(mode=0o600)
        beside.write_text(secrets.token_hex(_BYTES))
        with suppress(FileExistsError):
            os.link(beside, path)  # whole or not at all, and whoever is first
        beside.unlink()
    return path.read_text().strip()


def house_token(secret: str, grant_key: str) -> str:
    """Return what the hands say in the place of a key, to ask with what was granted."""
    return f"qm-house-{secret}-{grant_key}"


def granted(token: str, secret: str) -> str | None:
    """Return the grant that the hands name in a token, None for what they did not make."""
    found = _OF_HOUSE.fullmatch(token)
    if found is None or not secret or not hmac.compare_digest(found[1].encode(), secret.encode()):
        return None
    return found[2]

"""A key to a model: made at its holder's click, shown once, and known to everybody else by its SHA-256 alone.

A key has 256 random bits, so that a plain hash of it tells nothing. Pure: no I/O but the system's random numbers.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

PREFIX: Final = "qm-"
_BYTES: Final = 32
_KEY: Final = re.compile(r"qm-[A-Za-z0-9_-]{43}")
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

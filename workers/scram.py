"""A login's secret and its SCRAM-SHA-256 verifier: the secret is shown once, the verifier alone travels.

From a verifier nobody can log in, and a secret of 128 random bits cannot be guessed from it. Pure: no I/O but the
system's random numbers. Source: RFC 5802, 3; RFC 7677; PostgreSQL's `pg_authid.rolpassword`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

SECRET_BYTES: Final = 16
SALT_BYTES: Final = 16
ITERATIONS: Final = 4096
"""PostgreSQL's own count; slow hashing adds nothing to 128 random bits."""
_B64: Final = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_FORM: Final = re.compile(rf"SCRAM-SHA-256\$([1-9][0-9]{{0,8}}):({_B64})\$({_B64}):({_B64})")
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What a server keeps of a password.

    Args:
        iterations: 4096 or more.
        salt: 16 bytes when ours.
        stored_key: 32 bytes, H(ClientKey).
        server_key: 32 bytes.
    """

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def text(self) -> str:
        """Return it as PostgreSQL writes it; `read_verifier` reads it back."""
        salt, stored, server = (
            base64.b64encode(part).decode() for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


def new_secret() -> str:
    """Return 128 random bits as 26 letters and digits that survive every quoting and SASLprep unchanged."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=").lower()


def make_verifier(secret: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
    """Return the verifier of `secret`, under a fresh salt unless one is given.

    Raises:
        ValueError: the secret is empty or not printable ASCII, for which SASLprep is not the identity.
    """
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("a secret is one or more printable ASCII characters")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return Verifier(
        iterations=iterations,
        salt=salt,
        stored_key=hashlib.sha256(client_key).digest(),
        server_key=hmac.digest(salted, b"Server Key", "sha256"),
    )


def read_verifier(text: str) -> Verifier:
    """Return the verifier that `text` writes.

    Raises:
        ValueError: it is anything else, a plain password above all; the message does not repeat it.
    """
    found = _FORM.fullmatch(text)
    if found is not None:
        salt, stored, server = (_decoded(part) for part in found.groups()[1:])
        read = Verifier(iterations=int(found[1]), salt=salt, stored_key=stored, server_key=server)
        strong = read.iterations >= ITERATIONS and salt and len(stored) == len(server) == _KEY_BYTES
        if strong and read.text() == text:
            return read
    raise ValueError("not a SCRAM-SHA-256 verifier")


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part, validate=True)
    except binascii.Error:
        return b""

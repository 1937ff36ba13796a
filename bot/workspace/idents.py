"""Ids, time stamps and tokens, in the shapes that Slack gives them."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_MICROS: Final = 1_000_000


def new_id(prefix: str) -> str:
    """Return an id nobody else has, e.g. `V0K3J…`: a letter and ten of digits and capitals."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(10))


def derived_id(prefix: str, text: str) -> str:
    """Return the same id for the same text, so that a restart finds its channels again."""
    digest = hashlib.sha256(text.encode()).digest()
    return prefix + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])


class Stamps:
    """Hands out message time stamps, each later than the one before, also when the clock stands still or goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 0

    def saw(self, ts: str) -> None:
        """Every later stamp is after `ts`."""
        self._last = max(self._last, int(ts.replace(".", "")))

    def next(self) -> str:
        """Return `seconds.micros`, six digits after the point."""
        self._last = max(int(self._clock() * _MICROS), self._last + 1)
        return f"{self._last // _MICROS}.{self._last % _MICROS:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the workspace and the one app in it are, and the secrets the app holds."""

    team_id: str
    app_id: str
    bot_id: str
    bot_user: str
    bot_token: str
    app_token: str
    signing_secret: str


def new_identity() -> Identity:
    """Return an identity nobody else has; its tokens open this workspace and nothing else."""
    return Identity(
        team_id=new_id("T"),
        app_id=new_id("A"),
        bot_id=new_id("B"),
        bot_user=new_id("U"),
        bot_token=f"xoxb-local-{secrets.token_hex(16)}",
        app_token=f"xapp-1-local-{secrets.token_hex(16)}",
        signing_secret=secrets.token_hex(16),
    )


def identity_in(home: Path) -> Identity:
    """Return the identity kept in `home`, or keep a new one there that only this user may read."""
    path = home / "identity.json"
    if path.exists():
        return Identity(**json.loads(path.read_text()))
    identity = new_identity()
    fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fresh, "w") as file:
        json.dump(asdict(identity), file)
    return identity

"""Who people are elsewhere: their user on the cluster, their role in a database. From one file, by Slack id.

```toml
[slurm]
U01MIRA = { user = "mira", account = "vision" }   # account may be left out
[postgres.warehouse]
U01MIRA = "mira"                                  # who is not named here gets a login for each grant
```
It is read again at every use, so that a correction counts at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workers.errors import BackendError

Slack = Callable[[str], str | None]
"""From a subject to their Slack id, None once erased."""


def cluster_user(file: Path, slack: str | None) -> tuple[str, str] | None:
    """Return (user, accounting account or empty) on the cluster, None for who has none.

    Raises:
        BackendError: the file cannot be read, or says something else of them.
    """
    found = _section(file, "slurm").get(slack or "")
    if found is None:
        return None
    if not isinstance(found, dict) or not set(found) <= {"user", "account"} or type(found.get("user")) is not str:
        raise BackendError(f'{file.name}: write it like {slack} = {{ user = "mira", account = "vision" }}')
    account = found.get("account", "")
    if type(account) is not str:
        raise BackendError(f"{file.name}: account of {slack} must be a text")
    return found["user"], account


class DatabaseAccounts(Mapping[str, str]):
    """Subject -> role of those who have an account of their own in one database.

    Args:
        subjects: every subject there may be, with their Slack id.
    """

    def __init__(self, file: Path, database: str, subjects: Callable[[], Mapping[str, str]]) -> None:
        self._file, self._database, self._subjects = file, database, subjects

    def _known(self) -> dict[str, str]:
        rows = _section(self._file, "postgres").get(self._database, {})
        if not isinstance(rows, dict) or not all(type(role) is str and role for role in rows.values()):
            raise BackendError(f'{self._file.name}: write it like [postgres.{self._database}] U01MIRA = "mira"')
        return {subject: rows[slack] for subject, slack in self._subjects().items() if slack in rows}

    def __getitem__(self, subject: str) -> str:
        """Return the role of a subject; raises KeyError for who has none."""
        return self._known()[subject]

    def __iter__(self) -> Iterator[str]:
        """Every subject with an account."""
        return iter(self._known())

    def __len__(self) -> int:
        """How many they are."""
        return len(self._known())


def _section(file: Path, name: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BackendError(f"{file.name} cannot be read: {type(error).__name__}") from error
    found = tree.get(name, {})
    if not isinstance(found, dict):
        raise BackendError(f"{file.name}: {name} must be a table")
    return found

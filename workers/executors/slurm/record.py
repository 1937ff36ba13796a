"""What must be remembered and Slurm forgets: which generation of a key was seen, which was taken back, and for whom it is.

One small file a key in a folder that all workers share. A file that is locked keeps two hands of one machine apart; on machines
that do not share the lock, Slurm's own `singleton` does.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from workers.errors import BackendError

_KEY: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one key.

    Args:
        seen: the newest generation that was ensured, 0 for none.
        ended: the newest generation that was taken back, 0 for none.
        until: the end of the newest generation, whole seconds since 1970, 0 for none.
        user: whose allocation it is on the cluster.
        gpus: devices of the newest generation.
        held_since: since when the newest generation was seen held as granted, seconds since 1970; 0 for not yet.
        unsure_until: until when a submission without an answer may still arrive, seconds since 1970; 0 when none is under way.
    """

    seen: int = 0
    ended: int = 0
    until: int = 0
    user: str = ""
    gpus: int = 0
    held_since: int = 0
    unsure_until: int = 0

    @property
    def stands(self) -> bool:
        """Whether the key may hold anything."""
        return self.seen > self.ended


class Records:
    """The records of one folder, made when missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, key: str) -> Record:
        """Return what is known of a key; an empty record for one never seen.

        Raises:
            BackendError: the file cannot be read; nothing may be concluded.
        """
        try:
            return Record(**json.loads(self._path(key).read_text()))
        except FileNotFoundError:
            return Record()
        except (OSError, ValueError, TypeError) as error:
            raise BackendError(f"the record {self._path(key)} cannot be read; restore it before going on") from error

    def write(self, key: str, record: Record) -> None:
        """Write beside, sync, rename: a crash leaves the old record or the new one."""
        beside = self._folder / f"{key}.{os.getpid()}.new"
        try:
            with beside.open("w") as file:
                json.dump(asdict(record), file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path(key))
        except OSError as error:
            raise BackendError(f"{self._folder} cannot be written: {error.strerror}") from error

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Let no other hand touch this key meanwhile."""
        with self._path(key).with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, key: str) -> Path:
        """Raises BackendError for a key that is no grant key: it becomes a file's name."""
        if _KEY.fullmatch(key) is None:
            raise BackendError("a grant key is 32 hex digits")
        return self._folder / f"{key}.json"

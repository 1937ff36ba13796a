"""What a job's comment says: which grant it is, which generation, and until when. `qm1:<key>:<generation>:<end>`.

Slurm lets a job's owner change the comment, so that it finds a job and proves nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_FORM: Final = re.compile(r"qm1:([0-9a-f]{32}):([1-9][0-9]{0,8}):([1-9][0-9]{8,10})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A grant's key, 32 hex digits, its generation, and its end in whole seconds since 1970."""

    key: str
    generation: int
    until: int

    def __str__(self) -> str:
        """The comment."""
        return f"qm1:{self.key}:{self.generation}:{self.until}"

    @property
    def end(self) -> datetime:
        """When the grant ends, aware UTC."""
        return datetime.fromtimestamp(self.until, UTC)


def read_note(comment: str) -> Note | None:
    """Return the note that `comment` is, None when it is anything else."""
    found = _FORM.fullmatch(comment)
    if found is None:
        return None
    return Note(key=found[1], generation=int(found[2]), until=int(found[3]))

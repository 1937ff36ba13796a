"""The exit statuses of commands that verify."""

from __future__ import annotations

from typing import Final

FAULT: Final = 1
"""When an entry, a checkpoint or the law is wrong."""
UNREADABLE: Final = 2
"""When nothing could be verified: a file is not there or not readable, or an option does not fit."""
NOT_ANCHORED: Final = 3
"""When nothing is wrong, but nobody outside vouches for it."""

"""Why a server ended, in one of a few fixed sentences: its log may hold anything and is never shown."""

from __future__ import annotations

import signal
from typing import Final

_NO_MEMORY: Final = ("out of memory", "outofmemoryerror", "cannot allocate memory", "no available memory for the cache")
_NO_CACHE: Final = ("larger than the maximum number of tokens that can be stored in kv cache", "max seq len")
_PORT: Final = ("address already in use", "errno 98")
_KILLED: Final = 128 + signal.SIGKILL


def why_it_ended(status: int | None, tail: str) -> str:
    """Return what a person may read of how a server ended.

    Args:
        status: of the process, negative for a signal, None when nobody can say.
        tail: the end of its log.
    """
    said = tail.lower()
    if any(words in said for words in _NO_MEMORY):
        return "Its server ran out of memory. Give it more GPUs or a smaller context in the catalogue."
    if any(words in said for words in _NO_CACHE):
        return "Its context does not fit into the memory. Set a smaller context in the catalogue."
    if status in {-signal.SIGKILL, _KILLED}:
        return "Its server was killed by the system, most often because the machine ran out of memory."
    if any(words in said for words in _PORT):
        return "The port of its server was taken by somebody else."
    if status is None:
        return "Its server ended by itself."
    return f"Its server ended by itself with {f'signal {-status}' if status < 0 else f'exit code {status}'}."

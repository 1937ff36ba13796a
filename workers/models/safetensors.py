"""Reads the head of a safetensors file: which tensors it holds, and that it holds them whole.

Format: 8 bytes with the length of the header (little endian), the header (a JSON object), then the tensors' bytes
without gaps; described by the safetensors project. A file of this kind can hold no code.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Final

from workers.models.errors import WeightsError

LONGEST_HEADER: Final = 100 * 2**20
"""Bytes; the same bound as the reference implementation's."""
_LENGTH: Final = struct.Struct("<Q")


def check(path: Path) -> int:
    """Return how many tensors the file holds.

    Raises:
        WeightsError: it is no safetensors file, or ends before its last tensor does.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_LENGTH.size)
        length = _LENGTH.unpack(first)[0] if len(first) == _LENGTH.size else 0
        if not 0 < length <= min(LONGEST_HEADER, size - _LENGTH.size):
            raise WeightsError(f"{path.name} is no whole safetensors file: it has no header")
        header = _header(path.name, file.read(length))
    spans = sorted(_span(path.name, name, body) for name, body in header.items() if name != "__metadata__")
    end = 0
    for since, to in spans:
        if since != end or to < since:
            raise WeightsError(f"{path.name} is no whole safetensors file: its tensors overlap or leave gaps")
        end = to
    held = size - _LENGTH.size - length
    if held != end:
        raise WeightsError(f"{path.name} is not whole: {held:,} of {end:,} bytes of tensors; copy it again")
    return len(spans)


def _header(name: str, data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{name} is no safetensors file: its header is no JSON") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{name} is no safetensors file: its header is no object")
    return header


def _span(name: str, tensor: str, body: Any) -> tuple[int, int]:
    match body:
        case {"data_offsets": [int(since), int(to)]} if not isinstance(since, bool) and not isinstance(to, bool):
            return since, to
    raise WeightsError(f"{name} is no safetensors file: {tensor[:80]!r} has no place")

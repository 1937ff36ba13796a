"""The files of a policy, each read once: what is parsed and what the digest covers are the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from policies import catalogue, engine, rows
from policies.errors import PolicyError

FILES: Final = (engine.MODEL, rows.FILE, catalogue.FILE)


def read_files(folder: Path) -> dict[str, str]:
    """Return the text of each policy file of `folder` by name; raises PolicyError naming one that cannot be read."""
    return {name: _read(folder, name) for name in FILES}


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise PolicyError(name, str(folder), "there is none; copy the one that ships with Quartermaster") from error
    except UnicodeDecodeError as error:
        raise PolicyError(name, str(folder), "is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise PolicyError(name, str(folder), f"cannot be read: {error.strerror}") from error


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest of a policy: SHA-256 over each file's name, length and bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(files):
        data = files[name].encode()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()

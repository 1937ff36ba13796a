"""A small disk of its own, mounted for a test: of memory, or an ext4 image behind a loop device. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE_MB = 12
KINDS = ("tmpfs", "ext4")


class NoDiskError(Exception):
    """Raised when this machine lets us mount no such disk."""


@contextmanager
def small_disk(folder: Path, kind: str) -> Iterator[Path]:
    """Yield a folder with some megabytes of its own, unmounted at the end."""
    at, image = folder / "disk", folder / "disk.img"
    at.mkdir()
    if kind == "ext4":
        with image.open("wb") as file:
            file.truncate(SIZE_MB * 1024 * 1024)
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(at))
    else:
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Write a file that takes the room of the disk but for `leave` bytes, and return it."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while _free(disk) >= leave + size:
                    file.write(b"x" * size)
    return filler


def _free(disk: Path) -> int:
    stat = os.statvfs(disk)
    return stat.f_bavail * stat.f_frsize


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise NoDiskError(f"{command[0]} is missing") from missing
    if done.returncode:
        raise NoDiskError(f"{command[0]}: {done.stderr.strip()}")

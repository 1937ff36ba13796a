"""Debian's Slurm without installing it: packages fetched once with apt and unpacked into a cache folder. Root is not needed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[2] / ".cache" / "slurm"
FETCH_S: Final = 180
PACKAGES: Final = (
    *("munge", "slurm-client", "slurm-wlm-basic-plugins", "slurmctld", "slurmd", "slurmrestd"),
    *("libdbus-1-3", "libhttp-parser2.9", "libhwloc15", "libjson-c5", "libmunge2", "libnuma1"),
    *("libreadline8", "libyaml-0-2"),
)
"""The programs, then the libraries that a small Debian may lack."""


class SlurmMissingError(Exception):
    """Raised when there is no stand-in cluster to be had on this machine; says what is missing."""


def slurm_software(cache: Path = CACHE) -> Path:
    """Return the folder that holds `usr/bin/squeue` and the rest, fetched on the first call.

    Raises:
        SlurmMissingError: not a Debian machine, or the packages cannot be fetched.
    """
    root = cache / "root"
    if not root.exists():
        for tool in ("apt-get", "dpkg", "setpriv"):
            if shutil.which(tool) is None:
                raise SlurmMissingError(f"{tool} is missing: the stand-in cluster needs Debian or Ubuntu")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            _unpack(_fetched(cache, Path(beside)), Path(beside) / "root")
            _put_in_place(Path(beside) / "root", root)
    return root


def _fetched(cache: Path, folder: Path) -> list[Path]:
    """Download the packages; when the machine has no package lists yet, with lists of our own."""
    own_lists = ["-o", f"Dir::State::Lists={cache / 'lists'}", "-o", f"Dir::Cache={cache / 'apt'}"]
    if not _apt(["download", *PACKAGES], folder):
        for place in ("lists/partial", "apt/archives/partial"):
            (cache / place).mkdir(parents=True, exist_ok=True)
        if not (_apt([*own_lists, "update"], folder) and _apt([*own_lists, "download", *PACKAGES], folder)):
            raise SlurmMissingError("Debian's Slurm packages could not be fetched: is a package mirror reachable?")
    return sorted(folder.glob("*.deb"))


def _apt(arguments: list[str], folder: Path) -> bool:
    try:
        done = subprocess.run(
            ["apt-get", "-qq", *arguments], check=False, cwd=folder, capture_output=True, timeout=FETCH_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _unpack(packages: list[Path], root: Path) -> None:
    for package in packages:
        subprocess.run(["dpkg", "-x", package, root], check=True, timeout=FETCH_S)
    root.chmod(0o755)


def _put_in_place(made: Path, root: Path) -> None:
    """A rename: a process killed while it unpacks leaves nothing behind, and the first of two wins."""
    try:
        made.rename(root)
    except OSError:
        if not root.exists():
            raise

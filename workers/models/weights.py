"""Weights by digest: a version of a model is copied into the store, hashed there, and loaded from there alone.

Only files that hold data are taken in: safetensors, configuration, tokenizer, chat template. What could run code when
it is loaded (pickles, Python files) stays outside, so that nobody can load it; a configuration that names code of its
own is refused. The digest is the SHA-256 of the manifest, the canonical list of every file's name, size and SHA-256:
two directories with the same bytes are the same version, wherever they came from.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import MalformedError
from ledger.log.canonical import canonical, parse
from workers.durable import sync, write_whole
from workers.models import safetensors
from workers.models.errors import WeightsError

DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")
ROOM_LEFT: Final = 2**30
"""Bytes that stay free on the store's disk when a version was copied into it."""
TAKEN: Final = re.compile(
    r"[\w.-]*\.safetensors|[\w.-]*\.safetensors\.index\.json|(config|generation_config|adapter_config)\.json"
    r"|(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config|chat_template)\.json"
    r"|merges\.txt|vocab\.txt|tokenizer\.model|chat_template\.jinja"
)
"""The names of the files that make a version."""
_CONFIGS: Final = ("config.json", "adapter_config.json")
_NAMES_CODE: Final = frozenset(
    {*_CONFIGS, "tokenizer_config.json", "generation_config.json", "preprocessor_config.json"}
)
"""Where a configuration can ask for code; in a vocabulary the same word is a token."""
_CODE: Final = "auto_map"
"""The key by which a configuration names Python files to be loaded."""
_PART: Final = ".part-"
_HASHERS: Final = 4

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A version in the store.

    Args:
        digest: `sha256:` and 64 hexadecimal digits.
        path: the directory to load from.
        size: bytes of all files.
        left_out: names of what the source held beside them.
    """

    digest: str
    path: Path
    size: int
    left_out: tuple[str, ...] = ()


class WeightStore:
    """The versions in one folder, each in a read-only directory named by its digest; shared by processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def take_in(self, source: Path, *, within: Path | None = None, progress: Progress | None = None) -> Weights:
        """Copy a version into the store and return it; one that is there already is the same version.

        Args:
            source: the directory with its files.
            within: where links may lead to, `source` itself unless given.
            progress: hears of the copying.

        Raises:
            WeightsError: files are missing, unsafe or not whole, or there is no room; the store is as it was.
        """
        taken, left_out = _sort(source, within or source)
        size = sum(path.stat().st_size for path in taken.values())
        self._need(size)
        with self._part() as part:
            _copy(taken, part / "model", size, progress or (lambda _done, _all: None))
            _examine(part / "model", sorted(taken))
            data = canonical(_manifest(part / "model", sorted(taken)))
            write_whole(part / "manifest.json", data)
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            self._keep(part, digest)
        return Weights(digest=digest, path=self._place(digest) / "model", size=size, left_out=left_out)

    def load(self, digest: str) -> Weights:
        """Return a version to be started, after every byte of it was read again.

        Raises:
            WeightsError: it is not there, or is not what the digest says.
        """
        place = self._place(digest)
        try:
            data = (place / "manifest.json").read_bytes()
        except OSError as error:
            raise WeightsError(f"{_short(digest)} is not in the store; take it in again") from error
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise WeightsError(f"the list of files of {_short(digest)} was changed")
        files = _files(digest, data)
        names = sorted(path.name for path in (place / "model").iterdir())
        if names != sorted(files):
            wrong = min(set(names) ^ set(files))
            raise WeightsError(f"{_short(digest)} {'misses' if wrong in files else 'has one file too many:'} {wrong}")
        for found in _manifest(place / "model", names)["files"]:
            if found != files[found["name"]]:
                raise WeightsError(f"{found['name']} of {_short(digest)} was changed in the store")
        return Weights(digest=digest, path=place / "model", size=sum(each["size"] for each in files.values()))

    def place(self, digest: str) -> Path:
        """Return the directory that a version is loaded from, whether or not it is there; raises WeightsError."""
        return self._place(digest) / "model"

    def held(self) -> tuple[str, ...]:
        """Return the digests of the versions in the store."""
        names = (path.name.replace("sha256-", "sha256:", 1) for path in self._folder.glob("sha256-*"))
        return tuple(sorted(name for name in names if DIGEST.fullmatch(name)))

    def _place(self, digest: str) -> Path:
        if DIGEST.fullmatch(digest) is None:
            raise WeightsError(f"{digest[:80]!r} is no digest; one is sha256: and 64 digits")
        return self._folder / digest.replace(":", "-")

    def _need(self, size: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < size + ROOM_LEFT:
            raise WeightsError(f"no room for {size / 1e9:.1f} GB: {free / 1e9:.1f} GB are free where the store lies")

    @contextmanager
    def _part(self) -> Iterator[Path]:
        """Give a directory that nobody else sweeps while this process lives, and remove it unless it was kept."""
        self._sweep()
        part = Path(tempfile.mkdtemp(prefix=_PART, dir=self._folder))
        with _locked(part):
            try:
                yield part
            finally:
                _remove(part)

    def _sweep(self) -> None:
        """Remove what died half way."""
        for part in self._folder.glob(f"{_PART}*"):
            with suppress(OSError), _locked(part):
                _remove(part)

    def _keep(self, part: Path, digest: str) -> None:
        for path in (part / "model").iterdir():
            path.chmod(0o444)
        (part / "manifest.json").chmod(0o444)
        (part / "model").chmod(0o555)
        place = self._place(digest)
        try:
            part.rename(place)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:  # it is there already: the same bytes
                raise WeightsError(f"{_short(digest)} could not be kept: {error.strerror}") from error
        place.chmod(0o555)
        sync(self._folder)


def _sort(source: Path, within: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return the files to take in, by name, and the names of what stays outside."""
    if not source.is_dir():
        raise WeightsError(f"there is no directory {source.name}")
    taken, left_out, root = dict[str, Path](), list[str](), within.resolve()
    for path in sorted(source.iterdir()):
        if TAKEN.fullmatch(path.name) is None or not path.is_file():
            left_out.append(path.name)
        elif root not in path.resolve().parents:
            raise WeightsError(f"{path.name} is a link that leads out of {within.name}")
        else:
            taken[path.name] = path
    if not any(name.endswith(".safetensors") for name in taken):
        raise WeightsError(f"{source.name} holds no safetensors file; other kinds of weights can hold code")
    if not any(name in taken for name in _CONFIGS):
        raise WeightsError(f"{source.name} has no config.json")
    return taken, tuple(left_out)


def _copy(files: dict[str, Path], to: Path, size: int, progress: Progress) -> None:
    to.mkdir()
    done = 0
    for name, path in files.items():
        try:
            shutil.copyfile(path, to / name)
            sync(to / name)
        except OSError as error:
            raise WeightsError(f"{name} could not be copied: {error.strerror}") from error
        done += (to / name).stat().st_size
        progress(done, size)


def _examine(folder: Path, names: list[str]) -> None:
    """Return only if every file of the copy is what its name says, and none asks for code."""
    for name in names:
        if name.endswith(".safetensors"):
            safetensors.check(folder / name)
        elif name.endswith(".json"):
            body = _json(folder / name)
            if name.endswith(".index.json"):
                _whole(name, body, names)
            elif name in _NAMES_CODE and _CODE in body:
                raise WeightsError(f"{name} asks for code of the model's own ({_CODE}), which is never run")


def _json(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path.name} is no JSON") from error
    if not isinstance(body, dict):
        raise WeightsError(f"{path.name} is no JSON object")
    return body


def _whole(name: str, index: dict[str, Any], names: list[str]) -> None:
    parts = index.get("weight_map")
    if not isinstance(parts, dict):
        raise WeightsError(f"{name} has no weight_map")
    if missing := {str(part) for part in parts.values()} - set(names):
        raise WeightsError(f"{min(missing)} is missing, which {name} names")


def _manifest(folder: Path, names: list[str]) -> dict[str, Any]:
    """Return every file's name, size and hash; the files are read side by side, as hashing lets other threads run."""

    def one(name: str) -> dict[str, Any]:
        with (folder / name).open("rb") as file:
            hashed = hashlib.file_digest(file, "sha256").hexdigest()
            return {"name": name, "sha256": hashed, "size": file.tell()}

    with ThreadPoolExecutor(_HASHERS) as threads:
        return {"files": list(threads.map(one, names)), "v": 1}


def _files(digest: str, data: bytes) -> dict[str, dict[str, Any]]:
    try:
        return {each["name"]: each for each in parse(data)["files"]}
    except (MalformedError, KeyError, TypeError) as error:
        raise WeightsError(f"the list of files of {_short(digest)} cannot be read") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a directory; raises OSError when somebody else does. The kernel lets go for whoever dies."""
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)


def _remove(part: Path) -> None:
    if not part.exists():
        return  # it was kept
    if (part / "model").exists():
        (part / "model").chmod(0o700)
    shutil.rmtree(part)


def _short(digest: str) -> str:
    return digest[:19]

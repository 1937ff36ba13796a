"""Opening the house: the first start copies the rules, makes the key and writes the genesis entry; later ones check it."""

from __future__ import annotations

import fcntl
import importlib.resources
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import SettingsError
from ledger.book import RESERVE, Book, Write, open_sqlite
from ledger.log.checkpoint import Checkpoint, Signer
from ledger.streams.house import Opened
from policies.decide import FILES, Policy
from policies.inforce import PolicyInForce, adopt, source_of
from workers.settings import HouseSettings

ORIGIN: Final = "quartermaster"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One installation: its ledger, the policy in force and the key that signs checkpoints."""

    home: Path
    book: Book
    policy: PolicyInForce
    signer: Signer
    genesis: Opened

    def checkpoint(self) -> str:
        """Return the signed checkpoint of the ledger as it is now, and keep a copy in the home."""
        size = self.book.store.size()
        checkpoint = Checkpoint(origin=self.genesis.origin, size=size, root=self.book.store.root(size))
        note = self.signer.sign(checkpoint)
        folder = self.home / "checkpoints"
        folder.mkdir(exist_ok=True)
        (folder / f"{size:012}.txt").write_text(note)
        return note


def house_of(settings: HouseSettings, *, mode: str, workspace: str) -> House:
    """Open the house that the settings describe; raises what `open_house` raises."""
    return open_house(
        settings.home.absolute(),
        settings.policies_folder,
        settings.database,
        mode=mode,
        workspace=workspace,
        reserve=settings.disk_reserve,
    )


def open_house(
    home: Path, policies: Path, database: Path, *, mode: str, workspace: str, reserve: int = RESERVE
) -> House:
    """Return the house in `home`, made on its first start.

    Args:
        reserve: bytes of the ledger's disk that are left to endings.

    Raises:
        SettingsError: the ledger is of another mode or workspace.
        PolicyError: the rules cannot be used, and none that can were adopted.
        LedgerError: the ledger cannot be read or written.
    """
    home.mkdir(parents=True, exist_ok=True)
    _copy_rules(policies)
    book = open_sqlite(database, reserve=reserve)
    signer = Signer.at(home / "keys" / "checkpoint.key", ORIGIN)
    genesis = book.genesis() or _first(book, Policy.load(policies), signer, mode, workspace)
    if genesis.mode != mode:
        raise SettingsError(f"the ledger in {home} is a {genesis.mode} ledger; set QM_HOME to another folder")
    if genesis.workspace != workspace:
        raise SettingsError(f"the ledger in {home} belongs to workspace {genesis.workspace}, not {workspace}")
    in_force = PolicyInForce(source_of(policies, book), book)
    return House(home=home, book=book, policy=in_force, signer=signer, genesis=genesis)


def _first(book: Book, policy: Policy, signer: Signer, mode: str, workspace: str) -> Opened:
    origin = f"{ORIGIN}/{mode}/{os.urandom(8).hex()}"
    entry = Opened(origin=origin, mode=mode, workspace=workspace, checkpoint_key=signer.verifier_key)
    actor = f"os:{os.environ.get('USER') or os.getuid()}"
    book.append(Write(stream="ledger", expected=0, entries=(entry,), actor=actor))
    adopt(book, policy, actor=actor, why="the first start adopts the rules that it copied")
    return entry


def _copy_rules(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shipped = importlib.resources.files("policies")
    for name in FILES:
        if not (folder / name).exists():
            with importlib.resources.as_file(shipped / name) as source:
                shutil.copyfile(source, folder / name)


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home: a second start in the same one is told so, in words."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "running.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"Quartermaster already runs in {home}. Stop it there, or choose another folder with --dir."
            raise SettingsError(message) from error
        yield

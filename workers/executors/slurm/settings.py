"""What the Slurm executor has to be told, in one frozen value."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from workers.errors import SettingsError
from workers.executors.slurm.port import Account

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)


def no_token(user: str) -> str:
    """Return no token: a private socket tells slurmrestd who calls."""
    del user
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings:
    """One partition of one cluster.

    Args:
        folder: what the executor must remember that Slurm forgets; shared by every worker.
        partition: where allocations go.
        types: Slurm's name of a GPU type by the catalogue's, such as `h100` by `h100-80gb`.
        account_of: who a subject is on the cluster; None when they have no account there.
        gpus_per_node: devices of one node. More than that are asked for as whole nodes.
        rest: `unix:/path/of/socket`, `http://host:port` or `https://host:port` of slurmrestd; empty for the commands.
        token_of: a JSON web token by user name, for slurmrestd over http.
        operator: the user that reads, changes and cancels; an operator of Slurm, or nothing can be extended.
        bin: where the commands are, here and on the nodes; None for the usual places.
        conf: SLURM_CONF of the commands; None for Slurm's own.
        timeout: how long one call may take.
        prefix: of job names; two installations that share a cluster need two.
    """

    folder: Path
    partition: str
    types: Mapping[str, str]
    account_of: Callable[[str], Account | None]
    gpus_per_node: int = 8
    rest: str = ""
    token_of: Callable[[str], str] = no_token
    operator: str = ""
    bin: Path | None = None
    conf: Path | None = None
    timeout: timedelta = timedelta(seconds=20)
    prefix: str = "qm"

    def __post_init__(self) -> None:
        """Refuse names that Slurm could read as an option, a list or a path."""
        for setting, name in (("partition", self.partition), ("prefix", self.prefix)):
            if not plain_name(name):
                raise SettingsError(f"Slurm {setting} {name!r} must be letters, digits, dots, dashes and underscores")
        for name in self.types.values():
            if not plain_name(name):
                raise SettingsError(f"Slurm GPU type {name!r} must be letters, digits, dots, dashes and underscores")
        if self.gpus_per_node < 1:
            raise SettingsError("Slurm gpus_per_node must be 1 or more")

    @property
    def acts_as(self) -> str:
        """Who calls Slurm."""
        return self.operator or getpass.getuser()


def plain_name(name: str) -> bool:
    """Return whether a name of a type, user, account or partition can be nothing else to Slurm."""
    return _NAME.fullmatch(name) is not None

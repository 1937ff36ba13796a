from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledger.nouns import GpuForm, Grant
from workers.executors.slurm.executor import SlurmExecutor
from workers.executors.slurm.memory import MemorySlurm
from workers.executors.slurm.port import Account
from workers.executors.slurm.settings import SlurmSettings

NODES = {"gpu-01": ("h100", 4), "gpu-02": ("h100", 4), "gpu-03": ("l40s", 4)}
KEY = "0123456789abcdef" * 2
ASKER = "user:" + "1" * 32


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture
def slurm(clock):
    return MemorySlurm(NODES, clock)


@pytest.fixture
def settings(tmp_path):
    return SlurmSettings(
        folder=tmp_path / "slurm",
        partition="gpu",
        types={"h100-80gb": "h100", "l40s-48gb": "l40s"},
        account_of=lambda subject: Account(user="mira", account="vision") if subject == ASKER else None,
        gpus_per_node=4,
    )


@pytest.fixture
def executor(settings, slurm, clock):
    return SlurmExecutor(settings, slurm, clock=clock, pause=lambda _: None)


@pytest.fixture
def grant(clock):
    """Return a function that makes a grant from now on."""

    def make(gpus=2, gpu_type="l40s-48gb", minutes=60, start=None, number=1, **rest) -> Grant:
        form = GpuForm(resource="gpu:slurm", gpu_type=gpu_type, gpus=gpus, duration_s=minutes * 60, start=start)
        end = (start or clock()) + timedelta(minutes=minutes)
        key = f"{number:x}" * 32
        made = Grant(request=1000 + number, key=key, subject=ASKER, form=form, generation=1, not_after=end)
        return replace(made, **rest)

    return make

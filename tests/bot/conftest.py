"""Every test of the desk plays on this stage; it lies where tests can import it by name."""

from __future__ import annotations

import pytest
from bot_doors import doors
from bot_stage import stage
from conftest import ADA, INES, KOFI, MIRA

__all__ = ["doors", "stage"]


@pytest.fixture
def mira(stage):
    return stage.server.person(MIRA)


@pytest.fixture
def ines(stage):
    return stage.server.person(INES)


@pytest.fixture
def kofi(stage):
    return stage.server.person(KOFI)


@pytest.fixture
def ada(stage):
    return stage.server.person(ADA)

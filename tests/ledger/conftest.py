"""What the ledger's tests share stands beside them: a history (`ledger_tale`) and a verifier of somebody else's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def evidence(tmp_path):
    from ledger_tale import Evidence

    from ledger.log.checkpoint import Signer

    return Evidence(tmp_path, Signer.at(tmp_path / "key", "quartermaster"))

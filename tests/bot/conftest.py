"""Every test of the desk plays on this stage; it lies where tests can import it by name."""

from __future__ import annotations

from bot_doors import doors
from bot_stage import stage

__all__ = ["doors", "stage"]

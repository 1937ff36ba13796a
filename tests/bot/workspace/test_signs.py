"""Every sign that a card wears is drawn by the local workspace: a machine without an emoji font shows it too."""

from __future__ import annotations

import re
from pathlib import Path

from bot.blocks import card
from bot.workspace import server

SIGN = re.compile(r":([a-z][a-z_]+):[ \"]")
DRAWN = re.compile(r"^  ([a-z_]+): \[", re.MULTILINE)


def test_every_sign_that_is_worn_is_drawn():
    blocks = Path(card.__file__).parent.glob("*.py")
    worn = {sign for path in blocks for sign in SIGN.findall(path.read_text(encoding="utf-8"))}
    script = Path(server.__file__).parent / "page" / "signs.js"
    assert len(worn) > 15
    assert worn - set(DRAWN.findall(script.read_text(encoding="utf-8"))) == set()

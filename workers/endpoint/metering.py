"""What a call did cost, from what the server says of it; nothing said means that all of it is charged.

An answer in one piece tells its usage once. A stream tells it with every piece, for the choice that the piece belongs
to, and at its end for the whole call; one that was cut is settled by the most that each choice said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.endpoint.calls import Call


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of prompts, and of what was made from them."""

    prompt: int = 0
    made: int = 0

    def at_least(self, other: Spent) -> Spent:
        """Return the larger of each."""
        return Spent(max(self.prompt, other.prompt), max(self.made, other.made))


@dataclass(slots=True)
class Meter:
    """Counts one call."""

    call: Call
    _whole: Spent | None = None
    _choices: dict[int, Spent] = field(default_factory=dict)

    def hear(self, piece: Mapping[str, Any]) -> None:
        """Take note of one answer, or of one piece of a stream."""
        usage = piece.get("usage")
        if not isinstance(usage, dict):
            return
        said = Spent(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
        choices = piece.get("choices") if self.call.stream else None
        if not choices:
            self._whole = said
        for choice in choices or ():
            at = _count(choice, "index")
            self._choices[at] = self._choices.get(at, Spent()).at_least(said)

    def tokens(self) -> int:
        """Return what is charged: each prompt as often as it was worked through, and every token that was made."""
        if self._whole is not None:  # a server counts a prompt once, however many answers were asked for
            return self._whole.prompt * self.call.answers + self._whole.made
        heard = sum(each.prompt + each.made for each in self._choices.values())
        silent = max(0, self.call.sequences - len(self._choices))
        return heard + -(-self.call.most * silent // self.call.sequences)


def _count(said: Any, name: str) -> int:
    """Return a number that a server said, 0 for whatever is none."""
    value = said.get(name) if isinstance(said, dict) else None
    return value if type(value) is int and value > 0 else 0

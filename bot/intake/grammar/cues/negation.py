"""Words that turn a wish into its opposite."""

from __future__ import annotations

from typing import Final

NOT: Final = (
    r"(?:not|don't|dont|doesn't|never|can't|cannot|cant|couldn't|won't|mustn't|shouldn't|isn't"
    r"|wouldn't|ne|no longer|unable to|refuse to)"
)
"""A pattern of negations in the pivot."""

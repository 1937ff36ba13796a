"""What a builder works on, and what it fills in: values, doubts and the words that name nothing known."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.intake.grammar.amounts import Amount
from bot.intake.grammar.corrections import taken_back
from bot.intake.grammar.index import of_kind
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.grammar.tokens import Token
from bot.intake.reading import Doubt, DoubtReason
from bot.intake.vocabulary import Name, Vocabulary

_NEGATED = frozenset({"not", "without", "no", "don't", "never", "instead", "than"})


@dataclass(slots=True)
class Sheet:
    """`clause` is the wish without its purpose, `whole` with it; `slots` and `doubts` are filled in."""

    clause: Skeleton
    whole: Skeleton
    text: str
    folded: str
    now: datetime
    vocabulary: Vocabulary
    sender: str = ""
    amounts: tuple[Amount, ...] = ()
    """Numbers of tokens that the message names."""
    slots: dict[str, Any] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)

    def doubt(self, slot: str, reason: DoubtReason, said: str = "", candidates: tuple[str, ...] = ()) -> None:
        """Ask about a slot."""
        self.doubts.append(Doubt(slot=slot, reason=reason, said=said, candidates=candidates))

    def said(self, token: Token) -> str:
        """Return the person's words for a token."""
        return self.text[token.start : token.end]

    def unknown(self, slot: str, said: str) -> None:
        """Note a name that the vocabulary does not have."""
        self.unresolved.append(said)
        self.doubt(slot, DoubtReason.UNKNOWN_NAME, said)

    def pick(self, kind: str, slot: str) -> Name | None:
        """Return the one name of a kind that is meant; several candidates, or several names, are a doubt."""
        tokens = [token for token in self.clause.named(kind) if not self.negated(token)]
        tokens = self._last_corrected(tokens, kind)
        items = {name: item for token in tokens for name, item in of_kind(token.value, kind).items()}
        exact = [of_kind(token.value, kind) for token in tokens]
        narrow = [each for each in exact if len(each) == 1]
        if len(items) > 1 and narrow and all(each.keys() >= narrow[0].keys() for each in exact):
            items = dict(narrow[0])  # "an A100, the 80 GB one": the narrower word decides
        if len(items) > 1:
            several = any(len(each) > 1 for each in exact)
            reason = DoubtReason.AMBIGUOUS if several or kind == "environments" else DoubtReason.COMPETING
            self.doubt(slot, reason, ", ".join(self.said(token) for token in tokens), tuple(items))
        return next(iter(items.values())) if len(items) == 1 else None

    def negated(self, token: Token) -> bool:
        """Return whether "not", "without" or "instead of" stands before a token."""
        at = self.clause.tokens.index(token)
        before = [each.pivot for each in self.clause.tokens[max(at - 3, 0) : at]]
        if "," in before or "but" in before:
            before = before[max(i for i, word in enumerate(before) if word in {",", "but"}) + 1 :]
        return bool(_NEGATED & set(before)) and not (before and before[0] == "no" and len(before) > 1 and "," in before)

    def _last_corrected(self, tokens: list[Token], kind: str) -> list[Token]:
        if len(tokens) < 2:  # noqa: PLR2004 nothing to take back
            return tokens
        places = [self.clause.tokens.index(token) for token in tokens]
        names = [set(of_kind(token.value, kind)) for token in tokens]
        if names[-1] != names[-2] and taken_back(self.clause, places[-2], places[-1]):
            return tokens[-1:]
        return tokens

"""Text for the governed model: what stands after "ask the llm:" is content, and never a command to the desk."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from bot.intake.grammar.text import fold
from bot.intake.vocabulary import ModelName

_MODEL: Final = (
    r"(?:(?:the|our|your|my|a|das|dem|die|al|el|le|la|au|unser|nuestro|notre) ){0,2}(?:(?:governed"
    r"|internal|company|approved|hosted|in-house|corporate|sanctioned|big|large|gobernado|gouverne) ){0,2}"
    r"(?:llm|language model|ai model|ai assistant|assistant|chat ?bot|gen ?ai|chatgpt|gpt|sprachmodell"
    r"|ki|ia|ai|modelo de lenguaje|modele de langage)"
)
_GOVERNED: Final = (
    r"(?:(?:the|our|das|el|le|dem|al|au) )?(?:governed|internal|company|approved|hosted|gobernado) (?:model"
    r"|modell|modelo|modele)(?: gobernado)?|(?:the|el|le|das|al|au|dem) (?:model|modelo|modele"
    r"|modell)(?= ?:| to\b| gouverne| gobernado)"
)

_ASK: Final = re.compile(
    rf"^(?:@\S+ )?(?:(?:hey|hi|hello|please|pls|bitte|por favor|svp|can you|could you|would you"
    rf"|can i|could i|i want to|i'd like to|let's|kannst du|puedes|peux-tu)[ ,]+){{0,4}}"
    rf"(?:(?:ask|have|let|get|make|tell|query|prompt|use|run on|send to|pass to|consult|frag"
    rf"|frage|bitte|lass|pregunta|preguntale|pide|demande|interroge|genai|put to) (?:{_MODEL}"
    rf"|{_GOVERNED})|{_MODEL} ?(?=[:,]))"
    r"(?: (?:gouverne|gobernado))?(?: (?:to|about|for|please|bitte|que|de|for me))?\s*[:,-]?\s*",
    re.IGNORECASE,
)
_TRAILING: Final = re.compile(
    rf"^(?P<lead>.{{1,80}}?) (?:with|using|via|through|mit|con|avec|on) (?:{_MODEL}|{_GOVERNED})\s*(?::"
    rf"|$)\s*(?P<rest>.*)$",
    re.IGNORECASE,
)


_TO: Final = (
    r"^(?:@\S+ )?(?:(?:hey|hi|hello|please|pls|bitte|por favor|svp|can you|could you)[ ,]+){{0,3}}"
    r"(?:ask|query|prompt|frag|frage|pregunta(?:le)? a|demande a|interroge) (?:the |das |el |le |la )?(?P<name>{names})"
    r"(?: (?:model|modell|modelo|modele))?(?:\s*[:,]\s*| (?:to|about|for|nach|zu|que|de|sobre|a) )"
)


def prompt_to(text: str, folded: str, models: tuple[ModelName, ...]) -> tuple[str | None, str | None]:
    """Return the model that is named and what is to be asked of it; no name for the governed model, no prompt for neither."""
    for pattern, model in _patterns(models):
        match = pattern.match(folded)
        if match and text[match.end() :].strip():
            return model, text[match.end() :].strip()
    return None, prompt_in(text, folded)


@lru_cache(maxsize=8)
def _patterns(models: tuple[ModelName, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    made = []
    for model in models:
        names = "|".join(re.escape(fold(name)) for name in (model.name, *model.aliases))
        made.append((re.compile(_TO.format(names=names)), model.name))
    return tuple(made)


def prompt_in(text: str, folded: str) -> str | None:
    """Return what is to be asked of the governed model, None when the text asks the desk for something."""
    match = _ASK.match(folded)
    if match and match.end() < len(text):
        return text[match.end() :].strip() or None
    trailing = _TRAILING.match(folded)
    if trailing and not re.search(r"\b(?:deploy|gpu|access|h100|roll)", trailing.group("lead")):
        lead, rest = text[: trailing.end("lead")], text[trailing.start("rest") :]
        return f"{lead}: {rest}".rstrip(": ")
    return None

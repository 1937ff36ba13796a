"""Text for the governed model: what stands after "ask the llm:" is content, and never a command to the desk."""

from __future__ import annotations

import re
from typing import Final

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

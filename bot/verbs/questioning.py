"""Asking a model with one's own key: entered first, answered by the hands, and charged to the key's budget."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.book import Write
from ledger.nouns import KeyForm, Personal, request_name
from ledger.streams.question import AT_ONCE, Asked, Sampling, stream_of
from ledger.streams.request import Request, Status

LONGEST: Final = 8000
"""Characters of a question."""
TOKENS: Final = 800
"""Of an answer at most, unless the model answers with less."""
TEMPERATURE: Final = 70
"""In hundredths."""
_KEYS: Final = 200
"""How many of a person's newest requests are looked through for keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A question that was entered, with the request whose key pays for the answer."""

    request: Request
    asked: Asked


class Questioning(Steps):
    """Ask a model."""

    def put(self, slack: str, name: str, prompt: str, model: str | None = None) -> Put | Refused:
        """Enter a question to `model`, or to the one model that this person has a key for.

        Args:
            name: of the question, from `new_question`: whoever shows it must know it before anybody follows the ledger.
        """
        holder = self.subject(slack)
        if len(prompt) > LONGEST:
            return Refused(reason=Reason.TOO_LONG, detail=f"{LONGEST:,}")
        return self._retry(lambda: self._put(holder, name, prompt, model))

    def keys_of(self, holder: str) -> list[Request]:
        """Return the keys that somebody holds now, the newest first."""
        found = (self.book.request(number) for number in self.book.requests.of(holder, _KEYS))
        now = self._clock()
        return [
            each
            for each in found
            if each is not None
            and isinstance(each.form, KeyForm)
            and (each.beneficiary, each.status) == (holder, Status.RUNNING)
            and (each.not_after is None or now < each.not_after)
        ]

    def _put(self, holder: str, name: str, prompt: str, model: str | None) -> Put | Refused:
        keys = self.keys_of(holder)
        names = sorted({model_of(each)[0] for each in keys})
        if model is None and len(names) > 1:
            return Refused(reason=Reason.SEVERAL_MODELS, detail=", ".join(names))
        mine = [each for each in keys if model in {None, model_of(each)[0]}]
        if not mine:
            return Refused(reason=Reason.NO_KEY, detail=model or "")
        if stop := self.book.halts().over(mine[0].form.resource):
            return Refused(reason=Reason.FROZEN, number=mine[0].number, people=(stop.by,), resource=stop.resource)
        return self._enter_question(holder, name, prompt, mine[0])

    def _enter_question(self, holder: str, name: str, prompt: str, key: Request) -> Put | Refused:
        questions, (model, environment) = self.book.questions(key.number), model_of(key)
        if len(questions.waiting) >= AT_ONCE:
            return Refused(reason=Reason.TOO_MANY_QUESTIONS, number=key.number, detail=request_name(key.number))
        output = self.policy().catalogue.models[model].serving
        asked = Asked(
            question=name,
            by=holder,
            model=model,
            environment=environment,
            prompt=Personal(prompt),
            sampling=Sampling(
                temperature=TEMPERATURE,
                max_tokens=min(TOKENS, output.output if output is not None else TOKENS),
                seed=secrets.randbelow(2**31),
            ),
        )
        stands = Write(stream=f"request:{key.number}", expected=key.version, entries=(), actor=holder)
        write = Write(stream=stream_of(key.number), expected=questions.version, entries=(asked,), actor=holder)
        self.book.append(write, stands)
        return Put(request=key, asked=asked)


def new_question() -> str:
    """Return a random name, 32 hex digits."""
    return secrets.token_hex(16)


def model_of(key: Request) -> tuple[str, str]:
    """Return the model and the environment that a key is for."""
    model, _, environment = key.form.resource.removeprefix("endpoint:").partition("@")
    return model, environment

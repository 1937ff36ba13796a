"""The shapes of vLLM's answers, whole and streamed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers.standin.asking import Call, Chat, Completion, Prompt
from workers.standin.words import Answer

FINGERPRINT: Final = "vllm-0.32.0-standin"
DONE: Final = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Every answer to one call.

    Args:
        model: the name that answers.
        answers: `call.n` of them for each prompt, in order.
    """

    call: Call
    model: str
    prompts: Sequence[Prompt]
    answers: Sequence[Answer]
    ident: str = field(default_factory=lambda: secrets.token_hex(8))
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def usage(self) -> dict[str, Any]:
        """What all of it cost; a prompt is counted once, however many answers it has."""
        return _usage(sum(prompt.tokens for prompt in self.prompts), sum(len(answer.pieces) for answer in self.answers))

    def whole(self) -> dict[str, Any]:
        """Return the answer to a call that does not stream."""
        chat = isinstance(self.call, Chat)
        choices = [self._choice(number, answer) for number, answer in enumerate(self.answers)]
        usage = self.usage | {"prompt_tokens_details": None, "completion_tokens_details": None}
        body = self._head("chat.completion" if chat else "text_completion") | {"choices": choices}
        return body | {"service_tier": None, "system_fingerprint": FINGERPRINT, "usage": usage}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """Yield what a stream carries, one token at a time, all sequences in step."""
        options = self.call.stream_options
        told = options is not None and bool(options.include_usage)
        running = told and options is not None and bool(options.continuous_usage_stats)
        if isinstance(self.call, Chat):
            for number in range(len(self.answers)):
                yield self._chunk(number, {"delta": {"role": "assistant", "content": ""}}, 0, running=running)
        for at in range(max(len(answer.pieces) for answer in self.answers)):
            for number, answer in enumerate(self.answers):
                if at < len(answer.pieces):
                    yield self._chunk(number, self._step(answer, at), at + 1, running=running)
        if told:
            yield self._head(self._object) | {"choices": [], "usage": self.usage, "system_fingerprint": FINGERPRINT}

    @property
    def _object(self) -> str:
        return "chat.completion.chunk" if isinstance(self.call, Chat) else "text_completion"

    def _head(self, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl" if isinstance(self.call, Chat) else "cmpl"
        return {"id": f"{prefix}-{self.ident}", "object": kind, "created": self.created, "model": self.model}

    def _choice(self, number: int, answer: Answer) -> dict[str, Any]:
        if isinstance(self.call, Chat):
            said: dict[str, Any] = {"message": {"role": "assistant", "content": answer.text, "refusal": None}}
        else:
            said = {"text": self._echo(number) + answer.text}
        end = {"finish_reason": answer.reason, "stop_reason": answer.stopped_by}
        return {"index": number, **said, "logprobs": None, **end}

    def _echo(self, number: int) -> str:
        echoed = isinstance(self.call, Completion) and self.call.echo
        return self.prompts[number // self.call.n].text if echoed else ""

    def _step(self, answer: Answer, at: int) -> dict[str, Any]:
        piece = answer.pieces[at]
        said: dict[str, Any] = {"delta": {"content": piece}} if isinstance(self.call, Chat) else {"text": piece}
        if at + 1 == len(answer.pieces):
            return said | {"finish_reason": answer.reason, "stop_reason": answer.stopped_by}
        return said

    def _chunk(self, number: int, said: dict[str, Any], tokens: int, *, running: bool) -> dict[str, Any]:
        choice = {"index": number, "logprobs": None, "finish_reason": None, **said}
        body = self._head(self._object) | {"choices": [choice]}
        return body | {"usage": _usage(self.prompts[number // self.call.n].tokens, tokens)} if running else body


def tokens_in(chunk: dict[str, Any]) -> int:
    """Return how many tokens a chunk carries: none where it names the speaker or the cost."""
    return sum("role" not in choice.get("delta", {}) for choice in chunk["choices"])


def _usage(prompt: int, completion: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}

"""What a call asks for: read as leniently as vLLM reads it, refused in vLLM's words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError

MOST_SEQUENCES: Final = 16384
DEFAULT_MAX_TOKENS: Final = 16
"""Of completions; a chat without a limit goes on to the end of the context."""
_BYTES_PER_TOKEN: Final = 4
_PER_MESSAGE: Final = 3

_Shape = TypeVar("_Shape", bound=BaseModel)


class RefusedError(Exception):
    """Raised when a call is refused; it holds vLLM's answer.

    Args:
        message: what the caller reads.
        kind: vLLM's name of the fault.
        param: which parameter is at fault.
        status: of the HTTP answer, and in its body.
    """

    def __init__(
        self, message: str, *, kind: str = "BadRequestError", param: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": status}}

    @classmethod
    def of(cls, message: str, param: str, value: object) -> Self:
        """A refused value of a parameter."""
        return cls(f"{message} (parameter={param}, value={value})", param=param)


class StreamOptions(BaseModel):
    """What a stream says of its cost."""

    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class Call(BaseModel):
    """What both kinds of calls have; unknown fields are passed over."""

    model: str | None = None
    max_tokens: int | None = None
    n: int = 1
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    ignore_eos: bool = False

    @property
    def most(self) -> int | None:
        """How many tokens an answer may have."""
        return self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends an answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def prompts(self) -> list[Prompt]:
        """Return every prompt; each is answered `n` times."""
        raise NotImplementedError


class Part(BaseModel):
    """A piece of a message."""

    type: str
    text: str = ""


class Message(BaseModel):
    """One turn of a chat, of whatever role."""

    role: str
    content: str | list[Part]


class Chat(Call):
    """POST /v1/chat/completions."""

    messages: list[Message]
    max_completion_tokens: int | None = None

    @property
    def most(self) -> int | None:
        """The newer field wins."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def prompts(self) -> list[Prompt]:
        """Return the one conversation."""
        if not self.messages:
            raise RefusedError("Cannot apply chat template to an empty conversation. Provide at least one message.")
        return [Prompt.of("".join(map(_said, self.messages)), more=1 + _PER_MESSAGE * len(self.messages))]


class Completion(Call):
    """POST /v1/completions."""

    prompt: list[int] | list[list[int]] | str | list[str] | None = None
    max_tokens: int | None = DEFAULT_MAX_TOKENS
    echo: bool = False

    def prompts(self) -> list[Prompt]:
        """Return the texts or lists of token ids."""
        if self.prompt is None or self.prompt == "":
            words = "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)"
            raise RefusedError(words, param="prompt")
        if self.prompt == []:
            raise RefusedError("You must pass at least one prompt")
        if isinstance(self.prompt, str) or isinstance(self.prompt[0], int):
            return [Prompt.of(self.prompt)]
        return [Prompt.of(one) for one in self.prompt]


class AdapterPlace(BaseModel):
    """POST /v1/load_lora_adapter."""

    lora_name: str
    lora_path: str
    load_inplace: bool = False


class AdapterName(BaseModel):
    """POST /v1/unload_lora_adapter."""

    lora_name: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text, and for how many tokens it counts."""

    text: str
    tokens: int

    @classmethod
    def of(cls, given: object, more: int = 0) -> Self:
        """Count a list of ids as what it is, and a text as a token for every four bytes."""
        if isinstance(given, str):
            return cls(given, more + -(-len(given.encode()) // _BYTES_PER_TOKEN))
        return cls(str(given), more + (len(given) if isinstance(given, list) else 0))


def parse(shape: type[_Shape], body: bytes, content_type: str) -> _Shape:
    """Return the body as `shape`; raises RefusedError as FastAPI and vLLM word it."""
    if content_type.partition(";")[0].strip() != "application/json":
        raise RefusedError(
            "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
            kind="Bad Request",
        )
    try:
        return shape.model_validate(_value(body), from_attributes=True)
    except ValidationError as error:
        found = error.errors()
        findings = [_finding(one["type"], one["loc"], one["msg"], one["input"]) for one in found]
        raise _worded(findings, found[0]["loc"]) from None


def check(call: Call, context: int) -> list[Prompt]:
    """Return the prompts of a call that may be answered; raises RefusedError."""
    if call.stream_options is not None and not call.stream and call.stream_options.model_fields_set:
        words = "Stream options can only be defined when `stream=True`. (parameter=stream_options)"
        raise RefusedError(words, param="stream_options")
    prompts = call.prompts()
    if call.most is not None and call.most < 1:
        raise RefusedError.of(f"max_tokens must be at least 1, got {call.most}.", "max_tokens", call.most)
    if call.most is not None and call.most > context:
        words = f"max_tokens={call.most} cannot be greater than max_model_len={context}. "
        raise RefusedError.of(words + "Please request fewer output tokens.", "max_tokens", call.most)
    _check_numbers(call)
    if any(prompt.tokens == context for prompt in prompts):
        raise RefusedError.of("max_tokens must be at least 1, got 0.", "max_tokens", 0)
    if any(prompt.tokens > context for prompt in prompts):
        raise RefusedError.of(_too_long(context), "input_tokens", context + 1)
    return prompts


def _check_numbers(call: Call) -> None:
    if "" in call.stops:
        raise RefusedError("stop cannot contain an empty string.")
    if call.n < 1:
        raise RefusedError(f"n must be at least 1, got {call.n}.")
    if call.n > MOST_SEQUENCES:
        words = f"n must be at most {MOST_SEQUENCES}, got {call.n}. "
        raise RefusedError(words + "To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable.")
    if call.temperature is not None and call.temperature < 0:
        words = f"temperature must be non-negative, got {call.temperature}."
        raise RefusedError.of(words, "temperature", call.temperature)
    if call.top_p is not None and not 0 < call.top_p <= 1:
        raise RefusedError.of(f"top_p must be in (0, 1], got {call.top_p}.", "top_p", call.top_p)


def _too_long(context: int) -> str:
    return (
        f"This model's maximum context length is {context} tokens. However, your prompt contains at least {context + 1} "
        "input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input "
        "prompt."
    )


def _value(body: bytes) -> Any:
    if not body:
        raise _worded([_finding("missing", (), "Field required", None)], ())
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        finding = _finding("json_invalid", (error.pos,), "JSON decode error", {}) | {"ctx": {"error": error.msg}}
        raise _worded([finding], (error.pos,)) from None
    except UnicodeDecodeError:
        raise UnreadableError from None


class UnreadableError(Exception):
    """Raised when a body is no text at all."""


def _finding(kind: str, where: Sequence[int | str], words: str, given: object) -> dict[str, Any]:
    shown = f"<{type(given).__name__} of {len(given)} items>" if isinstance(given, dict | list) else str(given)
    return {"type": kind, "loc": _path(where), "msg": words, "input": shown}


def _worded(findings: list[dict[str, Any]], first: Sequence[int | str]) -> RefusedError:
    count = f"{len(findings)} validation error{'s' if len(findings) > 1 else ''}:"
    return RefusedError("\n  ".join([count, *map(str, findings)]), kind="Bad Request", param=_path(first))


def _path(where: Sequence[int | str]) -> str:
    """Name a place without the names of the shapes that were tried there."""
    return ".".join(["body", *(str(step) for step in where if not _is_shape(step))])


def _is_shape(step: int | str) -> bool:
    return isinstance(step, str) and (step in {"str", "int"} or step.startswith("list["))


def _said(message: Message) -> str:
    return message.content if isinstance(message.content, str) else "".join(part.text for part in message.content)

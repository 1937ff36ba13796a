"""What a caller asks of a model: rebuilt field by field, and what it can cost at most.

Every way around a token budget that a vLLM server offers is closed here: several sequences from one call, prompts in
lists, two limits of which one wins, texts that pass for numbers, beam search, echoes, the logits of whole prompts. What
is not known is refused; what is sent was built here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from workers.endpoint import strict
from workers.endpoint.errors import bad
from workers.endpoint.strict import Check, number, one_of, text, truth, whole

BODY: Final = 2**20
"""Bytes of a body, unless the endpoint is set otherwise."""
_DROPPED: Final = frozenset({"user", "metadata", "store", "service_tier", "stream_interval"})
"""Fields that clients send and that change no answer; `stream_interval` would hide what a cut stream has cost."""
_PER_MESSAGE: Final = 8
"""Tokens that a chat template puts around each message."""
_IDS: Final = 2**31
_MESSAGES: Final = 1000
_STOPS: Final = 4
_STOP: Final = 200


class Route(StrEnum):
    """The paths that are passed on, exactly as they stand; there is no other."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one call to a model may ask for.

    Args:
        context: tokens of prompt and answer together, the server's `max_model_len`.
        output: tokens of an answer at most, and where the caller says nothing.
        sequences: answers or inputs of one call at most.
        template: tokens that stand around a whole prompt, such as a chat template's own system message.
        byte_level: whether no text has more tokens than bytes (byte-level BPE); else a prompt counts as the context.
    """

    context: int
    output: int
    sequences: int = 8
    template: int = 64
    byte_level: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a model is served now: under which name, what a call to it may ask for, and by which paths."""

    name: str
    bounds: Bounds
    routes: frozenset[Route] = frozenset({Route.CHAT, Route.COMPLETIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as it is passed on.

    Args:
        body: built from what was allowed, with the version's own name for the model.
        model: the name that the caller gave.
        stream: whether the answer comes in pieces.
        usage: whether the caller asked for the usage in a stream; if not, it is taken out again.
        answers: how often each prompt is worked through, for an answer each.
        sequences: prompts times answers.
        most: tokens that it can cost at most, to be reserved.
    """

    route: Route
    body: Mapping[str, Any]
    model: str
    stream: bool
    usage: bool
    answers: int
    sequences: int
    most: int


def read(route: Route, raw: bytes, served: Callable[[str], Served], *, most_bytes: int = BODY) -> Call:
    """Return the call in a body.

    Args:
        served: returns how the model of a name is served, raises CallError when it is not.
        most_bytes: of the body.

    Raises:
        CallError: it is not passed on; says which field and what to do.
    """
    body = strict.parse(raw, most_bytes=most_bytes)
    model = body.get("model")
    if type(model) is not str:
        raise bad("model", "must be the name of a model; GET /v1/models lists them")
    how = served(model)
    if route not in how.routes:
        raise bad("model", f"{model} answers {' and '.join(sorted(how.routes))} alone")
    asked = strict.rebuild(body, _fields(route, how.bounds), _DROPPED) | {"model": how.name}
    return (
        _embedding(model, asked, how.bounds)
        if route is Route.EMBEDDINGS
        else _generation(route, model, asked, how.bounds)
    )


def _embedding(model: str, asked: dict[str, Any], bounds: Bounds) -> Call:
    inputs = _prompts("input", asked, bounds)
    most = sum(_prompt_bound(each, bounds) for each in inputs)
    return Call(
        route=Route.EMBEDDINGS,
        body=asked,
        model=model,
        stream=False,
        usage=True,
        answers=1,
        sequences=len(inputs),
        most=most,
    )


def _generation(route: Route, model: str, asked: dict[str, Any], bounds: Bounds) -> Call:
    stream, usage, output = _stream(asked), _wants_usage(asked), _output(asked, bounds)
    if route is Route.CHAT:
        prompts = [_chat_bound(asked, bounds)]
    else:
        prompts = [_prompt_bound(each, bounds) for each in _prompts("prompt", asked, bounds)]
    answers = asked.get("n", 1)
    sequences = len(prompts) * answers
    if sequences > bounds.sequences:
        raise bad("n", f"times the prompts is {sequences}; at most {bounds.sequences} in one call")
    body = asked | {"max_tokens": output, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    most = sum(answers * min(bounds.context, prompt + output) for prompt in prompts)
    return Call(
        route=route,
        body=body,
        model=model,
        stream=stream,
        usage=usage,
        answers=answers,
        sequences=sequences,
        most=most,
    )


def _stream(asked: dict[str, Any]) -> bool:
    stream = bool(asked.pop("stream", False))
    if "stream_options" in asked and not stream:
        raise bad("stream_options", "goes with stream: true alone")
    return stream


def _wants_usage(asked: dict[str, Any]) -> bool:
    """Take out what the caller said of usage in a stream; it is asked for in any case."""
    return bool((asked.pop("stream_options", None) or {}).get("include_usage", False))


def _output(asked: dict[str, Any], bounds: Bounds) -> int:
    """Take out the two words for the longest answer, and return the one number that is meant."""
    said = {asked.pop(name) for name in ("max_tokens", "max_completion_tokens") if name in asked}
    if len(said) > 1:
        raise bad("max_tokens", "and max_completion_tokens differ; give one of them")
    return said.pop() if said else bounds.output


def _chat_bound(asked: Mapping[str, Any], bounds: Bounds) -> int:
    if "messages" not in asked:
        raise bad("messages", "is missing")
    if not bounds.byte_level:
        return bounds.context
    said = sum(len(part.encode()) + _PER_MESSAGE for message in asked["messages"] for part in _texts(message))
    return min(bounds.context, said + bounds.template)


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message["content"]
    said = [content] if isinstance(content, str) else [part["text"] for part in content]
    return [*said, message.get("name", "")]


def _prompt_bound(prompt: str | list[int], bounds: Bounds) -> int:
    if isinstance(prompt, list):
        return min(bounds.context, len(prompt) + bounds.template)
    return min(bounds.context, len(prompt.encode()) + bounds.template) if bounds.byte_level else bounds.context


def _prompts(name: str, asked: Mapping[str, Any], bounds: Bounds) -> list[str | list[int]]:
    """Return the prompts in one of the four shapes: a text, texts, token ids, lists of token ids."""
    if name not in asked:
        raise bad(name, "is missing")
    value = asked[name]
    found = [value] if isinstance(value, str) or _is_ids(value) else value
    if len(found) > bounds.sequences:
        raise bad(name, f"has {len(found)} parts; at most {bounds.sequences} in one call")
    return list(found)


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) is int and 0 <= each < _IDS for each in value)


def _shapes(name: str, value: Any) -> Any:
    """A prompt in any of its four shapes, none of them empty or mixed."""
    texts = isinstance(value, list) and bool(value) and all(isinstance(each, str) and each for each in value)
    lists = isinstance(value, list) and bool(value) and all(_is_ids(each) for each in value)
    if (isinstance(value, str) and value) or texts or lists or _is_ids(value):
        return value
    raise bad(name, "must be a text, token ids, or a list of either, and not empty")


def _messages(name: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= _MESSAGES:
        raise bad(name, f"must be a list of 1 to {_MESSAGES} messages")
    return [_message(f"{name}[{at}]", each) for at, each in enumerate(value)]


def _message(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(name, "must be a message with role and content")
    fields: dict[str, Check] = {"role": one_of("system", "user", "assistant"), "content": _content, "name": text(64)}
    said = {key: check(f"{name}.{key}", value[key]) for key, check in fields.items() if value.get(key) is not None}
    if unknown := value.keys() - fields.keys():
        raise bad(f"{name}.{min(unknown)[:80]}", "is not passed on by this endpoint; leave it out")
    if said.keys() < {"role", "content"}:
        raise bad(name, "must have a role and a content")
    return said


def _content(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise bad(name, "must be a text or a list of texts")
    for part in value:
        if not isinstance(part, dict) or part.keys() != {"type", "text"} or part["type"] != "text":
            raise bad(name, 'must hold parts of type "text" alone')
        text(BODY)(name, part["text"])
    return [{"type": "text", "text": part["text"]} for part in value]


def _stop(name: str, value: Any) -> Any:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not 0 < len(words) <= _STOPS or not all(map(_is_stop, words)):
        raise bad(name, f"must be one to {_STOPS} texts of at most {_STOP} characters")
    return value


def _is_stop(word: Any) -> bool:
    return isinstance(word, str) and 0 < len(word) <= _STOP


def _stream_options(name: str, value: Any) -> dict[str, bool]:
    if not isinstance(value, dict):
        raise bad(name, "must be an object")
    fields: dict[str, Check] = {"include_usage": truth, "continuous_usage_stats": truth}
    return strict.rebuild(value, fields, frozenset())


def _answer_format(name: str, value: Any) -> dict[str, Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in {"text", "json_object"} and value.keys() == {"type"}:
        return dict(value)
    if kind == "json_schema" and value.keys() == {"type", "json_schema"} and isinstance(value["json_schema"], dict):
        return dict(value)
    raise bad(name, 'must be {"type": "text"}, {"type": "json_object"} or a json_schema')


@cache
def _fields(route: Route, bounds: Bounds) -> Mapping[str, Check]:
    """The fields of a path, made once for each way in which models are bounded."""
    model: dict[str, Check] = {"model": text(200)}
    if route is Route.EMBEDDINGS:
        size = whole(1, 100_000)
        return model | {"input": _shapes, "encoding_format": one_of("float", "base64"), "dimensions": size}
    output = whole(1, bounds.output)
    common: dict[str, Check] = model | {
        "max_tokens": output,
        "n": whole(1, bounds.sequences),
        "temperature": number(0, 2),
        "top_p": number(0, 1),
        "top_k": whole(-1, 1_000_000),
        "min_p": number(0, 1),
        "presence_penalty": number(-2, 2),
        "frequency_penalty": number(-2, 2),
        "repetition_penalty": number(0.1, 2),
        "seed": whole(-(2**63), 2**63 - 1),
        "stop": _stop,
        "stream": truth,
        "stream_options": _stream_options,
        "response_format": _answer_format,
    }
    if route is Route.CHAT:
        own: dict[str, Check] = {"messages": _messages, "max_completion_tokens": output}
        return common | own | {"logprobs": truth, "top_logprobs": whole(0, 5)}
    return common | {"prompt": _shapes, "logprobs": whole(0, 5)}

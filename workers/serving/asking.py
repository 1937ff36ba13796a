"""Asking a model server on this machine: its health, its name, its figures, and the cases of an evaluation.

Every call is given its time; what is not answered is a plain no. The key goes to nobody but the address it is for.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from workers.models.errors import EvaluationError
from workers.models.evaluation import Answer, Case
from workers.serving.launch import HOST

HEALTH_S: Final = 3.0
CASE_S: Final = 300.0
ADAPTER_S: Final = 120.0
"""How long a server may take to read an adapter."""
_MOST: Final = 16 * 2**20
_BUSY: Final = re.compile(rb"^vllm:num_requests_(?:running|waiting)(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def healthy(port: int) -> bool:
    """Whether its health is good now."""
    return _ask(port, "GET", "/health", timeout_s=HEALTH_S)[0] == 200  # noqa: PLR2004


def serves(port: int, key: str, served: str) -> bool:
    """Whether it is the server that we started: it takes our key, and shows the model under our name."""
    status, body = _ask(port, "GET", "/v1/models", key=key, timeout_s=HEALTH_S)
    match _json(body) if status == 200 else None:  # noqa: PLR2004
        case {"data": [*models]}:
            return any(isinstance(model, dict) and model.get("id") == served for model in models)
    return False


def adapters(port: int, key: str) -> dict[str, str] | None:
    """Return the adapters that a server has, by the names it calls them, and where each lies; None when it does not say."""
    status, body = _ask(port, "GET", "/v1/models", key=key, timeout_s=HEALTH_S)
    match _json(body) if status == 200 else None:  # noqa: PLR2004
        case {"data": [*models]}:
            there = (model for model in models if isinstance(model, dict) and model.get("parent"))
            return {str(model.get("id")): str(model.get("root")) for model in there}
    return None


def load_adapter(port: int, key: str, served: str, path: Path) -> str:
    """Have a server read an adapter; return what is wrong, for people, empty when it has it or does not answer now."""
    body = {"lora_name": served, "lora_path": str(path)}
    status, said = _ask(port, "POST", "/v1/load_lora_adapter", key=key, body=_bytes(body), timeout_s=ADAPTER_S)
    if status in {0, 200} or b"already been loaded" in said:
        return ""
    if b"max_lora_rank" in said:
        return "Its rank is higher than the servers of this model allow (--max-lora-rank)."
    return "The server refused it: it was made for another base model, or its files are no adapter that vLLM can read."


def unload_adapter(port: int, key: str, served: str) -> str:
    """Have a server forget an adapter; return what is wrong, for people, empty when it is gone or it does not answer now."""
    body = _bytes({"lora_name": served})
    status, _ = _ask(port, "POST", "/v1/unload_lora_adapter", key=key, body=body, timeout_s=ADAPTER_S)
    return "" if status in {0, 200, 404} else f"The server did not take it away (status {status})."


def idle(port: int) -> bool:
    """Whether its own figures say that nothing runs or waits; what cannot be read is not idle."""
    status, body = _ask(port, "GET", "/metrics", timeout_s=HEALTH_S)
    busy = _BUSY.findall(body) if status == 200 else []  # noqa: PLR2004
    return bool(busy) and all(float(each) == 0 for each in busy)


def metrics(port: int) -> str:
    """Return its own figures as text; raises ValueError when it gives none."""
    status, body = _ask(port, "GET", "/metrics", timeout_s=HEALTH_S)
    if status != 200:  # noqa: PLR2004
        raise ValueError("no figures")
    return body.decode()


def answers(port: int, key: str, served: str, *, embeddings: bool) -> bool:
    """Whether it does its work at all: health alone says that it listens."""
    asked = {"input": "hello"} if embeddings else {"prompt": "hello", "max_tokens": 1}
    path = "/v1/embeddings" if embeddings else "/v1/completions"
    body = json.dumps({"model": served, **asked}).encode()
    return _ask(port, "POST", path, key=key, body=body, timeout_s=CASE_S)[0] == 200  # noqa: PLR2004


def answer(port: int, key: str, served: str, case: Case) -> Answer:
    """Return what it says to a case; raises EvaluationError when it does not answer, or not with words."""
    body = json.dumps({"model": served, **case.body()}).encode()
    begun = time.monotonic()
    status, said = _ask(port, "POST", "/v1/chat/completions", key=key, body=body, timeout_s=CASE_S)
    ms = (time.monotonic() - begun) * 1000
    match _json(said) if status == 200 else None:  # noqa: PLR2004
        case {"choices": [{"message": {"content": str(text)}}], **rest}:
            return Answer(text=text, ms=ms, tokens=_tokens(rest.get("usage")))
    raise EvaluationError(f"it answered with status {status}" if status else "it does not answer")


def _bytes(body: Mapping[str, str]) -> bytes:
    return json.dumps(body).encode()


def _tokens(usage: Any) -> int:
    match usage:
        case {"completion_tokens": int(made)}:
            return made
    return 0


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _ask(
    port: int, method: str, path: str, *, key: str = "", body: bytes | None = None, timeout_s: float
) -> tuple[int, bytes]:
    """Return status and body of one call, 0 and nothing when there is none in time."""
    headers: Mapping[str, str] = {"content-type": "application/json"} | (
        {"authorization": f"Bearer {key}"} if key else {}
    )
    with closing(HTTPConnection(HOST, port, timeout=timeout_s)) as connection:
        try:
            connection.request(method, path, body, dict(headers))
            said = connection.getresponse()
            return said.status, said.read(_MOST)
        except (OSError, HTTPException):
            return 0, b""

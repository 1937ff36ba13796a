"""What a stand-in is started with: vLLM's own flags, as far as they change what it answers, and a behaviour."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CONTEXT: Final = 4096
RUNTIME_ADAPTERS: Final = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
API_KEY: Final = "VLLM_API_KEY"
"""Where a key may stand instead of in the flag, which every list of processes shows."""
BEHAVIOUR: Final = "STANDIN_BEHAVIOUR"
"""A variable instead of the flag, for whoever starts it through something that knows vLLM's flags alone."""


class Behaviour(StrEnum):
    """How it fares from its start."""

    GOOD = "good"
    NEVER_READY = "never-ready"
    """It runs, and never listens."""
    UNHEALTHY = "unhealthy"
    """It listens, and its health is 503, as when an engine has died."""
    OUT_OF_MEMORY = "out-of-memory"
    """It ends at once, saying what torch says."""
    ENGINE_DIES = "engine-dies"
    """The engine dies in the first stream: an error inside it, then 503, then the end of the process."""
    KILLED = "killed"
    """The whole process is gone in its first stream, and the connection with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served, where, and how.

    Args:
        root: the model's folder or name, as `/v1/models` shows it; another root writes other words.
        names: what it is served as; answers and metrics show the first.
        context: tokens of prompt and answer together.
        key: what `/v1` asks for; None asks for nothing.
        adapters: whether LoRA adapters may be loaded and unloaded while it runs.
        max_rank: the largest rank of such an adapter.
        start_s: seconds until it listens.
        token_s: seconds for each token of an answer.
    """

    root: str
    names: tuple[str, ...]
    host: str
    port: int
    context: int = CONTEXT
    key: str | None = None
    adapters: bool = False
    max_rank: int = 16
    behaviour: Behaviour = Behaviour.GOOD
    start_s: float = 0.0
    token_s: float = 0.0


def read(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Serving:
    """Return what the command line asks for; vLLM's other flags are passed over, as they change no answer."""
    parser = argparse.ArgumentParser(prog="python -m workers.standin", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max-model-len", type=int, default=CONTEXT)
    parser.add_argument("--api-key")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--max-lora-rank", type=int, default=16)
    parser.add_argument("--behaviour", choices=list(Behaviour), default=environment.get(BEHAVIOUR, Behaviour.GOOD))
    parser.add_argument("--start-s", type=float, default=0.0)
    parser.add_argument("--token-s", type=float, default=0.0)
    read, _ = parser.parse_known_args(arguments)
    allowed = environment.get(RUNTIME_ADAPTERS, "").lower() in {"1", "true"}
    return Serving(
        root=read.model,
        names=tuple(read.served_model_name or (read.model,)),
        host=read.host,
        port=read.port,
        context=read.max_model_len,
        key=read.api_key or environment.get(API_KEY) or None,
        adapters=read.enable_lora and allowed,
        max_rank=read.max_lora_rank,
        behaviour=Behaviour(read.behaviour),
        start_s=read.start_s,
        token_s=read.token_s,
    )

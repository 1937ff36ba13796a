"""How a vLLM server is started: its command line, and its environment.

It listens on the loopback alone and takes a key that is made for it and stands in its environment, where a list of
processes does not show it. It loads safetensors and no code of the model's own, and asks no hub for anything.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from policies.serving import Serving

HOST: Final = "127.0.0.1"
MARK: Final = "QM_MODEL_SERVER"
"""The variable by which every process of a server is found again."""
COMMAND: Final = "-m vllm.entrypoints.openai.api_server"
STAND_IN: Final = "workers.standin"
"""What stands in such a command where nothing real is served."""
_QUIET: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
_KEPT_BACK: Final = ("QM_", "SLACK_", "PG")
"""What the environment of the keeper has and a model server does not need: addresses and secrets of the house."""


def command(launcher: tuple[str, ...], model: Path, served: str, port: int, serving: Serving) -> list[str]:
    """Return the command line of a server; which further arguments may stand in a catalogue is the policy's to say."""
    line = [
        *(*launcher, "--model", str(model), "--served-model-name", served, "--host", HOST, "--port", str(port)),
        *("--max-model-len", str(serving.context), "--load-format", "safetensors"),
    ]
    return [*line, *(("--enable-lora",) if serving.adapters else ()), *serving.arguments]


def launcher(text: str) -> tuple[str, ...]:
    """Return the program that starts a server: what `QM_VLLM_COMMAND` says, else vLLM under this Python."""
    return tuple(shlex.split(text)) if text else (sys.executable, *shlex.split(COMMAND))


def environment(key: str, mark: str, serving: Serving, ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return a server's environment: ours without the house's own settings, quiet, and with its key and its mark."""
    kept = {name: value for name, value in ours.items() if not name.startswith(_KEPT_BACK)}
    lora = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"} if serving.adapters else {}
    return {**kept, **_QUIET, **lora, "VLLM_API_KEY": key, MARK: mark}

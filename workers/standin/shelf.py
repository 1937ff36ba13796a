"""What is served: the model under its names, and the adapters that were loaded."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.standin.asking import AdapterPlace, RefusedError
from workers.standin.settings import Serving


@dataclass(frozen=True, slots=True)
class Served:
    """A name that answers, and whose words it writes."""

    name: str
    weights: str


class Shelf:
    """Models by name."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._adapters: dict[str, str] = {}

    def find(self, name: str | None) -> Served:
        """Return what answers to `name`, and the first model when none is named, as vLLM does; raises RefusedError."""
        serving = self._serving
        if not name or name in serving.names:
            return Served(serving.names[0], serving.root)
        if name in self._adapters:
            return Served(name, f"{serving.root}\0{self._adapters[name]}")
        words = f"The model `{name}` does not exist. Valid aliases: {', '.join(serving.names)}."
        raise RefusedError(words, kind="NotFoundError", param="model", status=404)

    def load(self, place: AdapterPlace) -> str:
        """Serve an adapter from now on and return what vLLM says; raises RefusedError."""
        name, path = place.lora_name, place.lora_path
        if not name or not path:
            raise RefusedError("Both 'lora_name' and 'lora_path' must be provided.", kind="InvalidUserInput")
        if name in self._serving.names:
            words = f"The lora adapter '{name}' conflicts with a served base model."
            raise RefusedError(words, kind="InvalidUserInput")
        if name in self._adapters and not place.load_inplace:
            words = f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, "
            raise RefusedError(words + "set 'load_inplace' to True.", kind="InvalidUserInput")
        self._check_rank(place)
        self._adapters[name] = path
        return f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, name: str) -> str:
        """Serve the adapter no longer and return what vLLM says; raises RefusedError."""
        if name not in self._adapters:
            words = f"The lora adapter '{name}' cannot be found."
            raise RefusedError(words, kind="NotFoundError", status=404)
        del self._adapters[name]
        return f"Success: LoRA adapter '{name}' removed successfully."

    def listing(self) -> dict[str, Any]:
        """Return what `/v1/models` shows."""
        serving = self._serving
        models = [_model(name, serving.root, None, serving.context) for name in serving.names]
        models += [_model(name, path, serving.names[0], None) for name, path in self._adapters.items()]
        return {"object": "list", "data": models}

    def _check_rank(self, place: AdapterPlace) -> None:
        try:
            rank = json.loads((Path(place.lora_path) / "adapter_config.json").read_text())["r"]
        except (OSError, ValueError, KeyError):
            words = f"Loading lora {place.lora_name} failed: No adapter found for {place.lora_path}"
            raise RefusedError(words, kind="NotFoundError", status=404) from None
        if rank > self._serving.max_rank:
            words = (
                f"Call to add_lora method failed: Worker failed with error 'LoRA rank {rank} is greater than max_lora_rank "
                f"{self._serving.max_rank}.', please check the stack trace above for the root cause"
            )
            raise RefusedError(words, kind="InternalServerError", status=500)


def _model(name: str, root: str, parent: str | None, context: int | None) -> dict[str, Any]:
    permission = {"id": f"modelperm-{secrets.token_hex(8)}", "object": "model_permission", "allow_sampling": True}
    return {
        "id": name,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "vllm",
        "root": root,
        "parent": parent,
        "max_model_len": context,
        "permission": [permission],
    }

"""Models as the catalogue names them, and how the ones that are really served are started and bounded.

    [models.fraud-detector.serving]
    context = 8192
    output = 1024
    arguments = ["--dtype", "bfloat16"]

The versions of a served model are not listed here: they are registered in the ledger, each with the digest of its
weights, and `policies.stock` puts what the ledger knows beside what the catalogue says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.nouns import AdapterForm, DeployForm
from ledger.streams.model import Model
from policies.errors import PolicyError
from policies.strictly import FILE, take

VLLM: Final = "vllm"
ARGUMENTS: Final = frozenset(
    {
        *("--dtype", "--quantization", "--kv-cache-dtype", "--seed", "--block-size", "--swap-space"),
        *("--gpu-memory-utilization", "--kv-cache-memory-bytes", "--cpu-offload-gb", "--num-gpu-blocks-override"),
        *("--tensor-parallel-size", "--pipeline-parallel-size", "--max-num-seqs", "--max-num-batched-tokens"),
        *("--enforce-eager", "--enable-prefix-caching", "--no-enable-prefix-caching", "--enable-chunked-prefill"),
        *("--no-enable-chunked-prefill", "--runner", "--convert", "--pooler-config", "--max-lora-rank", "--max-loras"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "--reasoning-parser", "--attention-backend"),
    }
)
"""The vLLM arguments that a catalogue may give: none that loads code, reads another file or opens an address."""
_VALUE: Final = re.compile(r"[A-Za-z0-9_.,:+][A-Za-z0-9_.,:+-]{0,127}", re.ASCII)
_SERVING: Final = {
    "context": int,
    "output": int,
    "sequences": int,
    "byte_level": bool,
    "embeddings": bool,
    "gpus": int,
    "arguments": tuple,
    "keep_s": int,
    "adapters": bool,
}
_USUAL: Final[Mapping[str, Any]] = {
    "sequences": 8,
    "byte_level": False,
    "embeddings": False,
    "gpus": 1,
    "arguments": [],
    "keep_s": 900,
    "adapters": False,
}
_MODEL: Final = {"owner": str, "versions": tuple, "latest": str, "aliases": tuple}


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a model is served.

    Args:
        context: tokens of prompt and answer together, vLLM's `--max-model-len`.
        output: most tokens of one answer.
        sequences: most answers or inputs of one call.
        byte_level: no text has more tokens than bytes.
        embeddings: answers embeddings instead of chat and completions.
        gpus: devices it takes, for people to read.
        arguments: further vLLM arguments, out of `ARGUMENTS`.
        keep_s: how long the version before stays ready after a switch at least, seconds.
        adapters: whether LoRA adapters may be loaded.
    """

    context: int
    output: int
    sequences: int
    byte_level: bool
    embeddings: bool
    gpus: int
    arguments: tuple[str, ...]
    keep_s: int
    adapters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelItem:
    """A model and its versions, oldest first; of one with `serving` they are the ledger's, once `known` is there."""

    name: str
    owner: str
    versions: tuple[str, ...]
    latest: str
    aliases: tuple[str, ...]
    serving: Serving | None = None
    known: Model | None = None

    def digest(self, version: str) -> str:
        """Return the digest that a version means now, empty where nobody registers weights."""
        found = self.known.resolve(version) if self.known is not None else None
        return found.digest if found is not None else ""

    def has(self, version: str, digest: str) -> bool:
        """Whether a form may name this version with this digest."""
        if self.serving is None:
            return version in self.versions and not digest
        return self.known is not None and self.known.knows(version, digest)

    def adapts(self, form: AdapterForm) -> bool:
        """Whether the adapter and the version that a form names are registered, and the model may have adapters.

        What is loaded may be taken away also where nothing may be loaded any more.
        """
        if self.serving is None or self.known is None or (form.load and not self.serving.adapters):
            return False
        beside = any(each.digest == form.base for each in self.known.registered)
        return beside and self.known.knows_adapter(form.adapter, form.digest)

    def meant(self, version: str | None, environment: str, *, rollback: bool, promote: bool) -> tuple[str, str] | None:
        """Return the version that is meant in an environment and its digest, None when none is or it is not known.

        Args:
            version: as it was said, None when none was.
            rollback: what answered there before comes first: its weights stay what they were then.
            promote: without a version, the canary is meant.
        """
        before = self.known.way_back(environment) if self.known is not None and rollback else ()
        for share in before:
            if version in {None, share.version}:
                return share.version, share.digest
        canary = self.known.canary(environment) if self.known is not None and promote and version is None else None
        if canary is not None:
            return canary.version, canary.digest
        if version is None or version not in self.versions:
            return None
        return version, self.digest(version)

    def versions_back(self, form: DeployForm) -> int:
        """Return how far back a form goes, 0 for what is newest.

        A way back of a served model counts in what answered there before, everything else in versions before the latest.
        """
        if self.known is not None and form.rollback:
            before = [share.digest for share in self.known.way_back(form.environment)]
            return before.index(form.digest) + 1 if form.digest in before else 0
        order = [*self.versions, self.latest]
        return max(order.index(self.latest) - order.index(form.version), 0)


def model_item(name: str, body: Any) -> ModelItem:
    """Return one of `[models]`; raises PolicyError naming what is wrong. A served model needs no list of versions."""
    place = f"models.{name}"
    if not isinstance(body, dict) or "serving" not in body:
        return ModelItem(name=name, **take(place, body, _MODEL, {"aliases": []}))
    rest = {key: value for key, value in body.items() if key != "serving"}
    if there := {"versions", "latest"} & set(rest):
        raise PolicyError(FILE, place, f"take out {min(there)}: versions of a served model are registered, not listed")
    taken = take(place, rest, _MODEL, {"aliases": [], "versions": [], "latest": ""})
    return ModelItem(name=name, **taken, serving=serving(f"{place}.serving", body["serving"]))


def serving(place: str, body: Any) -> Serving:
    """Return how a model is served; raises PolicyError for bounds that cannot be and for arguments that may not be."""
    found = Serving(**take(place, body, _SERVING, _USUAL))
    if found.context < 1 or found.sequences < 1:
        raise PolicyError(FILE, place, "context and sequences must be 1 or more")
    if not found.embeddings and not 1 <= found.output <= found.context:
        raise PolicyError(FILE, place, "output must be 1 or more, and no more than context")
    _check_arguments(place, found.arguments)
    return found


def _check_arguments(place: str, arguments: tuple[str, ...]) -> None:
    """Every word is an argument that is allowed, or the plain value of one."""
    for at, word in enumerate(arguments):
        name, joined, value = word.partition("=")
        if name.startswith("-"):
            fine = name in ARGUMENTS and (not joined or _VALUE.fullmatch(value) is not None)
        else:
            fine = at > 0 and arguments[at - 1] in ARGUMENTS and _VALUE.fullmatch(word) is not None
        if not fine:
            allowed = ", ".join(sorted(ARGUMENTS))
            raise PolicyError(FILE, f"{place}.arguments", f"{word[:60]!r} may not be given; allowed: {allowed}")

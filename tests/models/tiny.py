"""Make a language model of some hundred thousand random numbers that a real vLLM serves: nothing is downloaded.

A Llama of two layers, a byte-level BPE trained on the docstrings of the standard library, a chat template, and LoRA
adapters for it. It writes nonsense, and answers in milliseconds on a CPU. The same seed gives the same bytes.

As a command, by the Python of `.venv-models` (needs tokenizers, safetensors and NumPy; no torch):
`python tests/models/tiny.py FOLDER SEED`, and `--rank 8` for an adapter of that rank instead of a model.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

HIDDEN, LAYERS, HEADS, INNER = 64, 2, 2, 128
VOCABULARY, CONTEXT = 2048, 2048
SPECIAL = ("<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>")
BEGIN, END = SPECIAL[:2]
MODULES = (
    "argparse", "ast", "asyncio/tasks", "calendar", "collections/__init__", "concurrent/futures/_base", "configparser",
    "csv", "datetime", "decimal", "difflib", "email/message", "fractions", "functools", "heapq", "http/client",
    "importlib/abc", "inspect", "ipaddress", "json/__init__", "logging/__init__", "mailbox", "optparse", "pathlib",
    "random", "shutil", "socket", "statistics", "string", "subprocess", "tarfile", "tempfile", "textwrap", "threading",
    "typing", "unittest/mock", "urllib/request", "uuid", "zipfile",
)  # fmt: skip
"""Files of the standard library, without `.py`; those that a version lacks are passed over."""
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_model(folder: Path, seed: int) -> None:
    """Write a whole model into `folder`, as `save_pretrained` would; another seed is another version."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", _tokenizer_config())
    _write(folder / "config.json", _config(tokenizer.get_vocab_size()))
    _write(folder / "generation_config.json", {"bos_token_id": 0, "eos_token_id": 1})
    weights = _weights(seed, tokenizer.get_vocab_size())
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def make_adapter(folder: Path, seed: int, rank: int) -> None:
    """Write a LoRA adapter for every such model into `folder`, in PEFT's layout."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    weights = {}
    for layer in range(LAYERS):
        for part in ("q_proj", "v_proj"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{part}"
            weights[f"{name}.lora_A.weight"] = _normal(draw, rank, HIDDEN)
            weights[f"{name}.lora_B.weight"] = _normal(draw, HIDDEN, rank)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    _write(folder / "adapter_config.json", {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 4 * rank, "lora_dropout": 0.0,
        "target_modules": ["q_proj", "v_proj"], "bias": "none", "base_model_name_or_path": None,
        "inference_mode": True,
    })  # fmt: skip


def digest(folder: Path) -> str:
    """Return the SHA-256 over every file's name and bytes, in the order of names."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def docstrings() -> Iterator[str]:
    """Yield what the standard library says of itself, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in (root / f"{name}.py" for name in MODULES):
        if path.exists():
            yield from filter(None, map(_docstring, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))


def _docstring(node: ast.AST) -> str | None:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return ast.get_docstring(node) if documented else None


def _tokenizer() -> Tokenizer:
    """Byte-level: every text has tokens, and never more of them than it has bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(docstrings(), trainer)
    return tokenizer


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }


def _config(vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32",
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "vocab_size": vocabulary,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "head_dim": HIDDEN // HEADS,
        "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip


def _weights(seed: int, vocabulary: int) -> dict[str, np.ndarray]:
    """Draw every matrix from one generator, in a fixed order."""
    import numpy as np

    draw = np.random.default_rng(seed)
    ones = np.ones(HIDDEN, dtype=np.float32)
    weights = {"model.embed_tokens.weight": _normal(draw, vocabulary, HIDDEN)}
    for number in range(LAYERS):
        layer = f"model.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{layer}.self_attn.{part}.weight"] = _normal(draw, HIDDEN, HIDDEN)
        for part in ("gate_proj", "up_proj"):
            weights[f"{layer}.mlp.{part}.weight"] = _normal(draw, INNER, HIDDEN)
        weights[f"{layer}.mlp.down_proj.weight"] = _normal(draw, HIDDEN, INNER)
        weights[f"{layer}.input_layernorm.weight"] = ones
        weights[f"{layer}.post_attention_layernorm.weight"] = ones
    weights["model.norm.weight"] = ones
    weights["lm_head.weight"] = _normal(draw, vocabulary, HIDDEN)
    return weights


def _normal(draw: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return draw.normal(0.0, 0.1, (rows, columns)).astype("float32")


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True))


def main() -> None:
    """Make it beside its place first, so that what lies there is whole whoever else makes it, and print its digest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--rank", type=int)
    arguments = parser.parse_args()
    half = arguments.folder.with_name(f"{arguments.folder.name}.{os.getpid()}")
    if arguments.rank:
        make_adapter(half, arguments.seed, arguments.rank)
    else:
        make_model(half, arguments.seed)
    try:
        half.rename(arguments.folder)
    except OSError:
        shutil.rmtree(half)
        if not arguments.folder.exists():
            raise
    print(digest(arguments.folder))


if __name__ == "__main__":
    main()

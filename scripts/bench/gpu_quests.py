"""What the GPU rows train: a model made from a seed, chats of mixed lengths, documents of a row's length."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from arena import embedded

SHAPES: dict[str, dict[str, Any]] = {
    "qwen3-0.6b": {
        "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151_936, "max_position_embeddings": 40_960,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    },
    "tiny": {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
        "intermediate_size": 128, "vocab_size": 2048,
    },
}  # fmt: skip
MEAN_CONTEXT = 466
"""ℓ of the chats, as the goals name it; lengths are log-normal."""
SPREAD = 0.8
SEED = 20_261_121


def make_base(folder: Path, shape: dict[str, Any]) -> Path:
    config = json.loads((embedded.SOURCE / "config.json").read_bytes()) | shape
    if folder.exists():
        return folder
    making = folder.with_name(f"{folder.name}.making")
    making.mkdir(parents=True, exist_ok=True)
    for path in embedded.SOURCE.iterdir():
        shutil.copyfile(path, making / path.name)
    (making / "config.json").write_text(json.dumps(config))
    save_file(embedded.weights(config, SEED), making / "model.safetensors", metadata={"format": "pt"})
    return making.rename(folder)


def write_chat(path: Path, tokens: int, *, longest: int, tokenizer: Any) -> Path:
    """Conversations of mixed lengths, half of each the answer: in all about `tokens` tokens."""
    dice = np.random.default_rng(SEED)
    centre = np.log(min(MEAN_CONTEXT, longest / 4)) - 1.5 * SPREAD**2
    around = len(tokenizer.apply_chat_template(_conversation("", ""))["input_ids"])
    written = 0
    with open(path, "w", encoding="utf-8") as file:
        while written < tokens:
            length = int(np.clip(dice.lognormal(centre, SPREAD), 16, longest - around))
            halves = ("".join(dice.choice(_LETTERS, length // 2).tolist()) for _ in range(2))
            file.write(json.dumps({"messages": _conversation(*halves)}) + "\n")
            written += length + around
    return path


_LETTERS = np.array([chr(code) for code in range(0x30, 0x3A)])
"""Digits: a token each."""


def _conversation(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write_documents(path: Path, count: int, length: int) -> Path:
    """Texts somewhat longer than a row, of which the recipe takes a row's length."""
    dice = np.random.default_rng(SEED + 1)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            file.write(json.dumps({"text": "".join(dice.choice(_LETTERS, length + 64).tolist())}) + "\n")
    return path

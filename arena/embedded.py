"""The embedded hero: a Qwen3-architecture model of about 1M parameters, made from a seed without torch.

NumPy's Philox generator gives the same bytes on every machine, so two players start from the same hero.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from realm.disk import durable
from realm.world import CHECKOUT

SOURCE = CHECKOUT / "configs" / "heroes" / "embedded"
SEED = 20_261_121
FOLDER_NAME = "embedded"


def folder(models: Path) -> Path:
    """Where the embedded hero's base lies under `models`."""
    return models / "base" / FOLDER_NAME


def ensure(models: Path) -> Path:
    """The embedded hero's base folder under `models`, made if it is missing. Loads like any saved Qwen3."""
    made = folder(models)
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with durable.new_folder(made) as fresh:
            for path in SOURCE.iterdir():
                shutil.copyfile(path, fresh / path.name)
            config = json.loads((SOURCE / "config.json").read_bytes())
            save_file(weights(config, SEED), fresh / "model.safetensors", metadata={"format": "pt"})
    return made


def weights(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """All tensors of a Qwen3 model with tied embeddings: matrices normal, norms one."""
    rng = np.random.Generator(np.random.Philox(seed))
    width, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    deviation = config["initializer_range"]

    def matrix(rows: int, columns: int) -> np.ndarray:
        return np.asarray(rng.standard_normal((rows, columns)) * deviation, dtype=np.float32)

    tensors = {"model.embed_tokens.weight": matrix(config["vocab_size"], width)}
    for layer in range(config["num_hidden_layers"]):
        tensors |= {
            f"model.layers.{layer}.{name}.weight": value
            for name, value in (
                ("input_layernorm", np.ones(width, np.float32)),
                ("self_attn.q_proj", matrix(queries, width)),
                ("self_attn.k_proj", matrix(keys, width)),
                ("self_attn.v_proj", matrix(keys, width)),
                ("self_attn.o_proj", matrix(width, queries)),
                ("self_attn.q_norm", np.ones(head, np.float32)),
                ("self_attn.k_norm", np.ones(head, np.float32)),
                ("post_attention_layernorm", np.ones(width, np.float32)),
                ("mlp.gate_proj", matrix(inner, width)),
                ("mlp.up_proj", matrix(inner, width)),
                ("mlp.down_proj", matrix(width, inner)),
            )
        }
    tensors["model.norm.weight"] = np.ones(width, np.float32)
    return tensors

"""Small random models of six architectures go from profile and estimate into a battle, in full or by adapter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from arena import embedded
from arena.profiles.resolving import resolve
from arena.protocol import EventKind
from realm.config import RealmConfig
from realm.world import World
from tests.support import tiny_hero
from tests.support.runs import run

pytestmark = pytest.mark.slow

SMALL = {
    "vocab_size": 1024, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64,
}  # fmt: skip
CONFIGS = (
    Qwen2Config(**SMALL), Qwen3Config(**SMALL, head_dim=16), LlamaConfig(**SMALL), GemmaConfig(**SMALL, head_dim=16),
    PhiConfig(**SMALL | {"num_key_value_heads": 2}), MistralConfig(**SMALL, head_dim=16, sliding_window=None),
)  # fmt: skip


def save_model(folder: Path, config: PreTrainedConfig) -> Path:
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (embedded.SOURCE / name).exists():
            shutil.copyfile(embedded.SOURCE / name, folder / name)
    return folder


@pytest.mark.parametrize(
    ("config", "mode"),
    tuple(zip(CONFIGS, ("full", "lora", "lora", "full", "full", "lora"), strict=True)),
    ids=lambda value: value if isinstance(value, str) else value.model_type,
)
def test_each_is_resolved_and_trained(world: World, tmp_path: Path, config: PreTrainedConfig, mode: str) -> None:
    base = save_model(tmp_path / "model", config)
    keys = {"mode": mode, "rows_per_step": 4, "threads": 1, "warmup_steps": 1}
    found = resolve(world, RealmConfig(base_model=str(base), training=keys))
    assert (found.profile, found.refusal, found.recipe.max_length) == ("other-tiny", "", 64)
    assert "GB" in found.reason
    order = tiny_hero.make_order(tmp_path, rows=12, recipe=found.recipe, base_model=str(base))
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert events[-1].data["measured"]["like"]["mode"] == mode

"""What a model is, by its config.json: how it computes, and nothing of how it is to answer.

These files also say how to decode, what a forward pass returns and whether to keep a cache, and people edit them. All
of that is the realm's own affair, so it is left out before transformers reads the file. At which tokens the model ends
is read elsewhere (arena.rows.model_ends).
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, GenerationConfig, PreTrainedConfig

from arena.rows.model_ends import LARGEST_BYTES

_FILE = "config.json"
_OUTPUTS = frozenset({
    "output_hidden_states", "output_attentions", "output_scores", "output_router_logits", "return_dict",
    "use_return_dict", "torchscript", "use_cache", "attn_implementation", "_attn_implementation",
    "_attn_implementation_internal", "_attn_implementation_autoset", "is_encoder_decoder", "task_specific_params",
    "gradient_checkpointing", "use_bfloat16", "generation_config",
})  # fmt: skip
_TOKENS = ("eos_token_id", "bos_token_id", "pad_token_id")
_DECODING = frozenset(vars(GenerationConfig())) - {*_TOKENS, "transformers_version"}


def read(folder: Path) -> PreTrainedConfig:
    """The configuration of the model in `folder`. Raises OSError or ValueError, as transformers does."""
    path = folder / _FILE
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{path} has more than {LARGEST_BYTES // 10**6} MB")
    described = json.loads(path.read_bytes())
    if not isinstance(described, dict):
        raise ValueError(f"{path}: a mapping is expected")
    with tempfile.TemporaryDirectory() as bare:
        Path(bare, _FILE).write_text(json.dumps(_without_decoding(described)), encoding="utf-8")
        config: PreTrainedConfig = AutoConfig.from_pretrained(bare, trust_remote_code=False)
    config.name_or_path = str(folder)
    return config


def lies_in(source: str) -> bool:
    """Whether `source` has a configuration: a model of the hub has one, a folder with an adapter has none."""
    return not Path(source).is_dir() or Path(source, _FILE).is_file()


def _without_decoding(described: dict[str, Any]) -> dict[str, Any]:
    """The same without what says how to answer; a part of its own, as of a model that also sees, likewise."""
    left_out = _OUTPUTS | (_DECODING - _own_fields(described.get("model_type")))
    kept = {
        key: _without_decoding(value) if key.endswith("_config") and isinstance(value, dict) else value
        for key, value in described.items()
        if key not in left_out
    }
    return kept | {key: _ids(kept[key], described.get("vocab_size")) for key in _TOKENS if key in kept}


def _own_fields(model_type: object) -> set[str]:
    """Names that mean something of this architecture's own, such as the experts that a token is sent to."""
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        return set()
    return {field.name for field in fields(CONFIG_MAPPING[model_type])}


def _ids(value: Any, vocabulary: Any) -> Any:
    """Ids that a vocabulary can hold, one or several; None for what is none."""
    if isinstance(value, list):
        ids = [index for index in value if _ids(index, vocabulary) is not None]
        return ids or None
    most = vocabulary if type(vocabulary) is int else 2**31
    return value if type(value) is int and 0 <= value < most else None

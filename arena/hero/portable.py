"""What a saved model folder needs so that other programs read it as we do: transformers 4.57 and 5, peft, and those who
read the same files, such as vLLM and llama.cpp's converter.

transformers 5 writes the base of rotary positions and the tokenizer's class where release 4 does not look: it takes
10,000 for the one without a word, and refuse the other. Nothing here changes a weight or a token.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from realm.disk import durable

CONFIG, TOKENIZER, GENERATION, ADAPTER = (
    "config.json", "tokenizer_config.json", "generation_config.json", "adapter_config.json",
)  # fmt: skip
MODEL_CARD = "README.md"
"""peft writes one with the base model's folder in it."""
LARGEST_BYTES = 1_000_000
_KNOWN_TO_BOTH = "PreTrainedTokenizerFast"
_ONLY_IN_5 = frozenset({"TokenizersBackend", None})
_NOT_OF_A_MODEL = frozenset({"_from_model_config", "transformers_version"})


def generation_settings(folder: Path) -> dict[str, Any]:
    """What `generation_config.json` says, to be handed on; empty where it is no mapping that can be read."""
    path = folder / GENERATION
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            return {}
        told = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: told[key] for key in told if key not in _NOT_OF_A_MODEL} if isinstance(told, dict) else {}


def finish(folder: Path, *, generation: Mapping[str, Any], ends: Collection[int], base_model: str = "") -> None:
    """Complete a folder that transformers or peft has just written; files that are not there are not made.

    `ends` are the tokens at which the hero stops, all of which a reader must know.
    """
    _change(folder / CONFIG, _with_rope_base)
    _change(folder / TOKENIZER, _with_known_class)
    _change(
        folder / GENERATION, lambda told: told | dict(generation) | ({"eos_token_id": sorted(ends)} if ends else {})
    )
    _change(folder / ADAPTER, lambda told: told | {"base_model_name_or_path": _without_folders(base_model)})
    if (folder / ADAPTER).exists():
        (folder / MODEL_CARD).unlink(missing_ok=True)


def _change(path: Path, change: Any) -> None:
    if path.is_file():
        told = json.loads(path.read_bytes())
        durable.write_bytes(path, (json.dumps(change(told), indent=2, ensure_ascii=False) + "\n").encode(), sync=False)


def _with_rope_base(config: dict[str, Any]) -> dict[str, Any]:
    """Also for a model inside of one; whether it caches is not for the time of training to say."""
    whole = {key: _with_rope_base(value) if key == "text_config" else value for key, value in config.items()}
    whole |= {"use_cache": True} if "use_cache" in config else {}
    rope = config.get("rope_parameters")
    if not isinstance(rope, dict) or "rope_theta" not in rope:
        return whole
    scaling = {"rope_scaling": rope} if rope.get("rope_type", "default") != "default" else {}
    return whole | {"rope_theta": rope["rope_theta"]} | scaling


def _with_known_class(config: dict[str, Any]) -> dict[str, Any]:
    known = config | ({"tokenizer_class": _KNOWN_TO_BOTH} if config.get("tokenizer_class") in _ONLY_IN_5 else {})
    extra = known.get("extra_special_tokens")
    if isinstance(extra, list):  # release 4 takes a mapping there
        known = {key: value for key, value in known.items() if key != "extra_special_tokens"}
        known["additional_special_tokens"] = extra
    return known


def _without_folders(model: str) -> str:
    """A hub id as it is; of a folder its name, since nobody else has it where we have."""
    return Path(model).name if Path(model).is_absolute() or model.startswith(".") else model

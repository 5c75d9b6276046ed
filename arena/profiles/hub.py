"""A base model that is a hub id: what of it is on this machine, and where it lies."""

from __future__ import annotations

import json
import os
from pathlib import Path

from arena.confined.weights import WEIGHT_FILES
from arena.rows.tokenizer import TOKENIZER_FILE
from realm.config import RealmConfig

CONFIG, INDEX = "config.json", "model.safetensors.index.json"
WANTED = ("*.json", "*.jinja", "*.model", "*.txt", "model*.safetensors")
"""What of a repository is fetched: neither weights in other formats nor code."""


def hub_id(config: RealmConfig) -> str | None:
    """None where the base model is the embedded hero or a folder, be it one that is missing."""
    name = config.base_model
    if not name or Path(name).expanduser().is_absolute() or Path(name).expanduser().is_dir():
        return None
    return name


def missing_of(model: str) -> list[str]:
    """Files without which the model cannot be trained and that are not in the cache."""
    folder = cached_folder(model)
    if folder is None:
        return [CONFIG, WEIGHT_FILES, TOKENIZER_FILE]
    weights = _missing_shards(folder) if (folder / INDEX).exists() else []
    if not weights and not any(folder.glob(WEIGHT_FILES)):
        weights = [WEIGHT_FILES]
    has_tokenizer = (folder / TOKENIZER_FILE).exists() or (folder / "tokenizer_config.json").exists()
    return weights + ([] if has_tokenizer else [TOKENIZER_FILE])


def _missing_shards(folder: Path) -> list[str]:
    try:
        named = sorted(set(json.loads((folder / INDEX).read_bytes())["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # said of the model when it is looked at
    return [str(name) for name in named if not (folder / str(name)).exists()]


def cached_folder(model: str) -> Path | None:
    """Of the snapshot that transformers would load; None before its configuration is here."""
    from huggingface_hub import try_to_load_from_cache  # takes longer to import than all else here together

    try:
        found = try_to_load_from_cache(model, CONFIG)
    except ValueError:  # no hub id
        return None
    return Path(found).parent if isinstance(found, str) else None


def cache_folder(model: str) -> Path:
    """Where the files of this model lie, or will."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"


def is_offline() -> bool:
    return any(
        os.environ.get(name, "").strip().upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )

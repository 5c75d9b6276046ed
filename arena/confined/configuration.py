"""A model's `config.json` held against its weights, before anything is built as large as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arena.confined.weights import TensorShape
from arena.rows.tokenizer import UnusableTokenizer
from realm.disk.regular_files import UnfitFile, read_regular

LARGEST_BYTES = 4_000_000
MOST_LABELS = 100_000
MOST_DEPTH = 32
LARGEST_NUMBER = 2**53
"""No size, no token and no seed is larger."""
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_WIDTH = ("hidden_size", "n_embd", "d_model")
_HEADS = ("num_attention_heads", "n_head", "num_key_value_heads", "num_heads")
_OTHER = ("head_dim", "intermediate_size", "ffn_dim")
_POSITIONS = ("max_position_embeddings", "n_positions")
_LENGTHS = (*_POSITIONS, "n_ctx")
_COUNTS = re.compile(r"(^|_)(num|n|d)_|(_size|_dim|_rank|_width|_layers|_heads|_experts|_labels|_groups)$")
"""Names of keys by whose values modules are built."""
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block|layer)\.(\d+)\.")
_EMBEDDINGS = (
    "embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight", "tok_embeddings.weight",
)  # fmt: skip
_LEARNED_POSITIONS = {"wpe.weight": 0, "embed_positions.weight": 2, "position_embeddings.weight": 0}
"""Tensors of learned positions, and how many rows of theirs stand for none."""


def read_config(folder: Path) -> dict[str, Any]:
    """Raises UnusableTokenizer for what is no configuration of a model."""
    path = folder / "config.json"
    try:
        config = json.loads(read_regular(path, most_bytes=LARGEST_BYTES))
    except FileNotFoundError:
        raise UnusableTokenizer(f"the model {folder} holds no config.json") from None
    except (OSError, ValueError, UnfitFile, RecursionError) as error:
        raise UnusableTokenizer(f"the model {folder}: config.json cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise UnusableTokenizer(f"the model {folder}: config.json is no mapping")
    if not isinstance(config.get("model_type"), str):
        raise UnusableTokenizer(f"the model {folder}: config.json names no model_type")
    return config


def mismatch(config: Mapping[str, Any], tensors: Mapping[str, TensorShape]) -> str:
    """What the configuration says that the weights are not, or that no model is; empty where there is nothing."""
    text = config.get("text_config") or config
    if not isinstance(text, Mapping):
        return "config.json: text_config is no mapping"
    return next(filter(None, (*_absurd(config, tensors), *_against(text, tensors))), "")


def embedding_of(tensors: Mapping[str, TensorShape]) -> TensorShape | None:
    """Of the vocabulary, shape (tokens, width); None where it has none of the usual names."""
    name = _embedding_name(tensors)
    return None if name is None else tensors[name]


def learned_positions(tensors: Mapping[str, TensorShape]) -> int | None:
    """Longest row that a model with learned positions reads; None for one that computes them."""
    for name, tensor in _of_text(tensors).items():
        for end, unused in _LEARNED_POSITIONS.items():
            if name.endswith(end) and len(tensor.shape) == 2:
                return tensor.shape[0] - unused
    return None


def _embedding_name(tensors: Mapping[str, TensorShape]) -> str | None:
    return next(
        (name for name, tensor in tensors.items() if name.endswith(_EMBEDDINGS) and len(tensor.shape) == 2), None
    )


def _of_text(tensors: Mapping[str, TensorShape]) -> Mapping[str, TensorShape]:
    """Tensors of the part that reads text: those that are named as its embedding is. Others may see or hear."""
    name = _embedding_name(tensors)
    prefix = "" if name is None else name[: -len(next(end for end in _EMBEDDINGS if name.endswith(end)))]
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _absurd(config: Mapping[str, Any], tensors: Mapping[str, TensorShape]) -> Iterator[str]:
    widest = max((max(tensor.shape, default=0) for tensor in tensors.values()), default=0)
    most = 4 * max(widest, 2**15)
    for name, value in _values(config):
        if isinstance(value, _TooDeep):
            yield f"config.json: {name} is nested too deeply"
        elif name in (*_LAYERS, *_WIDTH, *_HEADS, *_OTHER, *_POSITIONS, "vocab_size") and not _is_size(value):
            yield f"config.json: {name} {_short(value)} is no size"
        elif type(value) is int and abs(value) > LARGEST_NUMBER:
            yield f"config.json: {name} {_short(value)} is no number of a model"
        elif name == "num_labels" and type(value) is int and not 0 <= value <= MOST_LABELS:
            yield f"config.json: num_labels {_short(value)}, and at most {MOST_LABELS} are read"
        elif type(value) is int and value > most and name not in _LENGTHS and _COUNTS.search(name):
            yield f"config.json: {name} {_short(value)}, and the widest of its weights has {widest}"


def _against(text: Mapping[str, Any], tensors: Mapping[str, TensorShape]) -> Iterator[str]:
    own = _of_text(tensors)
    layers = {int(found[1]) for name in own if (found := _LAYER.search(name))}
    held = max(layers) + 1 if layers else 0  # it may hold more, which predict further tokens
    for name in _LAYERS:
        if held and type(text.get(name)) is int and text[name] > held:
            yield f"config.json: {name} {_short(text[name])}, and its weights have {held} layers"
    embedding = embedding_of(tensors)
    if embedding is None:
        return
    rows, width = embedding.shape
    if "vocab_size" in text and text["vocab_size"] != rows:
        yield f"config.json: vocab_size {_short(text['vocab_size'])}, and its weights hold an embedding of {rows} rows"
    for name in _WIDTH:
        if name in text and text[name] != width and "word_embed_proj_dim" not in text:
            yield f"config.json: {name} {_short(text[name])}, and its weights have an embedding of width {width}"
    for name in _HEADS:
        if name in text and type(text[name]) is int and text[name] > width:
            yield f"config.json: {name} {_short(text[name])}, and its weights are of width {width}"


class _TooDeep:
    pass


def _values(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every value with the key that it stands under."""
    if depth > MOST_DEPTH:
        yield name, _TooDeep()
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _values(item, str(key), depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, f"{name}[]", depth + 1)
    else:
        yield name, value


def _is_size(value: Any) -> bool:
    return value is None or (type(value) is int and value > 0)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:24]}…"

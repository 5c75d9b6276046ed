"""A checkpoint as one GGUF file, which llama.cpp and Ollama load: merged, float32 or float16, its record beside it.

The format is ggml's, version 3: a header, keys with values, the tensors' places, the tensors. Models of the Qwen3
architecture alone are written; another one is refused rather than guessed at.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from arena.hero.export import merged
from arena.hero.model import load_tokenizer
from arena.hero.origin import UnloadableHero
from realm.checkpoints import derived
from realm.checkpoints.derived import Derived
from realm.disk import durable

TensorType = Literal["f32", "f16"]
ARCHITECTURE = "qwen3"
_ALIGNMENT = 32
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT32 = 4, 6, 7, 8, 9, 5
_OF_TYPE: dict[str, tuple[int, Any]] = {"f32": (0, np.float32), "f16": (1, np.float16)}
_NORMAL, _CONTROL, _ADDED = 1, 3, 4
_OF_BLOCK = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
_WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_BLOCK = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")
_ONLY_HERE = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""A template's marks of what is trained on; transformers alone knows them."""


def export(checkpoint: Path, out: Path, *, tensor_type: TensorType = "f32") -> Derived:
    """Write the checkpoint to the new file `out`, whole or absent, and the record of its digests beside it.

    Raises DamagedCheckpoint, IncompatibleCheckpoint, UnloadableHero, or FileExistsError.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists already")
    saved, origin, model = merged(checkpoint.resolve())
    if model.config.model_type != ARCHITECTURE:
        raise UnloadableHero(f"only models of {ARCHITECTURE} are written as GGUF, not of {model.config.model_type}")
    tensors = _tensors(model, tensor_type)
    told = _told(model, load_tokenizer(origin.newest)) | {"general.name": (_STRING, f"{saved.hero}/{saved.name}")}
    with durable.new_file(out) as file:
        _write(file, told, tensors)
    return derived.record(out, saved, tensor_type=tensor_type)


def _tensors(model: PreTrainedModel, tensor_type: TensorType) -> dict[str, np.ndarray]:
    """By ggml's names. Vectors stay float32, as llama.cpp wants norms."""
    state = model.state_dict()
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    kind = _OF_TYPE[tensor_type][1]
    values = {_name(name): value.detach().float().numpy() for name, value in state.items()}
    return {name: value.astype(kind if value.ndim > 1 else np.float32) for name, value in values.items()}


def _name(name: str) -> str:
    if name in _WHOLE:
        return _WHOLE[name]
    found = _BLOCK.fullmatch(name)
    if found is None or found[2] not in _OF_BLOCK:
        raise UnloadableHero(f"the tensor {name} has no name in GGUF's {ARCHITECTURE}")
    return f"blk.{found[1]}.{_OF_BLOCK[found[2]]}.weight"


def _told(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, tuple[int, Any]]:
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    of_model: dict[str, tuple[int, Any]] = {
        "context_length": (_UINT32, config.max_position_embeddings),
        "embedding_length": (_UINT32, config.hidden_size),
        "block_count": (_UINT32, config.num_hidden_layers),
        "feed_forward_length": (_UINT32, config.intermediate_size),
        "attention.head_count": (_UINT32, config.num_attention_heads),
        "attention.head_count_kv": (_UINT32, config.num_key_value_heads),
        "attention.key_length": (_UINT32, config.head_dim),
        "attention.value_length": (_UINT32, config.head_dim),
        "attention.layer_norm_rms_epsilon": (_FLOAT32, config.rms_norm_eps),
        "rope.freq_base": (_FLOAT32, rope.get("rope_theta", 10_000.0)),
    }
    head: dict[str, tuple[int, Any]] = {"general.architecture": (_STRING, ARCHITECTURE)}
    named = {f"{ARCHITECTURE}.{key}": value for key, value in of_model.items()}
    return head | named | _told_of_tokenizer(tokenizer, config.vocab_size)


def _told_of_tokenizer(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> dict[str, tuple[int, Any]]:
    """Those of a byte-level BPE, whose tokens GGUF has as tokenizer.json has them."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    if whole["model"]["type"] != "BPE":
        raise UnloadableHero(f"only BPE tokenizers are written as GGUF, not {whole['model']['type']}")
    by_id = {index: token for token, index in whole["model"]["vocab"].items()}
    kinds = dict.fromkeys(by_id, _NORMAL)
    for added in whole["added_tokens"]:
        by_id[added["id"]] = added["content"]
        kinds[added["id"]] = _CONTROL if added["special"] else _ADDED
    tokens = [by_id.get(index, f"[PAD{index}]") for index in range(vocabulary)]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in whole["model"]["merges"]]
    told: dict[str, tuple[int, Any]] = {
        "tokenizer.ggml.model": (_STRING, "gpt2"),
        "tokenizer.ggml.pre": (_STRING, _splitting(whole)),
        "tokenizer.ggml.tokens": (_ARRAY, (_STRING, tokens)),
        "tokenizer.ggml.token_type": (_ARRAY, (_INT32, [kinds.get(index, _CONTROL) for index in range(vocabulary)])),
        "tokenizer.ggml.merges": (_ARRAY, (_STRING, merges)),
        "tokenizer.ggml.add_bos_token": (_BOOL, False),
    }
    for key, index in (("eos", tokenizer.eos_token_id), ("padding", tokenizer.pad_token_id)):
        if isinstance(index, int):
            told[f"tokenizer.ggml.{key}_token_id"] = (_UINT32, index)
    if isinstance(tokenizer.chat_template, str):
        told["tokenizer.chat_template"] = (_STRING, _ONLY_HERE.sub("", tokenizer.chat_template))
    return told


def _splitting(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for how a text is split before the merges: GPT-2's own expression, or Qwen's."""
    steps = tokenizer["pre_tokenizer"] or {}
    names = [step["type"] for step in steps.get("pretokenizers", [steps])]
    if names == ["ByteLevel"]:
        return "gpt-2"
    if names == ["Split", "ByteLevel"] and "\\p{N}|" in json.dumps(steps, ensure_ascii=False).replace("\\\\", "\\"):
        return "qwen2"
    raise UnloadableHero(f"llama.cpp has no name for a tokenizer that splits by {', '.join(names)}")


def _write(file: BinaryIO, told: Mapping[str, tuple[int, Any]], tensors: Mapping[str, np.ndarray]) -> None:
    file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(told)))
    for key, (kind, value) in told.items():
        file.write(_value(_STRING, key) + struct.pack("<I", kind) + _value(kind, value))
    types = {np.dtype(kind): number for number, kind in _OF_TYPE.values()}
    place = 0
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]  # ggml names the axis whose values lie together first
        file.write(_value(_STRING, name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        file.write(struct.pack("<IQ", types[tensor.dtype], place))
        place += _padded(tensor.nbytes)
    file.write(bytes(_padded(file.tell()) - file.tell()))
    for tensor in tensors.values():
        file.write(np.ascontiguousarray(tensor).tobytes())
        file.write(bytes(_padded(tensor.nbytes) - tensor.nbytes))


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        data = str(value).encode()
        return struct.pack("<Q", len(data)) + data
    if kind == _ARRAY:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(_value(inner, item) for item in items)
    return struct.pack({_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f", _BOOL: "<?"}[kind], value)

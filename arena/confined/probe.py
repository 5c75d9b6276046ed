"""All that can be known of a model before it is used, in one look at its folder: what is wrong with it, in a sentence.

Run in a confined child, since templates and tokenizers are tried; `asking.py` is the parent's side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arena.confined.configuration import embedding_of, learned_positions, mismatch, read_config
from arena.confined.model_files import check_files
from arena.confined.weights import TensorShape, read_headers
from arena.rows.masking import ChatMask
from arena.rows.model import Message, shortened
from arena.rows.model_ends import model_ends
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import TOKENIZER_FILE, HeroTokenizer, UnusableTokenizer
from realm.disk.regular_files import UnfitFile, read_regular

ADAPTER_FILE = "adapter_config.json"
_GB = 10**9
_TEXTS = ("What is 20+22?", "a" * 3000, " " * 3000, "ab1 " * 800, "\n\t" * 1500, "é漢🙂" * 800, "1" * 3000 + "!")
"""Patterns that take the square of a text's length, or more, are found on long stretches of the same."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    model: str
    """Folder of whole weights."""
    tokenizer: str
    """Folder of the tokenizer: the model's own, or the newest checkpoint's."""
    max_length: int | None = None
    """Longest row that is to be trained on; None: the model is only asked."""
    memory_bytes: int | None = None
    """What its weights, and what training adds to them, may take; None: that is looked at elsewhere."""
    bytes_a_number: int = 4
    """Of memory, for each number of the weights."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    refusal: str = ""
    """One sentence that names the model; empty where nothing is wrong."""
    warnings: tuple[str, ...] = ()


def probe(asked: Asked) -> Verdict:
    """Raises Overrun where the model takes too much."""
    try:
        return _probe(asked)
    except (UnusableTokenizer, MaskingError) as error:
        return Verdict(refusal=shortened(_named(asked, str(error))))
    except (Overrun, MemoryError):
        raise
    except Exception as error:  # files of a stranger's break what reads them in every way
        return Verdict(refusal=shortened(_named(asked, f"it cannot be read: {type(error).__name__}: {error}")))


def _named(asked: Asked, sentence: str) -> str:
    is_named = any(folder in sentence for folder in (asked.model, asked.tokenizer))
    return sentence if is_named else f"the model {asked.tokenizer}: {sentence}"


def _probe(asked: Asked) -> Verdict:
    model, tokenizer = Path(asked.model), Path(asked.tokenizer)

    # Files, and what is no whole model.
    if not model.is_dir():
        raise UnusableTokenizer(f"the model {model} is no folder on this machine")
    for folder in {model, tokenizer}:
        check_files(folder)
    if (model / ADAPTER_FILE).exists():
        raise UnusableTokenizer(
            f"the model {model} is an adapter on {_adapted(model)}: merge it into that one, and name the merged model"
        )

    # Weights, and what the configuration says of them.
    config, tensors = read_config(model), read_headers(model)
    told = mismatch(config, tensors)
    if told:
        raise UnusableTokenizer(f"the model {model}: {told}")
    _check_memory(asked, tensors)
    _check_positions(asked, tensors)

    # The tokenizer and the template, which are run.
    if not (tokenizer / TOKENIZER_FILE).exists():
        return Verdict()  # transformers makes one from older files
    hero = HeroTokenizer.load(tokenizer)
    _check_vocabulary(asked, hero, tensors)
    mask = ChatMask(replace(hero, model_ends=model_ends(model)))
    _try(mask)
    return Verdict(warnings=mask.turns.warnings)


def _adapted(folder: Path) -> str:
    try:
        config: Any = json.loads(read_regular(folder / ADAPTER_FILE, most_bytes=10**6))
        return str(config["base_model_name_or_path"])[:200]
    except (OSError, ValueError, UnfitFile, KeyError, TypeError, RecursionError):
        return "another model"


def _check_memory(asked: Asked, tensors: dict[str, TensorShape]) -> None:
    numbers = sum(tensor.numbers for tensor in tensors.values())
    needed = numbers * asked.bytes_a_number
    if asked.memory_bytes is not None and needed > asked.memory_bytes:
        raise UnusableTokenizer(
            f"the model {asked.model} has {numbers:,} parameters, which take at least {needed / _GB:.3g} GB, and this "
            f"machine has {asked.memory_bytes / _GB:.3g} GB of memory"
        )


def _check_positions(asked: Asked, tensors: dict[str, TensorShape]) -> None:
    positions = learned_positions(tensors)
    if positions is not None and asked.max_length is not None and positions < asked.max_length:
        raise UnusableTokenizer(
            f"the model {asked.model} reads {positions} positions, max_length {asked.max_length}: "
            f"set training.max_length to {positions} or less, or name another model"
        )


def _check_vocabulary(asked: Asked, tokenizer: HeroTokenizer, tensors: dict[str, TensorShape]) -> None:
    embedding = embedding_of(tensors)
    token, index = max(tokenizer.backend.get_vocab().items(), key=lambda item: item[1], default=("", -1))
    if embedding is not None and index >= embedding.shape[0]:
        raise UnusableTokenizer(
            f"the model {asked.model}: its tokenizer has token id {index} ({token[:40]!r}) of an embedding of "
            f"{embedding.shape[0]} rows"
        )


def _try(mask: ChatMask) -> None:
    """Raises Overrun or, in the middle of it, is ended."""
    contents = [(Message("user", text), Message("assistant", text)) for text in _TEXTS]
    mask.tokenize_many(contents if mask.tokenizer.template else list(_TEXTS))

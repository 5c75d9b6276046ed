#!/usr/bin/env python
"""Builds the embedded hero's tokenizer into configs/heroes/embedded/. Run once; its output is committed.

Byte-level BPE: all 256 bytes are tokens, so every text round-trips; the merges are learned from the docstrings of
Python's standard library; circled digits are single tokens, because a skill's alphabet should not be spelt in bytes.
"""

from __future__ import annotations

import ast
import json
import sysconfig
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 1024
FOLDER = Path(__file__).resolve().parent.parent / "configs" / "heroes" / "embedded"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WHOLE = ["<think>", "</think>", *"⓪①②③④⑤⑥⑦⑧⑨"]
MODULES = ["argparse", "collections/__init__", "functools", "json/__init__", "logging/__init__", "random", "textwrap"]


def docstrings() -> list[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return [
        ast.get_docstring(node) or ""
        for name in MODULES
        for node in ast.walk(ast.parse((library / f"{name}.py").read_text(encoding="utf-8")))
        if isinstance(node, documented)
    ]


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL) - len(WHOLE),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(docstrings(), trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in WHOLE])
    return tokenizer


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizer = build()
    assert tokenizer.get_vocab_size() == VOCABULARY
    tokenizer.save(str(FOLDER / "tokenizer.json"))
    config = {
        "tokenizer_class": "TokenizersBackend",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
    }
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The share of this machine's matrix product that the CPU hero's steps reach, by the FLOPs a step must compute.

Two rates to measure against: of the hero's own narrow shapes, and of a large square.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from arena import embedded
from arena.hero.model import hero_tokenizer, load_tokenizer
from arena.rows.masking import ChatMask
from arena.training.data import load_quest
from scripts.bench import runs
from scripts.bench.flops import Cost, context, shaped_rate, square_rate
from scripts.bench.hero_throughput import RECIPE, lessons

ROWS, QUICK_ROWS, SQUARE = 1500, 500, 2048


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    base, quest = embedded.ensure(folder), folder / "quest.jsonl"
    quest.write_bytes(lessons(QUICK_ROWS if quick else ROWS))
    loaded = load_quest(quest, ChatMask(hero_tokenizer(load_tokenizer(str(base)))), RECIPE)
    cost = Cost.of(json.loads((base / "config.json").read_bytes()))
    lengths, trained = loaded.examples.lengths, loaded.examples.trained_tokens
    length, share = context(lengths), trained / float(lengths.sum())
    flops = cost.per_token(length, share)
    tokens = RECIPE.rows_per_step * RECIPE.max_length
    ours, shaped, square = [], [], []
    for turn in range(repeats):
        ours.append(runs.fight(folder / f"run-{turn}", base, quest, RECIPE).all_rate * flops)
        shaped.append(shaped_rate(cost, tokens, torch.float32, "cpu"))
        square.append(square_rate(SQUARE, torch.float32, "cpu"))
    mine, narrow, wide = (runs.median(rates) for rates in (ours, shaped, square))
    return runs.row(
        "matmul", round(mine / 1e9, 2), None, "GFLOP/s of the CPU hero's steps",
        share_of_its_shapes=round(mine / narrow, 3),
        share_of_a_square=round(mine / wide, 3), gflops_of_its_shapes=round(narrow / 1e9, 1),
        gflops_of_a_square=round(wide / 1e9, 1), mflop_per_token=round(flops / 1e6, 3), context=round(length, 1),
        trained_share=round(share, 3), threads=torch.get_num_threads(), repeats=repeats,
        versions=runs.versions("torch"),
    )  # fmt: skip

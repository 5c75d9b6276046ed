"""P9: 100 held-out problems answered by the CPU hero, beside plain `generate` one by one; the same through a host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# As the trainer and the oracle set it; read when torch loads. Threads that spin on a busy machine take minutes.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import torch

from arena import embedded
from arena.hero import answering
from arena.hero import model as heroes
from arena.hero.model import Hero
from arena.recipe import Recipe
from realm.world import World
from scripts.bench import runs
from tests.support import oracle_heroes as oracles

PROBLEMS, TOKENS = 100, 16
ONE_BY_ONE_REPEATS = 2
"""It takes most of the row's time, and a hundred calls even out by themselves."""


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    from guild.skills.registry import get_trainer

    prompts = [problem.prompt for problem in get_trainer("bin").sample(level=3, count=PROBLEMS, seed=5)]
    hero = heroes.load(str(embedded.ensure(folder / "models")), Recipe(), checkpoint=None, device=torch.device("cpu"))
    row = beside_generate("P9", hero, prompts, TOKENS, repeats=repeats)
    said = answering.answer(hero, prompts, max_new_tokens=TOKENS)
    return row | {"through_the_oracle": through_a_host(folder, prompts, said, repeats=repeats)}


def through_a_host(folder: Path, prompts: list[str], expected: list[str], *, repeats: int) -> dict[str, Any]:
    """Seconds of `/v1/answers` for all prompts, of a host in a process of its own; its model is `folder`'s base."""
    world = World(folder)
    world.create()
    took = []
    with oracles.oracle(world) as host:
        model = host.load(0)["id"]
        for _ in range(repeats + 1):
            started = time.perf_counter()
            reply = host.answers(model, prompts, TOKENS)
            took.append(time.perf_counter() - started)
    same = sum(a == b for a, b in zip(reply["answers"], expected, strict=True))
    return {"seconds": round(runs.median(took[1:]), 3), "first_seconds": round(took[0], 3), "same_answers": same}


def beside_generate(
    name: str, hero: Hero, prompts: list[str], tokens: int, *, repeats: int, one_by_one: int | None = None
) -> dict[str, Any]:
    """Of an untrained hero, which seldom ends a turn: the most tokens that are allowed are written.

    `one_by_one`: so many of them stand for all, where each takes as long as a hundred together.
    """
    alone = prompts[:one_by_one]
    sides: dict[str, Callable[[], list[str]]] = {
        "ours": lambda: answering.answer(hero, prompts, max_new_tokens=tokens),
        "one by one": lambda: [_generate(hero, prompt, tokens) for prompt in alone],
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    said: dict[str, list[str]] = {}
    answering.answer(hero, prompts[:4], max_new_tokens=tokens)
    for number in range(repeats):
        for side, answer in sides.items():
            if side == "one by one" and number >= ONE_BY_ONE_REPEATS:
                continue
            started = time.perf_counter()
            said[side] = answer()
            seconds[side].append(time.perf_counter() - started)
    same = sum(a == b for a, b in zip(said["ours"], said["one by one"], strict=False))
    theirs = runs.median(seconds["one by one"]) * len(prompts) / len(alone)
    return runs.row(
        name, round(runs.median(seconds["ours"]), 3), round(theirs, 3),
        f"s for {len(prompts)} problems of up to {tokens} new tokens, {hero.device.type}", lower=True,
        same_answers=[same, len(alone)], repeats=repeats, versions=runs.versions("torch", "transformers"),
    )  # fmt: skip


@torch.no_grad()
def _generate(hero: Hero, prompt: str, tokens: int) -> str:
    """As the transformers documentation shows it."""
    chat = [{"role": "user", "content": prompt}]
    inputs = hero.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    inputs = inputs.to(hero.device)
    length = inputs["input_ids"].shape[1]
    written = hero.causal_lm.generate(**inputs, max_new_tokens=tokens, do_sample=False, pad_token_id=hero.pad_id)  # type: ignore[operator]
    return str(hero.tokenizer.decode(written[0, length:], skip_special_tokens=True))

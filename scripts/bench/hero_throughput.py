"""P1: trained tokens per second of the embedded hero on this machine's CPU, beside TRL's SFTTrainer.

Same model, same data, same rows a step, same optimizer settings, fp32 on both sides. TRL runs with packing `bfd`,
assistant-only loss and without gradient checkpointing. The first steps of each run are left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from arena import embedded
from arena.protocol import STEP_DTYPE, STEPS_FILE, Order, Recipe
from guild.problems import to_jsonl, to_lesson
from guild.skills import get_skill, get_trainer
from realm import sidecar

ID = "P1"
WARMUP_STEPS = 5
QUEST_ROWS = 1500
RECIPE = Recipe(save_every=1_000_000)


def measure(folder: Path, *, repeats: int) -> dict[str, Any]:
    base = embedded.ensure(folder)
    quest = folder / "quest.jsonl"
    quest.write_bytes(_quest())
    ours, peer = [], []
    for turn in range(repeats):
        ours.append(_run_ours(folder / f"ours-{turn}", base, quest))
        peer.append(_run_peer(base, quest))
    rate, peer_rate = (statistics.median(run["rate"] for run in runs) for runs in (ours, peer))
    return {
        "id": ID,
        "ours": round(rate),
        "peer": round(peer_rate),
        "ratio": round(rate / peer_rate, 2),
        "unit": "trained tokens/s, embedded hero, CPU",
        "all_tokens_per_second": [round(statistics.median(run["all_rate"] for run in runs)) for runs in (ours, peer)],
        "final_loss": [round(runs[0]["final_loss"], 4) for runs in (ours, peer)],
        "first_loss": [round(runs[0]["first_loss"], 4) for runs in (ours, peer)],
        "steps": [runs[0]["steps"] for runs in (ours, peer)],
        "repeats": repeats,
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
    }


def _quest() -> bytes:
    """All levels of BIN, so that examples differ in length."""
    skill = get_skill("bin")
    levels = range(1, skill.max_level + 1)
    problems = [
        problem
        for level in levels
        for problem in get_trainer("bin").sample(level=level, count=QUEST_ROWS // len(levels), seed=level)
    ]
    return to_jsonl(to_lesson(problem) for problem in problems)


def _run_ours(folder: Path, base: Path, quest: Path) -> dict[str, float]:
    folder.mkdir()
    order = Order(
        battle="bench",
        battle_folder=str(folder),
        quest="bench",
        quest_file=str(quest),
        quest_sha256=sidecar.digest(quest),
        hero="bench",
        hero_folder=str(folder / "hero"),
        base_model=str(base),
        recipe=replace(RECIPE),
    )
    subprocess.run(
        [sys.executable, "-m", "arena.training", "--order", str(order.write())], check=True, stdout=subprocess.DEVNULL
    )
    steps = np.fromfile(folder / STEPS_FILE, dtype=STEP_DTYPE)
    timed = steps[WARMUP_STEPS:]
    seconds = float(timed["step_seconds"].sum())
    return {
        "rate": float(timed["trained_tokens"].sum()) / seconds,
        "all_rate": float(timed["tokens"].sum()) / seconds,
        "first_loss": float(steps["loss"][:WARMUP_STEPS].mean()),
        "final_loss": float(steps["loss"][-WARMUP_STEPS:].mean()),
        "steps": len(steps),
    }


def _run_peer(base: Path, quest: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "scripts.bench.peer_trl", str(base), str(quest)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result

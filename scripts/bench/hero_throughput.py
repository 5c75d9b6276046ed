"""P1: trained tokens per second of the embedded hero on this machine's CPU, beside TRL's SFTTrainer.

Same model, same data, same rows a step, same optimizer settings, fp32 on both sides. TRL runs with packing `bfd`,
assistant-only loss and without gradient checkpointing. The first steps of each run are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arena import embedded
from arena.recipe import Recipe
from guild.skills.registry import get_trainer
from guild.trainers.problems import to_jsonl, to_lesson
from scripts.bench import runs
from scripts.bench.runs import WARMUP_STEPS, Battle

QUEST_ROWS = 1500
RECIPE = Recipe(save_every=1_000_000)


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    base, quest = embedded.ensure(folder), folder / "quest.jsonl"
    quest.write_bytes(lessons(QUEST_ROWS // 3 if quick else QUEST_ROWS))
    ours: list[Battle] = []
    peer: list[dict[str, Any]] = []
    for turn in range(repeats):
        ours.append(runs.fight(folder / f"ours-{turn}", base, quest, RECIPE))
        peer.append(runs.peer(base, quest))
    mine, theirs = runs.median([run.rate for run in ours]), runs.median([run["rate"] for run in peer])
    return runs.row(
        "P1",
        round(mine),
        round(theirs),
        "trained tokens/s, embedded hero, CPU",
        all_tokens_per_second=[
            round(runs.median([run.all_rate for run in ours])),
            round(runs.median([run["all_rate"] for run in peer])),
        ],
        first_loss=[first_loss(ours[0]), round(peer[0]["first_loss"], 4)],
        final_loss=[final_loss(ours[0]), round(peer[0]["final_loss"], 4)],
        steps=[len(ours[0].steps), peer[0]["steps"]],
        each=[[round(run.rate) for run in ours], [round(run["rate"]) for run in peer]],
        repeats=repeats,
        versions=runs.versions(),
    )


def first_loss(battle: Battle) -> float:
    return round(float(battle.steps["loss"][:WARMUP_STEPS].mean()), 4)


def final_loss(battle: Battle) -> float:
    return round(float(battle.steps["loss"][-WARMUP_STEPS:].mean()), 4)


def lessons(rows: int) -> bytes:
    """The first levels of BIN, whose examples differ in length."""
    trainer, levels = get_trainer("bin"), (1, 2, 3)
    problems = [
        problem for level in levels for problem in trainer.sample(level=level, count=rows // len(levels), seed=level)
    ]
    return to_jsonl(to_lesson(problem) for problem in problems)

"""P6: how long training waits for a checkpoint, on the CPU hero, beside the Trainer's own saving of the same model.

Measured from outside: what the step after a save ends later than a median step does. What the trainer itself says
(`stall_seconds`, the copying alone) stands beside it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from arena import embedded
from arena.protocol import EvaluationSet, ValidationSet
from guild.skills.registry import get_trainer
from guild.trainers.problems import to_question
from scripts.bench import runs
from scripts.bench.hero_throughput import RECIPE, lessons
from scripts.bench.runs import stalls_of, stalls_told

ROWS, QUICK_ROWS, SAVE_EVERY = 3_000, 900, 5
EPOCHS = 2


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    base, quest = embedded.ensure(folder), folder / "quest.jsonl"
    quest.write_bytes(lessons(QUICK_ROWS if quick else ROWS))
    questions = folder / "questions.jsonl"
    problems = get_trainer("bin").sample(level=1, count=100, seed=5)
    questions.write_text("".join(json.dumps(to_question(problem)) + "\n" for problem in problems))
    validation = folder / "validation.jsonl"
    validation.write_bytes(lessons(100))
    asks = EvaluationSet(skill="bin", level=1, path=str(questions), max_new_tokens=16)
    recipe = replace(RECIPE, save_every=SAVE_EVERY, epochs=1 if quick else EPOCHS)
    bare, asked, peer, told = list[float](), list[float](), list[float](), list[float]()
    for turn in range(repeats):
        battle = runs.fight(folder / f"bare-{turn}", base, quest, recipe)
        bare += stalls_of(battle)
        told += stalls_told(battle)
        more = {"evaluation_sets": (asks,), "validation_sets": (ValidationSet(name="bin/1", path=str(validation)),)}
        slower = replace(recipe, save_every=SAVE_EVERY * 4)
        asked += stalls_of(runs.fight(folder / f"asked-{turn}", base, quest, slower, **more))
        peer += runs.peer(base, quest, save_every=SAVE_EVERY)["stalls_ms"]
    return runs.row(
        "P6", runs.percentiles(bare)["p99"], runs.percentiles(peer)["p99"], "ms of training lost by a checkpoint, p99",
        lower=True, stall_ms=[runs.percentiles(bare), runs.percentiles(peer)], saves=[len(bare), len(peer)],
        with_validation_and_100_answers_ms=runs.percentiles(asked), copying_alone_ms=runs.percentiles(told),
        repeats=repeats, versions=runs.versions(),
    )  # fmt: skip

#!/usr/bin/env python
"""How hard each level is for the embedded hero: trained from scratch on that level alone, then asked held-out problems.

    python -m scripts.level_curve bin 1 2 3 6 10 --problems 3000

Prints a line a level: the share of right answers, the share of right characters, and the mean loss of the last steps.
Every level gets as many problems, several of which are packed into a row; a level is harder where less of it was
learned.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from arena import embedded
from arena.recipe import Recipe
from guild.skills.registry import get_trainer
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from realm.checkpoints.names import checkpoint_folders
from scripts.bench import runs

if TYPE_CHECKING:
    from guild.trainers.contract import Trainer

ASKED, LAST_STEPS, SPARE_TOKENS = 100, 20, 4
RECIPE = Recipe(save_every=1_000_000)


@dataclasses.dataclass(frozen=True)
class Learned:
    level: int
    right: float
    right_characters: float
    loss: float


def learn(trainer: Trainer, level: int, lessons: int, folder: Path) -> Learned:
    drawn = trainer.sample(level=level, count=lessons + ASKED, seed=0)
    asked, taught = drawn[:ASKED], drawn[ASKED:]
    quest = folder / f"level-{level}.jsonl"
    quest.write_bytes(to_jsonl(to_lesson(problem) for problem in taught))
    base = embedded.ensure(folder)
    battle = runs.fight(folder / f"level-{level}", base, quest, RECIPE)
    answers = answer(base, checkpoint_folders(Path(battle.order.hero_folder))[0], asked)
    return Learned(
        level=level,
        right=mean([float(trainer.judge(*pair)) for pair in zip(asked, answers, strict=True)]),
        right_characters=mean([alike(problem.answer, said) for problem, said in zip(asked, answers, strict=True)]),
        loss=float(battle.steps["loss"][-LAST_STEPS:].mean()),
    )


def answer(base: Path, checkpoint: Path, problems: list[Problem]) -> list[str]:
    import torch

    from arena.hero import answering
    from arena.hero import model as heroes

    hero = heroes.load(str(base), RECIPE, checkpoint=checkpoint, device=torch.device("cpu"))
    longest = max(len(hero.tokenizer.encode(problem.answer)) for problem in problems)
    return answering.answer(hero, [problem.prompt for problem in problems], max_new_tokens=longest + SPARE_TOKENS)


def alike(answer: str, said: str) -> float:
    """Share of the answer's characters that stand at their place."""
    return sum(a == b for a, b in zip(answer, said, strict=False)) / len(answer)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("skill")
    parser.add_argument("levels", nargs="+", type=int)
    parser.add_argument("--problems", type=int, default=3000)
    options = parser.parse_args()
    trainer = get_trainer(options.skill)
    print("level  right  characters  loss")
    with tempfile.TemporaryDirectory() as folder:
        for level in options.levels:
            found = learn(trainer, level, options.problems, Path(folder))
            print(f"{level:5}  {found.right:5.0%}  {found.right_characters:10.1%}  {found.loss:.3f}", flush=True)


if __name__ == "__main__":
    main()

"""Whether a sparring makes the hero better, and better than as many steps of ordinary problems.

A fresh embedded hero is trained on one level until it answers about half of it, then the same checkpoint goes on in
several ways for the same number of optimizer steps; each is asked the same held-out problems. Run it as
`python -m scripts.spar_gain`; needs torch, no Django and no server.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from arena import embedded
from arena.hero import answering
from arena.hero import model as heroes
from arena.hero.model import Hero
from arena.recipe import Recipe
from guild.skills.registry import get_trainer
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.trainers.sampling import Fresh
from guild.work.intervals import difference, wilson
from guild.work.sparring_rows import KEY, PLAIN, Binding, examples_of, quoted, to_row
from realm.checkpoints.names import checkpoint_folders, step_of
from scripts.bench import runs

SKILL = "bin"
RECIPE = Recipe(learning_rate=0.002, warmup_steps=20, rows_per_step=8, rows_per_micro_batch=8, max_length=256)
BATCH = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--asked", type=int, default=400, help="problems of a sparring")
    parser.add_argument("--tested", type=int, default=400, help="held-out problems")
    parser.add_argument("--repeats", type=int, default=3, help="draws of problems for each way")
    parser.add_argument("--rows", type=int, default=12_000, help="of the first training, at most")
    parser.add_argument("--about", type=float, default=0.6, help="share of right answers to begin from")
    parser.add_argument("--start", type=Path, help="this checkpoint of the embedded hero, instead of training one")
    parser.add_argument("--every", type=int, default=20, help="steps between two looks at the first training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="realm-spar-") as folder:
        Measurement(Path(folder), arguments).run()


class Measurement:
    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self._folder, self._asked = folder, arguments
        self._base = embedded.ensure(folder)
        self._trainer = get_trainer(SKILL)
        self._tests = self._trainer.sample(level=arguments.level, count=arguments.tested, seed=1)
        self._kept = frozenset(problem.key for problem in self._tests)

    def run(self) -> None:
        start = self._asked.start or self._train()
        correct, total = self._score(start), len(self._tests)
        say(
            way="before", step=step_of(start.name), correct=correct, total=total,
            interval=wilson(correct, total),
        )  # fmt: skip
        for repeat in range(1, self._asked.repeats + 1):
            self._compare(start, correct, repeat)

    def _compare(self, start: Path, before: int, repeat: int) -> None:
        """The sparring sets the number of steps; the others get as many rows as fill that many, or one more."""
        fresh = self._fresh(repeat)
        asked = fresh.take(self._asked.asked)
        wrong = self._wrong(start, asked)
        rows = self._sparring_rows(wrong, fresh.take(len(wrong)), step_of(start.name) or 0)
        plain = [row for row in rows if row[KEY]["kind"] != "correct-it"]
        mistaken = {problem.key for problem, _ in wrong}
        right = [to_lesson(problem) for problem in asked if problem.key not in mistaken]
        steps = self._way("sparring, with what was right", start, before, repeat, rows + right, mistakes=len(wrong))
        ordinary = [to_lesson(problem) for problem in fresh.take(steps * self._rows_a_step(start))]
        self._way("ordinary problems", start, before, repeat, ordinary)
        self._way("the same without quoted rows", start, before, repeat, plain + right)
        self._way("sparring", start, before, repeat, rows)
        self._way("sparring without quoted rows", start, before, repeat, plain)
        self._way(
            "sparring, quoted rows alone", start, before, repeat, [row for row in rows if row[KEY]["kind"] != PLAIN]
        )

    def _rows_a_step(self, checkpoint: Path) -> int:
        hero = self._hero(checkpoint)
        problem = self._tests[0]
        length = len(answering.prompt_ids(hero, problem.prompt)) + len(hero.tokenizer.encode(problem.answer)) + 1
        return RECIPE.rows_per_step * (RECIPE.max_length // length)

    def _way(self, way: str, start: Path, before: int, repeat: int, rows: list[dict[str, Any]], **more: int) -> int:
        """Returns the number of optimizer steps."""
        folder = self._folder / f"{way}-{repeat}"
        shutil.copytree(start, folder / "hero" / start.name)
        path = self._folder / f"{way}-{repeat}.jsonl"
        path.write_bytes(to_jsonl(rows))
        battle = runs.fight(folder, self._base, path, RECIPE)
        end = checkpoint_folders(folder / "hero")[0]
        correct, total = self._score(end), len(self._tests)
        say(
            way=way, repeat=repeat, steps=len(battle.steps), rows=len(rows), **more, correct=correct,
            total=total, gain=(correct - before) / total, interval=difference((before, total), (correct, total)),
        )  # fmt: skip
        return len(battle.steps)

    def _train(self) -> Path:
        """A checkpoint with about the wanted share of right answers."""
        lessons = [to_lesson(problem) for problem in self._fresh(0).take(self._asked.rows)]
        path = self._folder / "first.jsonl"
        path.write_bytes(to_jsonl(lessons))
        runs.fight(self._folder / "first", self._base, path, replace(RECIPE, save_every=self._asked.every))
        wanted = self._asked.about * len(self._tests)
        found: dict[Path, int] = {}
        for folder in reversed(checkpoint_folders(self._folder / "first" / "hero")):
            found[folder] = self._score(folder)
            say(
                way="first training", step=step_of(folder.name), correct=found[folder], total=len(self._tests)
            )  # fmt: skip
            if found[folder] > 1.4 * wanted:
                break
        return min(found, key=lambda folder: abs(found[folder] - wanted))

    def _fresh(self, seed: int) -> Fresh:
        return Fresh(self._trainer, skill=SKILL, level=self._asked.level, seed=seed, forbidden=self._kept)

    def _wrong(self, checkpoint: Path, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        answers = self._answers(checkpoint, problems)
        pairs = zip(problems, answers, self._trainer.judge_all(problems, answers), strict=True)
        return [(problem, answer) for problem, answer, right in pairs if not right]

    def _sparring_rows(
        self, wrong: Sequence[tuple[Problem, str]], spare: Sequence[Problem], step: int
    ) -> list[dict[str, Any]]:
        binding = Binding(hero="DIO", checkpoint="measured", step=step, sha256=None, seed=0, drawn=0)
        return [
            to_row(example, binding, skill=SKILL, level=self._asked.level)
            for group, ((problem, answer), other) in enumerate(zip(wrong, spare, strict=True), 1)
            for example in examples_of(problem, quoted(answer, right=problem.answer), other, group=group)
        ]

    def _score(self, checkpoint: Path) -> int:
        return sum(self._trainer.judge_all(self._tests, self._answers(checkpoint, self._tests)))

    def _answers(self, checkpoint: Path, problems: Sequence[Problem]) -> list[str]:
        hero = self._hero(checkpoint)
        longest = max(len(hero.tokenizer.encode(problem.answer)) for problem in problems) + 2
        prompts = [problem.prompt for problem in problems]
        batches = [prompts[begin : begin + BATCH] for begin in range(0, len(prompts), BATCH)]
        return [one for batch in batches for one in answering.answer(hero, batch, max_new_tokens=longest)]

    def _hero(self, checkpoint: Path) -> Hero:
        return heroes.load(str(self._base), Recipe(), checkpoint=checkpoint, device=torch.device("cpu"))


def say(**fields: object) -> None:
    print(json.dumps(fields, default=str), flush=True)


if __name__ == "__main__":
    main()

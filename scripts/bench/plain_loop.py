"""What the realm's learning is held against: a plain loop on the embedded hero, one core, BIN levels or unseen sums.

    OMP_NUM_THREADS=1 python -m scripts.bench.plain_loop [--rows 4] [--optimizer adamw] [--rate 2e-3] [--seconds 480]

Rows of 256 tokens, `--rows` of them a step; 60% of the problems are of the current level, the others of any level won.
Every 50 steps 25 held-out problems are asked; a level is won by three evaluations in a row at 80% or more, as in the
realm. `--skill sums` takes the sums of two 7-bit numbers, for which nobody has tuned anything. Prints one JSON object:
seconds of CPU time until each level was won, and the accuracy by level at the end, in percent.
`python -m scripts.climb` measures the same of the realm itself.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from arena import embedded
from arena.hero import answering
from arena.hero.model import load
from arena.recipe import Recipe
from arena.rows.example import Example, shift
from arena.rows.parse import Message
from arena.rows.tokenized import Tokenized
from arena.training import optimizer
from arena.training.batch import join
from arena.training.loss import token_losses
from guild.skills.registry import get_trainer
from guild.trainers.contract import Generator
from guild.trainers.problems import Problem

EVERY, ASKED, PIECE, SPARE_TOKENS = 50, 25, 200, 16
CURRENT_SHARE, ROW_TOKENS = 0.6, 256
ENOUGH_ACCURACY, EVALUATIONS_IN_A_ROW = 0.8, 3
"""As guild.evaluation.progression has it, which needs a database."""


class Sums:
    """a + b of 7 bits each; there is one level only."""

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        drawn = random.Random(seed).sample(range(128 * 128), count)
        pairs = [divmod(number, 128) for number in drawn]
        return [Problem(f"{a:07b} + {b:07b} =", f"{a + b:08b}", "sums", level) for a, b in pairs]

    def judge(self, problem: Problem, answer: str) -> bool:
        return answer.strip() == problem.answer


class Loop:
    def __init__(self, trainer: Generator, recipe: Recipe, base: Path, *, levels: int) -> None:
        torch.manual_seed(recipe.seed)
        self.trainer, self.recipe, self.levels = trainer, recipe, levels
        self.random = random.Random(recipe.seed)
        self.hero = load(str(base), recipe, checkpoint=None, device=torch.device("cpu"))
        self.optimizer = optimizer.build(self.hero, recipe)
        self.level, self.good, self.step = 1, 0, 0
        self.held_out = {level: trainer.sample(level=level, count=ASKED, seed=level) for level in range(1, levels + 1)}
        self.lessons = {level: self._lessons(level) for level in range(1, levels + 1)}

    def _lessons(self, level: int) -> Iterator[Example]:
        held_out = {problem.prompt for problem in self.held_out[level]}
        for piece in range(1, 10**6):
            drawn = self.trainer.sample(level=level, count=PIECE, seed=self.recipe.seed * 10**9 + piece * 100 + level)
            rows = [(Message("user", one.prompt), Message("assistant", one.answer)) for one in drawn]
            for problem, tokenized in zip(drawn, self.hero.mask.tokenize_many(rows), strict=True):
                if problem.prompt not in held_out and isinstance(tokenized, Tokenized):
                    yield shift(0, tokenized.input_ids, tokenized.trained)

    def row(self) -> list[Example]:
        """Examples of up to ROW_TOKENS together."""
        row: list[Example] = []
        while sum(map(len, row)) < ROW_TOKENS - 2 * max(map(len, row), default=0):
            of_current = self.level == 1 or self.random.random() < CURRENT_SHARE
            row.append(next(self.lessons[self.level if of_current else self.random.randrange(1, self.level)]))
        return row

    def take_step(self) -> None:
        self.step += 1
        batch = join([example for _ in range(self.recipe.rows_per_step) for example in self.row()])
        token_losses(self.hero, batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(self.hero.trainable.values(), self.recipe.clip_norm)
        optimizer.set_learning_rate(self.optimizer, optimizer.learning_rate(self.recipe, self.step))
        self.optimizer.step()
        self.optimizer.zero_grad()

    def ask(self, level: int) -> float:
        problems = self.held_out[level]
        longest = max(len(problem.answer.encode()) for problem in problems) + SPARE_TOKENS
        answers = answering.answer(self.hero, [problem.prompt for problem in problems], max_new_tokens=longest)
        return sum(map(self.trainer.judge, problems, answers)) / len(problems)

    def run(self, seconds: float) -> dict[str, object]:
        won: dict[int, float] = {}
        started = time.process_time()
        self.hero.model.train()
        while (now := time.process_time() - started) < seconds:
            self.take_step()
            if self.step % EVERY == 0:
                self.good = self.good + 1 if self.ask(self.level) >= ENOUGH_ACCURACY else 0
                if self.good >= EVALUATIONS_IN_A_ROW and self.level not in won:
                    won[self.level], self.good = round(time.process_time() - started, 1), 0
                    self.level = min(self.level + 1, self.levels)
        at_the_end = [round(100 * self.ask(level)) for level in range(1, self.level + 1)]
        return {"won_after_s": won, "percent_at_the_end": at_the_end, "steps": self.step, "seconds": round(now)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skill", default="bin", help="a skill of the realm, or sums")
    parser.add_argument("--levels", type=int, default=8, help="the most that are climbed")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(
        rows_per_step=options.rows,
        rows_per_micro_batch=options.rows,
        learning_rate=options.rate,
        optimizer=options.optimizer,
        seed=options.seed,
    )
    trainer, levels = (Sums(), 1) if options.skill == "sums" else (get_trainer(options.skill), options.levels)
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(trainer, recipe, embedded.ensure(Path(folder)), levels=levels)
        print(json.dumps(vars(options) | loop.run(options.seconds)))


if __name__ == "__main__":
    main()

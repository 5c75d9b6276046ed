"""Problems of a level that no set holds: so many at once, or batch after batch without end, no two alike."""

from __future__ import annotations

from collections.abc import Collection

from guild.errors import GuildError
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive

DRAW = 5000
"""The most problems that are asked of a trainer at once."""
LEAST_DRAW = 100
"""The fewest: in a handful all may happen to be held out."""
_BARREN_SHARE, _MOST_BARREN = 0.005, 3
"""A level is exhausted when so many draws in a row bring less than this share of new problems."""


def draw(trainer: Trainer, *, level: int, count: int, seed: int, forbidden: Collection[str]) -> list[Problem]:
    """`count` problems whose keys are not in `forbidden`, or as many as the trainer has.

    Asked for more only where some of the first were forbidden, which among a million is rare, and for as many as were:
    most of what is forbidden is of other levels and skills, and a small level need not have as many problems besides.
    """
    wanted, most = count, count + len(forbidden)
    chosen = _allowed(trainer.sample(level=level, count=wanted, seed=seed), forbidden)
    while len(chosen) < count and wanted < most:
        wanted = min(wanted + count - len(chosen), most)
        chosen = _allowed(trainer.sample(level=level, count=wanted, seed=seed), forbidden)[:count]
    return chosen


def _allowed(problems: list[Problem], forbidden: Collection[str]) -> list[Problem]:
    return [problem for problem in problems if problem.key not in forbidden]


class Fresh:
    """An endless supply of one level's problems, the same ones for the same seed."""

    def __init__(
        self,
        trainer: Trainer,
        *,
        skill: str,
        level: int,
        seed: int,
        forbidden: frozenset[str],
        seen: set[int] | None = None,
    ) -> None:
        """`forbidden` are keys of problems. Supplies that share `seen` bring no problem twice between them."""
        self._trainer, self._skill, self._level, self._seed = trainer, skill, level, seed
        self._forbidden = forbidden
        self._seen = set() if seen is None else seen
        self._found = 0
        self._spare: list[Problem] = []
        self._draws = 0
        self.left_out = 0
        """Drawn problems that are held out."""

    def take(self, count: int) -> list[Problem]:
        """Raises GuildError if the level has not that many, or its trainer is in trouble."""
        barren = 0
        while len(self._spare) < count:
            wanted = min(DRAW, max(LEAST_DRAW, count - len(self._spare)))
            fresh = self._draw(wanted)
            barren = 0 if len(fresh) > _BARREN_SHARE * wanted else barren + 1
            if barren == _MOST_BARREN:
                raise GuildError(
                    f"{self._skill} level {self._level} has no more than about {self._found} different problems "
                    "that are not held out; ask for fewer"
                )
            self._spare += fresh
        taken, self._spare = self._spare[:count], self._spare[count:]
        return taken

    def _draw(self, count: int) -> list[Problem]:
        self._draws += 1
        seed = derive(self._seed, self._skill, self._level, self._draws)
        try:
            drawn = self._trainer.sample(level=self._level, count=count, seed=seed)
        except ValueError as error:  # as guild.trainers.seeds.draw_distinct
            raise GuildError(f"{self._skill} level {self._level}: {error}") from error
        return [problem for problem in drawn if self._is_new(problem)]

    def _is_new(self, problem: Problem) -> bool:
        """Half of a key is enough to tell a million problems apart, and takes an eighth of its memory."""
        if problem.key in self._forbidden:
            self.left_out += 1
            return False
        short = int(problem.key[:16], 16)
        if short in self._seen:
            return False
        self._seen.add(short)
        self._found += 1
        return True

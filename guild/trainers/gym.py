"""Any task of the package `reasoning-gym` as a trainer: `trainer: reasoning-gym:chain_sum`.

A level's parameters are the fields of the task's configuration. The package is an optional extra. It takes more than a
second to import, and some tasks take seconds for a quest, so it is imported when a problem is first asked for.

A few tasks draw from Python sets, whose order is another one in each process: a seed gives the same problems within one
process only. They are refused, by name: to find out would take another interpreter each time. A task that hangs has no
deadline here; `manage.py trainer SKILL` behind a skill of kind `http` gives it one, and a health check marks it down.

A problem's ticket is `seed:index` of the data set that it was drawn from: many tasks judge by more than prompt and
answer, and draw the same entry again to do so.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, get_type_hints

from guild.errors import TrainerUnavailable
from guild.trainers import checks
from guild.trainers.gym_answers import is_harmless
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive
from realm import strict

PREFIX = "reasoning-gym:"
PACKAGE = "reasoning_gym"
INSTALL = "pip install reasoning-gym"
OURS = frozenset({"seed", "size"})
"""Fields that the realm sets itself."""
SET_SIZE = 1000
"""Problems of one data set: some tasks cannot make larger ones. When it is used up, the next seed's is drawn from."""
SEEDS = 2**31
"""Some tasks hand their seed to numpy, with the index added: it takes 32 bits."""
DATA_SETS_KEPT = 8
UNSTEADY = frozenset({"isomorphic_strings", "knight_swap", "polynomial_multiplication", "ransom_note", "word_ladder"})
"""Tasks of release 0.1.25 that give other problems in each process for the same seed."""
PROOF_SEED, PROOF_PROBLEMS = 1, 3
RIGHT = 1.0
"""The score of a whole answer; what is partly right is wrong."""
_TASK = re.compile(r"[a-z0-9_]+")
_TICKET = re.compile(r"(\d{1,10}):(\d{1,4})")


def check_name(name: str, *, source: str) -> str:
    """The task's name behind the prefix, without a look into the package. Raises strict.BadConfig."""
    task = name.removeprefix(PREFIX)
    if not _TASK.fullmatch(task):
        raise strict.BadConfig(f"{source}: trainer: {task!r} is no task's name; {PREFIX}chain_sum is one that is")
    if task in UNSTEADY:
        raise strict.BadConfig(
            f"{source}: trainer: {task} gives other problems in each process for the same seed; choose another task"
        )
    if importlib.util.find_spec(PACKAGE) is None:
        raise strict.BadConfig(
            f"{source}: trainer: {name} needs a package that is not installed; "
            f"install it with `{INSTALL}`, then restart the realm"
        )
    return task


class GymTrainer:
    """Raises strict.BadConfig naming level, key and what is allowed, when it is made."""

    is_remote = True

    def __init__(self, skill: str, task: str, levels: Sequence[dict[str, Any]]) -> None:
        self.skill, self.task = skill, task
        self._levels = len(levels)
        config = _config_class(task)
        self._proven: set[int] = set()
        # Some tasks read their material for each data set anew, and a judge needs the same few ones again and again.
        self._data = lru_cache(maxsize=DATA_SETS_KEPT)(self._make_data)
        self._parameters = [_check(task, config, level, f"levels[{index}]") for index, level in enumerate(levels)]

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        checks.check_level(self.skill, level, self._levels)
        self._prove(level)
        base = random.getrandbits(64) if seed is None else seed
        return checks.distinct(self._draw(level, base), count, who=self._who, level=level)

    def judge(self, problem: Problem, answer: str) -> bool:
        """Right is what the task gives the whole score; only white space around the answer is forgiven."""
        checks.check_level(self.skill, problem.level, self._levels)
        if answer.strip() == problem.answer.strip():
            return True
        if not is_harmless(answer.strip()):
            return False
        data, entry = self._entry_of(problem)
        return entry is not None and _is_right(data, entry, answer.strip())

    def judge_all(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        return [self.judge(*pair) for pair in zip(problems, answers, strict=True)]

    def _draw(self, level: int, base: int) -> Iterator[Problem]:
        number = 0
        while True:
            seed = derive(self.skill, level, base, number) % SEEDS
            data = self._data(level, seed)
            for index in range(SET_SIZE):
                yield self._problem(data, level, f"{seed}:{index}", index)
            number += 1

    def _problem(self, data: Any, level: int, ticket: str, index: int) -> Problem:
        try:
            entry = data[index]
        except Exception as error:
            raise self._failed(level, error) from error
        return Problem(entry["question"], entry["answer"], self.skill, level, ticket)

    def _entry_of(self, problem: Problem) -> tuple[Any, dict[str, Any] | None]:
        """The data set and the entry that the problem was made from.

        None without a ticket, or with that of another release of the package: then only the golden answer is right.
        """
        found = _TICKET.fullmatch(problem.ticket)
        if not found:
            return None, None
        seed, index = (int(part) for part in found.groups())
        data = self._data(problem.level, seed)
        try:
            entry = data[index]
        except Exception as error:
            raise self._failed(problem.level, error) from error
        same = (entry["question"], entry["answer"]) == (problem.prompt, problem.answer)
        return data, entry if same else None

    def _prove(self, level: int) -> None:
        """Once for each level: same seed, same problems; the golden answer has the whole score, nonsense has not."""
        if level in self._proven:
            return
        first, again = (self._make_data(level, PROOF_SEED) for _ in range(2))
        for index in range(PROOF_PROBLEMS):
            problem = self._problem(first, level, "", index)
            checks.check_texts(problem, who=self._who, level=level)
            if problem != self._problem(again, level, "", index):
                raise TrainerUnavailable(
                    f"{self._who}: level {level} gives other problems for the same seed; choose another task"
                )
            if not _is_right(first, first[index], problem.answer):
                raise TrainerUnavailable(
                    f"{self._who}: at level {level} the task calls its own answer wrong; choose another task"
                )
            if _is_right(first, first[index], checks.NONSENSE):
                raise TrainerUnavailable(
                    f"{self._who}: at level {level} the task calls nonsense a right answer; choose another task"
                )
        self._proven.add(level)

    def _make_data(self, level: int, seed: int) -> Any:
        gym = importlib.import_module(PACKAGE)
        try:
            return gym.create_dataset(self.task, seed=seed, size=SET_SIZE, **self._parameters[level - 1])
        except Exception as error:
            raise self._failed(level, error) from error

    @property
    def _who(self) -> str:
        return f"skill {self.skill} ({PREFIX}{self.task})"

    def _failed(self, level: int, error: Exception) -> TrainerUnavailable:
        if isinstance(error, TrainerUnavailable):
            return error
        told = " ".join(str(error).split())
        return TrainerUnavailable(
            f"{self._who}: the task failed at level {level}: {type(error).__name__}: {told}; "
            "give the level other parameters"
        )


def _is_right(data: Any, entry: dict[str, Any], answer: str) -> bool:
    """Some tasks take an answer apart without a net: what they cannot read is wrong."""
    try:
        return bool(data.score_answer(answer, entry) >= RIGHT)
    except Exception:
        return False


def _config_class(task: str) -> type:
    """Raises strict.BadConfig for a task that the package does not have."""
    importlib.import_module(PACKAGE)
    known: dict[str, tuple[type, type]] = importlib.import_module(f"{PACKAGE}.factory").DATASETS
    if task not in known:
        meant = difflib.get_close_matches(task, known, n=1)
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        raise strict.BadConfig(f"trainer: {PACKAGE} has no task {task!r}; allowed are {', '.join(sorted(known))}{hint}")
    return known[task][1]


def _check(task: str, config: type, level: dict[str, Any], source: str) -> dict[str, Any]:
    """The parameters as the task's configuration takes them. Raises strict.BadConfig."""
    allowed = {field.name for field in fields(config)} - OURS
    hints = get_type_hints(config)
    taken = {}
    for key, value in level.items():
        if key in OURS:
            raise strict.BadConfig(f"{source}: {key}: the realm sets it; take this key out")
        if key not in allowed:
            raise strict.BadConfig(f"{source}: {strict.unknown_key(key, allowed)}")
        taken[key] = _convert(hints[key], value, f"{source}: {key}")
    try:
        made = config(**taken, seed=0, size=SET_SIZE)
        getattr(made, "validate", lambda: None)()  # not every task has one
    except (AssertionError, ValueError, TypeError) as error:
        told = " ".join(str(error).split()) or "it does not say why"
        raise strict.BadConfig(f"{source}: the task {task} refuses these parameters: {told}") from error
    return taken


def _convert(hint: Any, value: Any, source: str) -> Any:
    """By the rules of JSON, where a list may stand for a tuple and a text for a date."""
    from pydantic import PydanticUserError, TypeAdapter, ValidationError  # it takes long to import

    try:
        return TypeAdapter(hint).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        inner = "".join(f"[{part}]" for part in first["loc"])
        raise strict.BadConfig(f"{source}{inner}: {first['msg']}, not {strict.shown(value)}") from error
    except PydanticUserError:  # a type that only the task can check
        return value

"""The rows of a sparring: three examples for each mistake and its plain problem, bound to the checkpoint that made it.

Beside them what the hero got right, and levels that it has won, may be rehearsed: of mistakes alone a small hero
forgets what it knew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from guild.errors import GuildError
from guild.trainers.problems import Problem
from realm import strict

Kind = Literal["identify-wrong", "correct-it", "confirm-right", "solve-again", "rehearse"]
KINDS: tuple[Kind, ...] = ("identify-wrong", "correct-it", "confirm-right")
"""What each mistake gives one of; `correct-it` is left out where the settings say so."""
PLAIN: Kind = "solve-again"
"""Beside them, counted apart: the mistake's plain problem, which a hero forgets that only hears of proposals."""
ENDINGS: dict[Kind, str] = {
    "identify-wrong": "Is this correct?",
    "correct-it": "This is incorrect. Find the correct solution.",
    "confirm-right": "Is this correct?",
}
"""What is asked of a proposed answer."""
INCORRECT, CORRECT = "It is incorrect.", "It is correct."
_SPARE_CHARACTERS = 8
"""A longer answer is babble. With more of it, rows of the highest levels would not fit into a recipe's 256 tokens."""
KEY = "sparring"
"""The key of a row under which all this stands; the row travels with it wherever the file goes, by whatever name."""


class BadSparringRow(GuildError):
    """The text says what is wrong, without line and file."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Whose mistakes these are: no other model need unlearn them."""

    hero: str
    checkpoint: str
    """Its name; `base` for the model before any training."""
    step: int
    sha256: str | None
    """Digest of the weights that answered, as their host gave it; None where it knows none."""
    seed: int
    drawn: int
    """So many problems were drawn from this seed: with it every answer can be checked again."""


@dataclass(frozen=True, kw_only=True)
class Example:
    kind: Kind
    group: int
    """Counted from 1: the mistake it comes from; 0 where it rehearses."""
    problem: str
    proposed: str
    """The answer that the row speaks of."""
    answer: str
    """What the hero is to say."""
    level: int | None = None
    """Of one that rehearses a level below the sparring's own."""

    @property
    def prompt(self) -> str:
        """What the hero is asked."""
        if self.kind not in ENDINGS:
            return self.problem
        return f"{self.problem}\n\nProposed answer: {self.proposed or '(none)'}\n\n{ENDINGS[self.kind]}"


@dataclass(frozen=True, kw_only=True)
class SparringRow:
    example: Example
    binding: Binding
    skill: str
    level: int


def examples_of(problem: Problem, wrong: str, other: Problem, *, group: int, quote: bool = True) -> tuple[Example, ...]:
    """The examples of KINDS, then the plain problem; without `quote` there is no `correct-it`.

    `wrong` is the hero's answer to `problem`, as `quoted`; `other` is a fresh problem with its right answer. A wrong
    answer within which the right one stands is not quoted either: there would be nothing to solve, only to copy.
    """
    quote = quote and not _stands_in(problem.answer, wrong)
    correction = Example(kind="correct-it", group=group, problem=problem.prompt, proposed=wrong, answer=problem.answer)
    return (
        Example(kind="identify-wrong", group=group, problem=problem.prompt, proposed=wrong, answer=INCORRECT),
        *([correction] if quote else []),
        Example(kind="confirm-right", group=group, problem=other.prompt, proposed=other.answer, answer=CORRECT),
        replace(correction, kind=PLAIN),
    )


def _stands_in(right: str, wrong: str) -> bool:
    """Case and spaces aside, as the gatekeepers look for leaks."""
    right, wrong = (" ".join(text.casefold().split()) for text in (right, wrong))
    return right in wrong


def rehearsal_of(problem: Problem) -> Example:
    """`problem` is one that the hero got right, or of a level that it has won."""
    return Example(
        kind="rehearse", group=0, problem=problem.prompt, proposed=problem.answer, answer=problem.answer,
        level=problem.level,
    )  # fmt: skip


def quoted(answer: str, *, right: str) -> str:
    """An answer as the rows quote it: hardly longer than the right one."""
    plain = answer.encode("utf-8", "replace").decode().strip()
    return plain[: len(right) + _SPARE_CHARACTERS].strip()


def to_row(example: Example, binding: Binding, *, skill: str, level: int) -> dict[str, Any]:
    own = {"kind": example.kind, "group": example.group, "problem": example.problem, "proposed": example.proposed}
    return {
        "messages": [
            {"role": "user", "content": example.prompt},
            {"role": "assistant", "content": example.answer},
        ],
        "skill": skill,
        "level": level if example.level is None else example.level,
        KEY: own | asdict(binding),
    }


def binding_of(line: bytes) -> Binding | None:
    """Whose mistakes a row of a quest is about; None for any other row."""
    try:
        value = json.loads(line)[KEY]
        return strict.read(Binding, {key: value[key] for key in _BINDING}, source=KEY)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None


_BINDING = tuple(field.name for field in fields(Binding))


@dataclass(frozen=True, kw_only=True)
class _Fields:
    """What stands under KEY."""

    kind: Kind
    group: int
    problem: str
    proposed: str
    hero: str
    checkpoint: str
    step: int
    sha256: str | None
    seed: int
    drawn: int


def read_row(line: bytes) -> SparringRow:
    """Raises BadSparringRow for a row that `to_row` cannot have written."""
    try:
        value = json.loads(line)
        own = strict.read(_Fields, value[KEY], source=KEY)
        user, assistant = value["messages"]
        asked, answer = _said(user, "user"), _said(assistant, "assistant")
        skill, level = value["skill"], value["level"]
    except strict.BadConfig as error:
        raise BadSparringRow(str(error)) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadSparringRow(f"no row of a sparring: {KEY}, two messages, skill and level are expected") from error
    if not isinstance(skill, str) or type(level) is not int:
        raise BadSparringRow("skill must be a text and level a whole number")
    example = Example(kind=own.kind, group=own.group, problem=own.problem, proposed=own.proposed, answer=answer)
    if asked != example.prompt:
        raise BadSparringRow(f"its prompt is not that of {example.kind} for this problem and this proposed answer")
    binding = Binding(**{key: getattr(own, key) for key in _BINDING})
    return SparringRow(example=example, binding=binding, skill=skill, level=level)


def _said(message: dict[str, Any], role: str) -> str:
    content = message["content"]
    if message["role"] != role or not isinstance(content, str):
        raise ValueError(role)
    return content


def in_groups(rows: Iterator[tuple[int, SparringRow]]) -> dict[int, list[tuple[int, SparringRow]]]:
    """Rows with their line numbers, by the mistake they come from; those that rehearse come from none."""
    groups: dict[int, list[tuple[int, SparringRow]]] = {}
    for number, row in rows:
        if row.example.kind != "rehearse":
            groups.setdefault(row.example.group, []).append((number, row))
    return groups

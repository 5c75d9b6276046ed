"""What is asked of the problems of every trainer, of whatever kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guild.errors import TrainerUnavailable
from guild.trainers.problems import Problem

FEWEST_DISTINCT = 0.5
"""Share of the problems drawn that must be different ones; a trainer that repeats itself more often is refused."""
FEWEST_DRAWN = 20
"""So many are drawn before the share is looked at: among few, a repetition may be chance."""
LONGEST_PROMPT = 40_000
LONGEST_ANSWER = 10_000
LONGEST_TICKET = 200
NONSENSE = "no answer at all: 8f2a61c0"
"""Given as an answer to see whether a judge would take anything."""


def check_level(skill: str, level: int, levels: int) -> None:
    if not 1 <= level <= levels:
        raise ValueError(f"{skill} has no level {level}; it has 1 to {levels}")


def distinct(drawn: Iterable[Problem], count: int, *, who: str, level: int) -> list[Problem]:
    """The first `count` different ones of `drawn`, which is read no further than needed.

    Raises TrainerUnavailable for a problem that cannot be used, and as soon as too many of them are repetitions.
    """
    return list(_distinct(drawn, count, who, level)) if count > 0 else []


def _distinct(drawn: Iterable[Problem], count: int, who: str, level: int) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, problem in enumerate(drawn, 1):
        check_texts(problem, who=who, level=level)
        if problem.prompt not in seen:
            seen.add(problem.prompt)
            yield problem
        if len(seen) == count:
            return
        if number >= FEWEST_DRAWN and len(seen) < number * FEWEST_DISTINCT:
            raise TrainerUnavailable(
                f"{who}: the problems of level {level} repeat: of {number} drawn, {len(seen)} are different, and at "
                f"least {FEWEST_DISTINCT:.0%} must be; give the level parameters that allow more problems"
            )
    raise TrainerUnavailable(
        f"{who}: level {level} gives {len(seen)} different problems where {count} are asked for; give the level "
        "parameters that allow more problems"
    )


def check_texts(problem: Problem, *, who: str, level: int) -> None:
    """Raises TrainerUnavailable unless prompt, answer and ticket are texts that a quest may hold."""
    for part, text, longest, may_be_empty in (
        ("prompt", problem.prompt, LONGEST_PROMPT, False),
        ("answer", problem.answer, LONGEST_ANSWER, False),
        ("ticket", problem.ticket, LONGEST_TICKET, True),
    ):
        wrong = _fault(text, longest, may_be_empty)
        if wrong:
            raise TrainerUnavailable(f"{who}: a problem of level {level} has {part} {wrong}; mend the trainer")


def _fault(text: object, longest: int, may_be_empty: bool) -> str:
    if not isinstance(text, str):
        return f"of type {type(text).__name__} where a text is expected"
    if not may_be_empty and not text.strip():
        return "empty"
    if len(text) > longest:
        return f"of {len(text)} characters, and at most {longest} are allowed"
    if not _is_unicode(text):
        return "with half a character in it (a lone surrogate)"
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

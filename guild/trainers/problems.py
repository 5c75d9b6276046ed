"""A problem with its only answer, and the lines it is written as."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    prompt: str
    answer: str
    skill: str
    level: int
    ticket: str = ""
    """What its trainer needs back, besides prompt and answer, to judge an answer; empty for most."""

    @property
    def key(self) -> str:
        """Tells problems apart; what is held out of training is held out by this.

        Without the level: a prompt that two levels share is the same problem, held out of both.
        """
        return hashlib.sha256(json.dumps([self.skill, self.prompt]).encode()).hexdigest()


def to_lesson(problem: Problem) -> dict[str, Any]:
    """The row of a quest that teaches `problem`."""
    return {
        "messages": [
            {"role": "user", "content": problem.prompt},
            {"role": "assistant", "content": problem.answer},
        ],
        "skill": problem.skill,
        "level": problem.level,
    }


def to_question(problem: Problem) -> dict[str, str]:
    """The row of an evaluation set, whose skill and level stand in its file's name."""
    ticket = {"ticket": problem.ticket} if problem.ticket else {}
    return {"prompt": problem.prompt, "answer": problem.answer} | ticket


def to_jsonl(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)

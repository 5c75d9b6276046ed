"""What came of a sparring, as its run keeps it; who only reads it needs no inference host's client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mistake:
    problem: str
    answer: str
    """The hero's."""
    expected: str


@dataclass(frozen=True, kw_only=True)
class SparringResult:
    hero: str
    skill: str
    level: int
    checkpoint: str
    step: int
    sha256: str | None
    asked: int
    wrong: int
    examples: int
    """Three for each wrong answer, two where it is not quoted; none where too little was right."""
    plain: int = 0
    """Rows beside them: the plain problem of each mistake."""
    rehearsed: int = 0
    """Rows beside them, of what was right and of the levels below."""
    quest: str
    """Name of the quest that came of it; empty where there is none."""
    file: str
    """Where it was put; the arena takes it from there."""
    seconds: float
    mistakes: tuple[Mistake, ...] = ()

    @property
    def accuracy(self) -> float:
        return 1 - self.wrong / self.asked

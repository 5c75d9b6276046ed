"""Word Weaving: syllacrostics. Clues, a bank of syllables, and the words that are woven of them.

A clue belongs to one word of the lexicon only, in the form in which a level shows it, so a puzzle has one answer. How
much of the signal a level leaves its parameters say; `configs/skills/sy.yaml` tells what each of them takes away.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from guild.trainers.lexicon import Word, read_lexicon
from guild.trainers.numbering import FEWEST_PROBLEMS, arrangement, numbers_of, spread
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive, draw_distinct, shuffled
from realm import strict

# What a shortened clue goes without first: such words say little.
FILLERS = frozenset(
    ("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "that",
     "the", "to", "which", "who", "with", "your")
)  # fmt: skip

TASK = "Weave a word for each clue. Answer: the words in order, a space between."
LONGEST_STRAY = 5

_RANGES = {"words": (2, 8), "syllables": (2, 5), "clue_words": (2, 9), "letters": (0, 3), "spare": (0, 20)}


@dataclass(frozen=True, kw_only=True)
class WeavingLevel:
    words: int
    """Clues of a puzzle."""
    pool: int
    """The words of a puzzle are among so many of the commonest."""
    syllables: int
    """The most that a word has."""
    clue_words: int
    """So many telling words of a clue are shown at most."""
    letters: int
    """How many of a word's first letters are shown."""
    counts: bool
    """Whether it is said how many syllables each word has."""
    bank: Literal["ordered", "grouped", "shuffled"]
    """Syllables as they stand in the answer, word by word in another order, or in no order."""
    spare: int
    """Syllables of other words among them."""
    spare_told: bool
    """Whether it is said how many of them there are."""
    line_letters: int = 80
    """Letters of a clue, as it is shown, and its word together at most: what keeps long puzzles short enough."""
    tolerant: tuple[Literal["case", "spaces"], ...] = ()
    """What the judge overlooks: capital letters; how much white space stands between words."""

    def __post_init__(self) -> None:
        for key, (lowest, highest) in _RANGES.items():
            if not lowest <= getattr(self, key) <= highest:
                raise ValueError(f"{key}: {getattr(self, key)} is not allowed; allowed are {lowest} to {highest}")
        if self.pool > len(self._candidates):
            raise ValueError(f"pool: {self.pool} is not allowed; the lexicon has {len(self._candidates)} such words")
        if self.sets < FEWEST_PROBLEMS:
            raise ValueError(f"pool: {self.words} of {self.pool} words do not make {FEWEST_PROBLEMS} different puzzles")
        if self.spare + self.words * self.syllables > len(self._strays):
            raise ValueError(f"spare: {self.pool} words have too few syllables for {self.spare} spare ones")

    @property
    def sets(self) -> int:
        """How many different puzzles there are, however their clues are ordered and their bank is filled."""
        return math.comb(self.pool, self.words)

    @property
    def total(self) -> int:
        return math.perm(self.pool, self.words)

    @property
    def size(self) -> int:
        return numbers_of(self.total)

    @cached_property
    def choice(self) -> tuple[Word, ...]:
        """The words that a puzzle may ask for."""
        return tuple(self._candidates[: self.pool])

    @property
    def _candidates(self) -> list[Word]:
        return [
            word
            for word in told_apart(self.clue_words)
            if len(word.syllables) <= self.syllables
            and len(shorten(word.clue, self.clue_words)) + len(word.text) <= self.line_letters
        ]

    @cached_property
    def _strays(self) -> tuple[str, ...]:
        """Sorted, so that a seed draws the same everywhere; the few longest would make a puzzle too long."""
        return tuple(
            sorted({part for word in self.choice for part in word.syllables if len(part) <= LONGEST_STRAY})
        )  # fmt: skip

    def puzzle(self, number: int, source: random.Random) -> tuple[str, str]:
        """Prompt and answer; `source` orders and fills the bank."""
        places = arrangement(spread(number, self.total), self.pool, self.words)
        words = [self.choice[place] for place in places]
        lines = [f"{row} {shorten(word.clue, self.clue_words)}{self._hint(word)}" for row, word in enumerate(words, 1)]
        prompt = "\n".join([TASK, *lines, " ".join([self._bank_title(), *self._bank(words, source)])])
        return prompt, " ".join(word.text for word in words)

    def _bank_title(self) -> str:
        if not self.spare:
            return "Syllables, each used once:"
        return f"Syllables, each used once, {self.spare if self.spare_told else 'some'} not at all:"

    def _hint(self, word: Word) -> str:
        hints = [str(len(word.syllables))] if self.counts else []
        if self.letters:
            hints.append(f"{word.text[: self.letters]}-")
        return f" ({' '.join(hints)})" if hints else ""

    def _bank(self, words: Sequence[Word], source: random.Random) -> list[str]:
        needed = {syllable for word in words for syllable in word.syllables}
        strays = [[syllable] for syllable in self._draw_strays(needed, source)]
        groups = [list(word.syllables) for word in words]
        if self.bank == "ordered":
            for stray in strays:
                groups.insert(int(source.random() * (len(groups) + 1)), stray)
        elif self.bank == "grouped":
            groups = shuffled(groups + strays, source)
        else:
            groups = shuffled([[syllable] for group in groups + strays for syllable in group], source)
        return [syllable for group in groups for syllable in group]

    def _draw_strays(self, needed: set[str], source: random.Random) -> list[str]:
        """Different ones, of words of this level, that no word of the puzzle has."""
        drawn: dict[str, None] = {}
        while len(drawn) < self.spare:
            stray = self._strays[int(source.random() * len(self._strays))]
            if stray not in needed:
                drawn[stray] = None
        return list(drawn)


@cache
def told_apart(clue_words: int) -> tuple[Word, ...]:
    """The words, commonest first, whose clue, so shortened, no other word of the lexicon has."""
    owners = Counter(shorten(word.clue, clue_words) for word in read_lexicon())
    return tuple(word for word in read_lexicon() if owners[shorten(word.clue, clue_words)] == 1)


def shorten(clue: str, most: int) -> str:
    """The clue itself if it has no more than `most` telling words, else the first of them."""
    telling = [part for part in clue.split() if part not in FILLERS]
    return clue if len(telling) <= most else " ".join(telling[:most])


class WordWeaver:
    """Generator and judge of SY."""

    def __init__(self, skill: str, levels: Sequence[dict[str, Any]]) -> None:
        """`levels` as they stand in the skill's file; raises strict.BadConfig naming the key if one is bad."""
        self.skill = skill
        self._levels = [
            strict.read(WeavingLevel, level, source=f"levels[{index}]") for index, level in enumerate(levels)
        ]

    def size(self, level: int) -> int:
        return self._level(level).size

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """`count` different problems; the same ones for the same seed on every machine, any for None."""
        source = random.Random() if seed is None else random.Random(derive(self.skill, level, seed))
        return [self.problem(level, number) for number in draw_distinct(self.size(level), count, source)]

    def problem(self, level: int, number: int) -> Problem:
        """The problem of that number, counted from 0; no two numbers make the same one."""
        prompt, answer = self._level(level).puzzle(number, random.Random(derive(self.skill, level, number)))
        return Problem(prompt, answer, self.skill, level)

    def judge(self, problem: Problem, answer: str) -> bool:
        """Exact but for white space around the answer and for what the level is tolerant of."""
        given = answer.strip()
        tolerant = self._level(problem.level).tolerant
        if "case" in tolerant:
            given = given.lower()
        if "spaces" in tolerant:
            given = " ".join(given.split())
        return given == problem.answer

    def _level(self, level: int) -> WeavingLevel:
        if not 1 <= level <= len(self._levels):
            raise ValueError(f"{self.skill} has no level {level}; it has 1 to {len(self._levels)}")
        return self._levels[level - 1]

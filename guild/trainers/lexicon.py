"""The shipped lexicon: words in syllables, each with a clue that no other word has (`scripts/build_lexicon.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEXICON = Path(__file__).resolve().parent / "data" / "lexicon.tsv"


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    syllables: tuple[str, ...]
    uses: int
    """How often WordNet's tagged texts have it."""
    clue: str


@cache
def read_lexicon(path: Path = LEXICON) -> tuple[Word, ...]:
    """Every word, the commonest first."""
    _, *lines = path.read_text(encoding="utf-8").splitlines()
    words = [_word(line) for line in lines]
    return tuple(sorted(words, key=lambda word: (-word.uses, word.text)))


def _word(line: str) -> Word:
    text, syllables, uses, clue = line.split("\t")
    return Word(text, tuple(syllables.split("-")), int(uses), clue)

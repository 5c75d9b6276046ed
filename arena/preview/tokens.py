"""One row of a quest as the trainer's tokens, for programs: every one of them, by the trainer's own code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arena.gate.findings import findings_beside
from arena.preview.rows import row_at
from arena.recipe import Recipe
from arena.rows.example import Unfit, fitted
from arena.rows.formats import Specs
from arena.rows.mask import Mask
from arena.rows.model import Refusal


class RefusedRow(ValueError):
    """The row is not trained on; the text says why."""


@dataclass(frozen=True, slots=True)
class Token:
    id: int
    text: str
    """Of this token alone; part of a character shows as U+FFFD."""
    trained: bool


@dataclass(frozen=True, slots=True)
class TokenizedRow:
    text: str
    """As the chat template renders it, before it becomes tokens."""
    tokens: tuple[Token, ...]
    """As they are packed: without what is cut off a row that is too long."""


def tokens_of(path: Path, line: int, *, mask: Mask, recipe: Recipe, specs: Specs) -> TokenizedRow:
    """The row in line `line`, counted from 1. Raises RefusedRow, NoSuchRow, MaskingError or UnreadableQuest."""
    _, row = row_at(path, line, specs)
    if isinstance(row, Refusal):
        raise RefusedRow(row.reason)
    if set_aside := findings_beside(path).set_aside(line):
        raise RefusedRow(set_aside.reason)
    (tokenized,) = mask.tokenize_many([row.content])
    fit = fitted(tokenized, recipe.max_length, recipe.over_long)
    if isinstance(fit, Unfit):
        raise RefusedRow(fit.reason)
    # Nothing stands before the first token that could predict it.
    trained = [False, *fit.trained[1:]]
    texts = mask.texts(fit.input_ids)
    tokens = (Token(*each) for each in zip(fit.input_ids, texts, trained, strict=True))
    return TokenizedRow(mask.rendered(row.content), tuple(tokens))

"""What becomes of a row by a hero's tokenizer: its tokens with the mask, or why it has none. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


class MaskingError(ValueError):
    """The template hides where an answer begins or ends; the text says which turn."""


@dataclass(frozen=True, slots=True)
class Tokenized:
    """`trained[i]` says whether token i is one that the hero must learn to write."""

    input_ids: list[int]
    trained: list[bool]
    ends: bool = True
    """Whether each answer that is trained on ends with something at which generation stops."""
    lost_thoughts: tuple[tuple[int, int], ...] = ()
    """Of each answer that the template shows without its thoughts: which message it is, from 1, and how many characters
    are lost."""

    @property
    def slots(self) -> int:
        """Tokens that are computed: each but the last predicts the next, up to the last that is trained on."""
        return next((index for index in range(len(self.trained) - 1, 0, -1) if self.trained[index]), 0)

    @property
    def labels(self) -> int:
        """Tokens that are trained on. The first is not: nothing stands before it that could predict it."""
        return sum(self.trained[1:])

    def cut(self, tokens: int) -> Tokenized:
        return Tokenized(self.input_ids[:tokens], self.trained[:tokens], self.ends, self.lost_thoughts)

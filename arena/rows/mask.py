"""What rows are read through: a hero's tokenizer, template and masks, in this process or in a confined one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from arena.rows.model import Content, Message
from arena.rows.pieces import Piece
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.turn_ends import TurnEnds


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a tokenizer and its template without a row."""

    sha256: str
    """Digest of all that decides how a row becomes tokens."""
    special: Mapping[str, int | None]
    """Every special token and its id."""
    longest_token: int
    """Characters of the longest token."""
    ends: TurnEnds
    """At what generation stops."""
    warnings: tuple[str, ...]
    """What is wrong with the template's turns."""
    has_template: bool


class Mask(Protocol):
    """`ChatMask`, or `ConfinedMask` where a model must not run in this process."""

    def __hash__(self) -> int: ...

    @property
    def facts(self) -> Facts: ...

    @property
    def ends(self) -> TurnEnds: ...

    def tokenize_many(self, contents: Sequence[Content]) -> list[Tokenized | MaskingError]: ...

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]: ...

    def prompts(self, conversations: Sequence[Sequence[Message]], *, most_characters: int) -> list[list[int] | int]: ...

    def rendered(self, content: Content) -> str: ...

    def encode(self, text: str) -> list[int]: ...

    def texts(self, ids: Sequence[int]) -> list[str]: ...

    def pieces(self, ids: Sequence[int], labels: Sequence[bool]) -> Sequence[Piece]: ...

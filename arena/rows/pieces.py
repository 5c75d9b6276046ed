"""Tokens in pieces of whole characters, as eyes read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from tokenizers.decoders import DecodeStream

from arena.rows.tokenizer import HeroTokenizer

MOST_HELD = 60
"""Tokens of one piece. No character has as many, but a text of replacement characters (U+FFFD) never looks whole; what
is cut off such a text may show more of them than it has."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens whose bytes make whole characters: one token wherever it decodes cleanly by itself."""

    text: str
    ids: tuple[int, ...]
    trained: bool
    """Whether any of them is a label: a token that the hero is trained to write."""
    special: bool


def pieces_of(
    tokenizer: HeroTokenizer, special_ids: Set[int], ids: Sequence[int], labels: Sequence[bool]
) -> Iterator[Piece]:
    """Tokens in pieces of whole characters. What is behind the end of `labels` is none."""
    backend = tokenizer.backend
    stream, held = DecodeStream(skip_special_tokens=False), _Held()
    for index, token in enumerate(ids):
        trained = index < len(labels) and labels[index]
        special = token in special_ids
        if held.ids and (special or len(held.ids) == MOST_HELD):  # a character that the row breaks off
            yield held.piece(tokenizer.decode(held.ids))
            stream, held = DecodeStream(skip_special_tokens=False), _Held()
        held.add(token, trained)
        text = stream.step(backend, token)
        if special:
            yield held.piece(backend.id_to_token(token) or "", special=True)
        elif text is not None:
            yield held.piece(text)
    if held.ids:
        yield held.piece(tokenizer.decode(held.ids))


class _Held:
    """Tokens that make no whole character yet."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._trained = False

    def add(self, token: int, trained: bool) -> None:
        self.ids.append(token)
        self._trained |= trained

    def piece(self, text: str, *, special: bool = False) -> Piece:
        found = Piece(text, tuple(self.ids), self._trained, special)
        self.ids, self._trained = [], False
        return found

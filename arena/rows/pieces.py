"""Rows in pieces that are tokenised at once: many enough to use every core, few enough to lie in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from arena.rows.parse import Refusal, Row

PIECE_ROWS = 512
PIECE_CHARACTERS = 500_000
"""A piece ends with the row that reaches one of these."""


def in_pieces(rows: Iterable[Row | Refusal]) -> Iterator[list[Row | Refusal]]:
    piece: list[Row | Refusal] = []
    characters = 0
    for row in rows:
        piece.append(row)
        characters += _characters(row)
        if len(piece) == PIECE_ROWS or characters >= PIECE_CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece


def _characters(row: Row | Refusal) -> int:
    if isinstance(row, Refusal):
        return 0
    if isinstance(row.content, str):
        return len(row.content)
    return sum(len(message.content) for message in row.content)

"""One prompt and what is written after it; the text as it grows. No torch."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from arena.oracle.trouble import OracleTrouble

_UNFINISHED = "�"
"""What a decoder puts where a character's bytes are not all there yet."""
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    """0: any token."""
    seed: int = field(default_factory=lambda: secrets.randbits(63))


@dataclass(eq=False, kw_only=True)
class Row:
    """Written to by the thread that generates; `gone` by whoever does not want it any more."""

    prompt_ids: list[int]
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    """Texts at which it ends; they are left out."""
    stop_ids: frozenset[int] = frozenset()
    """Tokens at which it ends, beside those at which every row of its model does."""
    sampling: Sampling | None = None
    """None: greedy."""
    on_text: Callable[[str], None] | None = None
    """Called in the generating thread with each piece of the answer."""
    ids: list[int] = field(default_factory=list)
    """As written, with the token that ended the turn."""
    text: str = ""
    finish_reason: FinishReason | None = None
    trouble: OracleTrouble | None = None
    gone: bool = False

    @property
    def is_done(self) -> bool:
        return self.finish_reason is not None or self.trouble is not None or self.gone


class Scribe:
    """Takes one row's tokens, and knows when it ends."""

    def __init__(self, row: Row, decode: Callable[[list[int]], str], stop_ids: Collection[int]) -> None:
        self.row = row
        self._decode = decode
        self._stop_ids = row.stop_ids.union(stop_ids)
        self._watches = bool(row.stop) or row.on_text is not None
        self._sent = 0

    @property
    def is_done(self) -> bool:
        return self.row.is_done

    def take(self, token: int) -> bool:
        """Whether the row ends with this token. Does nothing once it is done: what follows is padding."""
        row = self.row
        if row.is_done:
            return False
        row.ids.append(token)
        ended: FinishReason | None = None
        if token in self._stop_ids:
            ended = "stop"
        elif len(row.ids) >= row.max_new_tokens:
            ended = "length"
        if not ended and not self._watches:
            return False
        text = self._decode(row.ids[:-1] if token in self._stop_ids else row.ids)
        cut = _first_stop(text, row.stop)
        if cut is not None:
            text, ended = text[:cut], "stop"
        row.text = text
        self._send(len(text) if ended else _settled(text, row.stop))
        row.finish_reason = ended
        return ended is not None

    def _send(self, until: int) -> None:
        if self.row.on_text and until > self._sent:
            piece, self._sent = self.row.text[self._sent : until], until
            self.row.on_text(piece)


def _first_stop(text: str, stop: tuple[str, ...]) -> int | None:
    return min((at for at in map(text.find, stop) if at >= 0), default=None)


def _settled(text: str, stop: tuple[str, ...]) -> int:
    """How much of `text` more tokens cannot change: half a character or the beginning of a stop may be its end."""
    whole = len(text.rstrip(_UNFINISHED))
    longest = max(
        (size for each in stop for size in range(1, len(each)) if text[:whole].endswith(each[:size])), default=0
    )
    return whole - longest

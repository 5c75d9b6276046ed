"""One prompt and what is written after it; the text as it grows. No torch."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from arena.oracle.trouble import OracleTrouble
from arena.rows.turn_ends import TurnEnds

_UNFINISHED = "�"
"""What a decoder puts where a character's bytes are not all there yet."""
_ANYTHING = "\0"
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
    """Texts at which it ends; they are left out. They may name special tokens, which no answer's text has."""
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


class Decode(Protocol):
    def __call__(self, ids: list[int], *, with_special: bool = False) -> str: ...


class Scribe:
    """Takes one row's tokens, and knows when it ends."""

    def __init__(self, row: Row, decode: Decode, ends: TurnEnds, special: Collection[str] = ()) -> None:
        """`special` are the texts of the special tokens."""
        self.row = row
        self._decode, self._ends, self._special = decode, ends, special
        self._stops_at_special = tuple(stop for stop in row.stop if any(token in stop for token in special))
        self._stops = tuple(stop for stop in row.stop if stop not in self._stops_at_special)
        # Of what an answer must not have, no beginning may be told: nor what stands before an end that is a token.
        self._held = (*row.stop, f"{ends.tail}{ends.text or _ANYTHING}")
        self._watches = bool(row.stop) or bool(ends.text) or row.on_text is not None
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
        by_token = self._ends.end_at(row.ids)
        ended: FinishReason | None = "stop" if by_token else None
        if not ended and len(row.ids) >= row.max_new_tokens:
            ended = "length"
        if not ended and not self._watches:
            return False
        text = self._decode(row.ids[:-1] if by_token else row.ids)
        stopped = [*self._up_to_stops(text), *self._up_to_special_stops()]
        row.text = min((self._ends.cut(text, ended=by_token), *stopped), key=len)
        if stopped:
            ended = "stop"
        self._send(len(row.text) if ended else _settled(row.text, self._held))
        row.finish_reason = ended
        return ended is not None

    def _up_to_stops(self, text: str) -> Iterator[str]:
        """What stands before each stop that has come, and before a mark that ends the turn."""
        for stop in self._stops:
            if stop in text:
                yield text.partition(stop)[0]
        if self._ends.text and self._ends.text in text:
            yield self._ends.cut(text, ended=False)

    def _up_to_special_stops(self) -> Iterator[str]:
        """The same of stops that name a special token, which are sought where those are shown."""
        whole = self._decode(self.row.ids, with_special=True) if self._stops_at_special else ""
        for stop in self._stops_at_special:
            if stop in whole:
                before = whole.partition(stop)[0]
                for token in self._special:
                    before = before.replace(token, "")
                yield before

    def _send(self, until: int) -> None:
        if self.row.on_text and until > self._sent:
            piece, self._sent = self.row.text[self._sent : until], until
            self.row.on_text(piece)


def _settled(text: str, stop: tuple[str, ...]) -> int:
    """How much of `text` more tokens cannot change: half a character or the beginning of a stop may be its end."""
    whole = len(text.rstrip(_UNFINISHED))
    longest = max(
        (size for each in stop for size in range(1, len(each)) if text[:whole].endswith(each[:size])), default=0
    )
    return whole - longest

"""At what the writing of an answer stops: all that the hero is trained to end a turn with, and what its files name.

An end is a token or, where the tokenizer has none for the template's mark, the mark's text. Neither is part of the
answer. No torch, no transformers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from arena.rows.model import Content, Message
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.tokenizer import HeroTokenizer

QUESTION, ANSWER = "1+1?", "yes"
_THOUGHT = "so it is"
_THOUGHT_KEYS = ("thinking", "reasoning_content", "reasoning")


class Mask(Protocol):
    """What is asked of a ChatMask here."""

    tokenizer: HeroTokenizer
    special_ids: frozenset[int]
    tail: str
    closing: str

    def tokenize(self, content: Content) -> Tokenized: ...

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]: ...

    def is_special(self, text: str) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class TurnEnds:
    ids: frozenset[int] = frozenset()
    ids_behind: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Tokens that end an answer only once it holds these tokens: some templates close a thought with the same."""
    text: str = ""
    """The mark that ends a turn where it is plain text; else empty."""
    tail: str = ""
    """What the template writes between an answer and its end."""

    def end_at(self, ids: Sequence[int]) -> bool:
        """Whether the last of an answer's tokens ends it."""
        header = self.ids_behind.get(ids[-1])
        return ids[-1] in self.ids or (header is not None and _holds(ids, header))

    def length(self, ids: Sequence[int]) -> int:
        """How many of these tokens are the answer's, the one that ends it left out."""
        return next((at for at in range(len(ids)) if self.end_at(ids[: at + 1])), len(ids))

    def cut(self, text: str, *, ended: bool) -> str:
        """An answer's text without what closes the turn; `ended` says whether a token did."""
        found = text.find(self.text) if self.text else -1
        if found >= 0:
            return text[:found].removesuffix(self.tail)
        return text.removesuffix(self.tail) if ended else text

    @classmethod
    def of(cls, mask: Mask, named: Collection[int] = ()) -> TurnEnds:
        """Of this template and tokenizer; `named` are the ids that the model's own files list as ends."""
        eos = mask.tokenizer.eos_id
        last, earlier = _closing_ids(mask)
        ids = last | set(named) | (set() if eos is None else {eos})
        inside = {token for token in earlier - ids if _closes_thoughts(mask, token)}
        header = _header_ids(mask) if inside else ()
        return cls(
            ids=frozenset(ids | (earlier - inside)),
            ids_behind={token: header for token in inside if header},
            text="" if mask.is_special(mask.closing) else mask.closing,
            tail=mask.tail,
        )


def stretches(trained: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last place behind of each run of trained tokens."""
    first = None
    for place, flag in enumerate([*trained, False]):
        if flag and first is None:
            first = place
        elif not flag and first is not None:
            yield first, place
            first = None


def _closing_ids(mask: Mask) -> tuple[set[int], set[int]]:
    """Special tokens that a last answer is trained to end with, and an earlier one."""
    last: set[int] = set()
    earlier: set[int] = set()
    for turns in (1, 2):
        try:
            tokenized = mask.tokenize((Message("user", QUESTION), Message("assistant", ANSWER)) * turns)
        except MaskingError:
            continue
        ends = [tokenized.input_ids[behind - 1] for _, behind in stretches(tokenized.trained)]
        last |= set(ends[-1:])
        earlier |= set(ends[:-1])
    return last & mask.special_ids, earlier & mask.special_ids


def _closes_thoughts(mask: Mask, token: int) -> bool:
    """Whether the template writes this token inside a turn: between a thought and its answer."""
    question = {"role": "user", "content": QUESTION}
    answer = {"role": "assistant", "content": ANSWER} | dict.fromkeys(_THOUGHT_KEYS, _THOUGHT)
    try:
        text = mask.tokenizer.render([question, answer])
    except Exception:  # templates raise what they like
        return False
    between = text[text.find(_THOUGHT) : text.rfind(ANSWER)] if _THOUGHT in text else ""
    return token in mask.tokenizer.encode(between)


def _header_ids(mask: Mask) -> tuple[int, ...]:
    """What the hero writes before an answer without a thought, up to its last special token."""
    asked = (Message("user", QUESTION),)
    ids = mask.tokenize((*asked, Message("assistant", ANSWER))).input_ids[len(mask.prompt_ids(asked)) :]
    special = [place for place, token in enumerate(ids[:-1]) if token in mask.special_ids]
    return tuple(ids[: special[-1] + 1]) if special else ()


def _holds(ids: Sequence[int], part: Sequence[int]) -> bool:
    return any(tuple(ids[at : at + len(part)]) == tuple(part) for at in range(len(ids) - len(part) + 1))

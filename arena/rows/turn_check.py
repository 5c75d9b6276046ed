"""Where turns begin and end, tried on a hero's own template: what is asked must lead to what is trained.

Where the tokens of a prompt as the hero is asked begin the tokens of a row, every token behind them is trained, up to
and including one at which generation stops. It is tried on conversations of one, two and three turns, with and without
a system text, whose answers begin with a letter, a blank, a newline, a digit. No torch, no transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from arena.rows.model import Content, Message
from arena.rows.tokenized import MaskingError, Tokenized

NO_END = "no end of turn is trained: the hero would never learn to stop"
NO_BEGIN = "the first tokens of an answer are not trained: this chat template hides where a turn begins"
_ANSWERS = ("yes", " yes", "\nyes", "7 is it")


class Mask(Protocol):
    @property
    def special_ids(self) -> frozenset[int]: ...

    def tokenize(self, content: Content) -> Tokenized: ...

    def prompt_ids_of_row(self, messages: Sequence[Message]) -> list[int]: ...


@dataclass(frozen=True, kw_only=True)
class TurnCheck:
    end_ids: frozenset[int] = frozenset()
    """Special tokens that are trained as the last of a turn and never within one."""
    begins: bool = True
    """Whether every token behind a prompt as it is asked is trained."""
    ends: bool = True
    """Whether every turn that is trained ends with something at which generation stops."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*(() if self.begins else (NO_BEGIN,)), *(() if self.ends else (NO_END,)))


def check_turns(mask: Mask) -> TurnCheck:
    """What the mask makes of the probe conversations; one that the template refuses is not tried."""
    begins = ends = True
    last: set[int] = set()
    within: set[int] = set()
    for chat in _probes():
        try:
            row = mask.tokenize(chat)
            asked = [
                mask.prompt_ids_of_row(chat[:index]) for index, said in enumerate(chat) if said.role == "assistant"
            ]
        except MaskingError:
            continue
        for stretch in _stretches(row):
            *inner, end = (row.input_ids[index] for index in stretch)
            last |= {end} & mask.special_ids
            within |= mask.special_ids.intersection(inner)
        begins &= all(_begins(row, prompt) for prompt in asked)
        ends &= row.ends
    return TurnCheck(end_ids=frozenset(last - within or last), begins=begins, ends=ends)


def _probes() -> Iterator[tuple[Message, ...]]:
    for answer, turns, system in product(_ANSWERS, (1, 2, 3), (False, True)):
        told = (Message("system", "Be brief."),) if system else ()
        yield told + tuple(
            said for turn in range(turns) for said in (Message("user", f"ask {turn}"), Message("assistant", answer))
        )


def _stretches(row: Tokenized) -> Iterator[range]:
    """Token numbers of each run that is trained."""
    begin = None
    for index, trained in enumerate([*row.trained, False]):
        if trained and begin is None:
            begin = index
        elif not trained and begin is not None:
            yield range(begin, index)
            begin = None


def _begins(row: Tokenized, prompt: Sequence[int]) -> bool:
    """Whether what follows the prompt is trained from its first token on, if the row begins with it."""
    asked = len(prompt)
    return row.input_ids[:asked] != list(prompt) or asked >= len(row.trained) or row.trained[asked]

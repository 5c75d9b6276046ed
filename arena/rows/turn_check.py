"""Whether a hero can learn its turns from rows: short conversations put through its own template and tokenizer.

What must hold: where the tokens of the prompt, as the hero is asked, begin a row, all behind them is trained up to and
with an end at which writing stops. No torch, no transformers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arena.rows.model import Message, shortened
from arena.rows.tokenized import MaskingError
from arena.rows.turn_ends import ANSWER, QUESTION, Mask, TurnEnds

NO_END = "no end of turn is trained: the hero would never learn to stop"
NO_END_OF_EARLIER = (
    "no end of turn is trained behind the earlier answers of a conversation: a hero that learns from several turns "
    "a row may not stop there"
)
UNTRAINED = "what follows the prompt that the hero is asked with is not all trained"
UNLIKE_ASKED = (
    "rows do not begin with the prompt that the hero is asked with: the chat template writes something else before an "
    "answer that it is given than when it asks for one"
)
TOLD_BY_LINE = (NO_END, NO_END_OF_EARLIER)
"""Of these a row can say by itself whether they are true of it."""
OPENINGS = ("", " ", "\n", "7")
"""What answers begin with: a letter, a blank, a line's end, a digit."""
_SYSTEM = Message("system", "Be brief.")


@dataclass(frozen=True, kw_only=True)
class TurnCheck:
    refusal: str | None = None
    """Why no conversation can be learned."""
    warnings: tuple[str, ...] = ()


def check_turns(mask: Mask) -> TurnCheck:
    """What is wrong with the turns of this template and tokenizer, each in one sentence. Takes milliseconds."""
    ends = TurnEnds.of(mask)
    warnings: dict[str, None] = {}
    refused: list[str] = []
    for conversation in probes():
        try:
            warnings |= dict.fromkeys(_faults(mask, ends, conversation))
        except MaskingError as error:  # many templates take no system message, some no second question
            refused.append(str(error))
    if len(refused) == len(list(probes())):
        return TurnCheck(refusal=shortened(refused[0]))
    if NO_END in warnings:
        warnings.pop(NO_END_OF_EARLIER, None)
    return TurnCheck(warnings=tuple(warnings))


def probes() -> Iterator[tuple[Message, ...]]:
    """One, two and three turns, without and with a system message, answers that begin with each of OPENINGS."""
    for opening in OPENINGS:
        for system in ((), (_SYSTEM,)):
            for turns in (1, 2, 3):
                yield (*system, *(Message("user", QUESTION), Message("assistant", opening + ANSWER)) * turns)


def _faults(mask: Mask, ends: TurnEnds, conversation: tuple[Message, ...]) -> Iterator[str]:
    tokenized = mask.tokenize(conversation)
    for index, message in enumerate(conversation):
        if message.role == "assistant":
            prompt = mask.prompt_ids(conversation[:index])
            behind = slice(len(prompt), None)
            is_last = index == len(conversation) - 1
            if tokenized.input_ids[: len(prompt)] != prompt:
                # Of earlier answers many templates leave out the thought, and show them otherwise for that.
                yield from (UNLIKE_ASKED,) if is_last else ()
            else:
                yield from _end_fault(mask, ends, tokenized.input_ids[behind], tokenized.trained[behind], is_last)


def _end_fault(mask: Mask, ends: TurnEnds, ids: list[int], trained: list[bool], is_last: bool) -> Iterator[str]:
    """Nothing where all is trained up to an end."""
    untrained = trained.index(False) if False in trained else len(ids)
    learned = ids[:untrained]
    by_token = ends.length(learned) < len(learned)
    by_text = bool(ends.text) and ends.text in mask.tokenizer.decode(learned)
    if not (by_token or by_text):
        answered = ANSWER in mask.tokenizer.decode(learned)
        yield UNTRAINED if not answered else NO_END if is_last else NO_END_OF_EARLIER

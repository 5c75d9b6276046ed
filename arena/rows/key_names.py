"""What the keys that stand beside a row's texts, or beside a turn's, mean: the names that public data sets use.

A key means the same in every form, with underscores or without, in whatever case.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Any


class Meaning(StrEnum):
    LEARNED = "learned"
    """1 or true: it is learned; 0 or false: it is read and not learned."""
    PASSED_OVER = "passed-over"
    """The other way round."""
    GOOD = "good"
    """False: an answer to be avoided."""
    BAD = "bad"
    """True: an answer to be avoided."""
    THOUGHT = "thought"
    SYSTEM = "system"
    HISTORY = "history"
    """Earlier turns."""
    TOOLS = "tools"
    MEDIA = "media"
    PREFERENCE = "preference"
    """Another answer, which the trained one is better or worse than."""
    PARTIAL = "partial"
    """Which part of a text is learned, or that more than the answers is."""
    CHANNEL = "channel"
    """Harmony's: `analysis` is a thought of its own turn, `final` the answer."""
    FORGED = "forged"
    """What the guild writes beside its rows."""


_NAMES: dict[Meaning, str] = {
    Meaning.LEARNED: (
        "weight loss_weight sample_weight row_weight message_weight train training train_on_turn train_on trainable "
        "is_trainable is_trained learn loss loss_mask compute_loss calculate_loss use_loss supervised"
    ),
    Meaning.PASSED_OVER: "mask masked is_masked ignore ignored no_loss skip skipped exclude excluded",
    Meaning.GOOD: (
        "label kto_label kto_tag is_chosen is_correct correct is_good is_desirable desirable is_preferred accepted "
        "is_accepted preferred chosen thumbs_up"
    ),
    Meaning.BAD: "is_rejected is_incorrect incorrect is_bad is_undesirable undesirable is_wrong rejected thumbs_down",
    Meaning.THOUGHT: (
        "reasoning_content reasoning reasoning_text reasoning_trace reasoning_details thinking thinking_content "
        "thinking_trace think thought thoughts thought_process rationale cot complex_cot chain_of_thought"
    ),
    Meaning.SYSTEM: "system system_prompt system_message system_text system_instruction system_content developer",
    Meaning.HISTORY: "history chat_history conversation_history dialogue_history dialog_history message_history",
    Meaning.TOOLS: (
        "tools functions available_tools tool_definitions tool_calls tool_call function_call function_calls tool_use "
        "tool_call_id"
    ),
    Meaning.MEDIA: " ".join(
        f"{kind} {kind}s {kind}_url {kind}_urls {kind}_path {kind}_paths {kind}_file {kind}_files input_{kind}"
        for kind in ("image", "audio", "video")
    ),
    Meaning.PREFERENCE: (
        "chosen_response rejected_response chosen_answer rejected_answer preferred_output non_preferred_output"
    ),
    Meaning.PARTIAL: (
        "train_detail training_detail weights prefix mask_history train_on_prompt train_on_input train_on_inputs"
    ),
    Meaning.CHANNEL: "channel",
    Meaning.FORGED: "skill level sparring",
}


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").casefold()


_MEANINGS = {_plain(name): meaning for meaning, names in _NAMES.items() for name in names.split()}
_EMPTY = frozenset({"", "[]", "{}", "null", "none"})
_TRUE, _FALSE = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})
_NUMBERED = frozenset({"label", "ktolabel", "ktotag"})


@lru_cache(maxsize=4096)
def meaning_of(key: str) -> Meaning | None:
    """None for a key that says nothing of what is to be learned, as far as is known."""
    return _MEANINGS.get(_plain(key))


def is_given(value: Any) -> bool:
    """Whether a value says anything; some data sets write an empty list as a text."""
    if isinstance(value, str):
        return value.strip().casefold() not in _EMPTY
    return value is not None and value != [] and value != {}


def flag(value: Any) -> bool | None:
    """The truth that a value says, be it a number or a text; None for one that says none."""
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        text = value.strip().casefold()
        return True if text in _TRUE else False if text in _FALSE else None
    return None


def verdict(key: str, meaning: Meaning, value: Any) -> bool | None:
    """Whether an answer is good by a GOOD or BAD key; None where the value is no verdict.

    Under `correct` and the like a number may be that of a choice, and a text the choice itself; under `label` a text
    may be a class.
    """
    numbered = _plain(key) in _NUMBERED or _plain(key).startswith("is")
    if not isinstance(value, bool) and not (numbered and value in (0, 1, "0", "1")):
        if not isinstance(value, str) or value.strip().casefold() not in ("false", "rejected", "undesirable"):
            return None
        return value.strip().casefold() == "false" and meaning == Meaning.BAD
    said = flag(value)
    return said if meaning == Meaning.GOOD else not said

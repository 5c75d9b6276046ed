"""Which tokens of a conversation are trained on: the assistant's text and its end-of-turn, by the hero's own template.

Works for any template, without knowing it. Each assistant turn is rendered once more with its content replaced; where
the two renderings differ lies its text. Its span begins behind the template's generation prompt (so a `<think>` header
that the model must write itself belongs to it) and ends with the first special token after the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from arena.formats import Message


class MaskingError(ValueError):
    """The template hides where an answer begins or ends; the text says which turn."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the rendered conversation that one assistant turn consists of."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tokenized:
    """`trained[i]` says whether token i is one that the hero must learn to write."""

    input_ids: list[int]
    trained: list[bool]


class ChatMask:
    """Renders, tokenises and masks conversations for one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise MaskingError("this tokenizer has no character offsets; use its fast version (tokenizer.json)")
        if not tokenizer.chat_template:
            raise MaskingError("this hero's tokenizer has no chat template; add chat_template.jinja to its folder")
        self.tokenizer = tokenizer
        self._special = sorted({token for token in tokenizer.all_special_tokens if token}, key=len, reverse=True)
        self._generation_prompt = self._find_generation_prompt()

    def tokenize(self, messages: Sequence[Message]) -> Tokenized:
        """Raises MaskingError if a turn's span cannot be found, or the template refuses the conversation."""
        chat = [{"role": message.role, "content": message.content} for message in messages]
        text = self._render(chat)
        spans = self._assistant_spans(chat, text)
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return Tokenized(encoding["input_ids"], _inside(encoding["offset_mapping"], spans))

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation as the hero sees it when it is asked to answer."""
        chat = [{"role": message.role, "content": message.content} for message in messages]
        ids = self.tokenizer(self._render(chat, add_generation_prompt=True), add_special_tokens=False)["input_ids"]
        return list(ids)

    def _render(self, chat: list[dict[str, str]], *, add_generation_prompt: bool = False) -> str:
        try:
            text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt)
        except Exception as error:  # templates raise what they like
            raise MaskingError(f"the chat template refuses this conversation: {error}") from error
        return str(text)

    def _find_generation_prompt(self) -> str:
        asked = [{"role": "user", "content": "a"}]
        without, with_prompt = self._render(asked), self._render(asked, add_generation_prompt=True)
        return with_prompt.removeprefix(without) if with_prompt.startswith(without) else ""

    def _assistant_spans(self, chat: list[dict[str, str]], text: str) -> list[Span]:
        spans: list[Span] = []
        for index, message in enumerate(chat):
            if message["role"] != "assistant":
                continue
            earliest = spans[-1].end if spans else 0
            span = self._span_of(chat, index, text)
            if span.start < earliest:
                raise MaskingError(f"message {index + 1}: the chat template mixes its text with an earlier answer")
            spans.append(span)
        return spans

    def _span_of(self, chat: list[dict[str, str]], index: int, text: str) -> Span:
        other = [dict(message) for message in chat]
        other[index]["content"] = _unlike(chat[index]["content"])
        start, end = _difference(text, self._render(other))
        if start == end and chat[index]["content"].strip():
            raise MaskingError(f"message {index + 1}: the chat template leaves this answer out")
        return Span(self._behind_generation_prompt(text, start), self._through_end_of_turn(text, end))

    def _behind_generation_prompt(self, text: str, start: int) -> int:
        prompt = self._generation_prompt
        found = text.rfind(prompt, 0, start) if prompt else -1
        if found < 0:
            return start
        begin = found + len(prompt)
        # Between the prompt and the text only the turn's own header may stand, never another turn.
        foreign = any(token in text[begin:start] for token in self._special)
        return start if foreign else begin

    def _through_end_of_turn(self, text: str, end: int) -> int:
        found = [(position, -len(token)) for token in self._special if (position := text.find(token, end)) >= 0]
        if not found:
            return end
        position, negative_length = min(found)
        # Text between the answer and the token would be another turn's header, not this turn's end.
        return position - negative_length if not text[end:position].strip() else end


def _unlike(content: str) -> str:
    """A text that shares neither its first nor its last visible character with `content`."""
    visible = content.strip() or " "
    first = "A" if visible[0] != "A" else "B"
    last = "Y" if visible[-1] != "Y" else "Z"
    return f"{first}x{last}"


def _difference(text: str, other: str) -> tuple[int, int]:
    """The part [start, end) of `text` that is left when the common beginning and end are taken off."""
    shortest = min(len(text), len(other))
    start = 0
    while start < shortest and text[start] == other[start]:
        start += 1
    tail = 0
    while tail < shortest - start and text[-1 - tail] == other[-1 - tail]:
        tail += 1
    return start, len(text) - tail


def _inside(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[bool]:
    """A token belongs to a span if its first character does; spans are in order."""
    trained: list[bool] = []
    current = 0
    for start, _ in offsets:
        while current < len(spans) and start >= spans[current].end:
            current += 1
        trained.append(current < len(spans) and start >= spans[current].start)
    return trained

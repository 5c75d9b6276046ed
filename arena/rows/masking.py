"""Which tokens of a row are trained on: in a conversation the assistant's text and its end-of-turn, by the hero's own
template; in plain text all of them.

Works for any template, without knowing it. The conversation is rendered once more with marks in place of the answers;
what stands between the marks is the template's own, and what is left of the first rendering is the answers. Where a
template rewrites an answer (strips its thoughts, say), its turn is rendered once more alone and the two are compared.
A turn's span begins behind the generation prompt (so a `<think>` header that the model must write itself belongs to
it, one that it is given does not) and ends with its end-of-turn token. The blanks that many templates write behind that
token do not belong to it: generation has stopped there.

Plain text is trained on from its first token to an end-of-sequence token behind it, so that the hero learns to stop;
TRL appends one too. Where the tokenizer puts tokens of its own in front (a BOS), they stand in front here. A text that
already has them gets no second ones.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice

from tokenizers import Encoding

from arena.rows.parse import Content, Message
from arena.rows.tokenizer import HeroTokenizer

MOST_COMPARED = 200_000_000
"""Characters that may be rendered to find the rewritten answers of one conversation: seconds, not hours."""
_PRIVATE = range(0xE000, 0xF900)
_BLANK = re.compile(r"\s*")


class MaskingError(ValueError):
    """The template hides where an answer begins or ends; the text says which turn."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the rendered text that are trained on: one assistant turn, or a whole text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tokenized:
    """`trained[i]` says whether token i is one that the hero must learn to write."""

    input_ids: list[int]
    trained: list[bool]

    @property
    def slots(self) -> int:
        """Tokens that are computed: each but the last predicts the next, up to the last that is trained on."""
        return next((index for index in range(len(self.trained) - 1, 0, -1) if self.trained[index]), 0)

    @property
    def labels(self) -> int:
        """Tokens that are trained on. The first is not: nothing stands before it that could predict it."""
        return sum(self.trained[1:])

    def cut(self, tokens: int) -> Tokenized:
        return Tokenized(self.input_ids[:tokens], self.trained[:tokens])


@dataclass(frozen=True, slots=True)
class _Rendered:
    text: str
    spans: list[Span] | None
    """None: plain text."""


class ChatMask:
    """Renders, tokenises and masks rows for one tokenizer."""

    def __init__(self, tokenizer: HeroTokenizer) -> None:
        """Raises MaskingError for a tokenizer without a chat template."""
        if not tokenizer.template:
            raise MaskingError("this hero's tokenizer has no chat template; add chat_template.jinja to its folder")
        self.tokenizer = tokenizer
        self._special = frozenset(filter(None, tokenizer.special))
        self._special_lengths = sorted({len(token) for token in self._special}, reverse=True)
        self.special_ids = frozenset(tokenizer.special.values())
        self._eos = tokenizer.eos_token or ""
        self._generation_prompt = self._find_generation_prompt()
        self._turn_opening = min(
            (token for token in self._special if token in self._generation_prompt),
            key=self._generation_prompt.find,
            default=None,
        )
        self._before_text = self._find_before_text()

    def tokenize(self, content: Content) -> Tokenized:
        """Raises MaskingError if a turn's span cannot be found, or the template refuses the conversation."""
        (tokenized,) = self.tokenize_many([content])
        if isinstance(tokenized, MaskingError):
            raise tokenized
        return tokenized

    def tokenize_many(self, contents: Sequence[Content]) -> list[Tokenized | MaskingError]:
        """For each row its tokens or why it has none. Fast tokenizers use every core for a list."""
        drafts = [self._draft(content) for content in contents]
        texts = [draft.text for draft in drafts if isinstance(draft, _Rendered)]
        encodings = iter(self.tokenizer.encode_many(texts))
        return [draft if isinstance(draft, MaskingError) else self._masked(draft, next(encodings)) for draft in drafts]

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation as the hero sees it when it is asked to answer."""
        return self.tokenizer.encode(self.prompt(messages))

    def prompt(self, messages: Sequence[Message]) -> str:
        """The same before it becomes tokens. Raises MaskingError if the template refuses the conversation."""
        return self._render(_chat(messages), add_generation_prompt=True)

    def rendered(self, content: Content) -> str:
        """The row as text, before it becomes tokens. Raises MaskingError if the template refuses the conversation."""
        return content if isinstance(content, str) else self._render(_chat(content))

    def _draft(self, content: Content) -> _Rendered | MaskingError:
        if isinstance(content, str):
            return _Rendered(content, None)
        try:
            chat = _chat(content)
            text = self._render(chat)
            return _Rendered(text, _learned(self._assistant_spans(chat, text), content))
        except MaskingError as error:
            return error

    def _masked(self, draft: _Rendered, encoding: Encoding) -> Tokenized | MaskingError:
        if draft.spans is None:
            return self._whole(encoding.ids)
        ids: list[int] = encoding.ids
        trained = _inside(encoding.offsets, draft.spans)
        if not any(trained):
            return MaskingError("the mask is empty: no token of the answers stands apart from the prompt's")
        if all(trained[1:]) and (trained[0] or ids[0] in self.special_ids):
            return MaskingError("the mask is full: the chat template shows no prompt before the answer")
        return Tokenized(ids, trained)

    def _whole(self, ids: list[int]) -> Tokenized:
        before = [] if ids[: len(self._before_text)] == self._before_text else self._before_text
        eos = self.tokenizer.eos_id
        after = [] if eos is None or ids[-1:] == [eos] else [eos]
        whole = [*before, *ids, *after]
        return Tokenized(whole, [True] * len(whole))

    def _render(self, chat: list[dict[str, str]], *, add_generation_prompt: bool = False) -> str:
        try:
            return self.tokenizer.render(chat, add_generation_prompt=add_generation_prompt)
        except Exception as error:  # templates raise what they like
            raise MaskingError(f"the chat template refuses this conversation: {error}") from error

    def _find_generation_prompt(self) -> str:
        asked = [{"role": "user", "content": "a"}]
        without, with_prompt = self._render(asked), self._render(asked, add_generation_prompt=True)
        return with_prompt.removeprefix(without) if with_prompt.startswith(without) else ""

    def _find_before_text(self) -> list[int]:
        """Token ids that the tokenizer itself puts before a text."""
        bare, whole = (self.tokenizer.encode("a", add_special_tokens=own) for own in (False, True))
        starts = (start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
        return whole[: next(starts, 0)]

    def _assistant_spans(self, chat: list[dict[str, str]], text: str) -> list[Span]:
        spans: list[Span] = []
        for start, end in self._answers(chat, text):
            earliest = spans[-1].end if spans else 0
            if start < earliest:
                raise MaskingError("the chat template mixes one answer's text with another's")
            begin = self._behind_generation_prompt(text, earliest, start, end)
            spans.append(Span(begin, self._end_of_turn(text, end)))
        return spans

    def _answers(self, chat: list[dict[str, str]], text: str) -> list[tuple[int, int]]:
        """Where in `text` each answer stands, without its header and end-of-turn."""
        frames = self._frames(chat, text)
        indices = [index for index, message in enumerate(chat) if message["role"] == "assistant"]
        found: list[tuple[int, int]] = []
        place = compared = 0
        for number, index in enumerate(indices):
            answer = _framed(text, place, frames[number : number + 2], chat[index]["content"]) if frames else None
            if answer is None:
                compared += len(text)
                if compared > MOST_COMPARED:
                    raise MaskingError("the chat template rewrites too many answers of a long conversation; split it")
                answer = self._compared(chat, index, text)
            found.append(answer)
            place = answer[1]
        return found

    def _frames(self, chat: list[dict[str, str]], text: str) -> list[str]:
        """What the template writes before, between and behind the answers; empty if it does not show each once."""
        opening, closing = _absent_from(text)
        number = count()
        marked = self._render(
            [said | {"content": f"{opening}{next(number)}{closing}"} if _is_answer(said) else said for said in chat]
        )
        marks = [f"{opening}{index}{closing}" for index in range(next(number))]
        if re.findall(f"{opening}.*?{closing}", marked) != marks:
            return []
        return re.split(f"{opening}.*?{closing}", marked)

    def _compared(self, chat: list[dict[str, str]], index: int, text: str) -> tuple[int, int]:
        """The part of `text` that depends on one message's content."""
        mark = "".join(_absent_from(text))
        other = self._render([*chat[:index], chat[index] | {"content": mark}, *chat[index + 1 :]])
        start = _common(text, other)
        end = len(text) - _common(text[start:][::-1], other[start:][::-1])
        if start == end:
            raise MaskingError(f"message {index + 1}: the chat template leaves this answer out")
        return start, end

    def _behind_generation_prompt(self, text: str, earliest: int, start: int, end: int) -> int:
        """Where the turn begins for the hero, given where its text does.

        A prompt that ends in `<think>` may end inside the text: that much of it the hero is given.
        """
        prompt = self._generation_prompt
        found = text.rfind(prompt, earliest, min(start + len(prompt) - 1, end)) if prompt else -1
        if found < 0:
            return start
        begin = found + len(prompt)
        # Between the prompt and the text only the turn's own header may stand, never another turn.
        foreign = [self._turn_opening] if self._turn_opening else self._special
        return start if any(token in text[begin:start] for token in foreign) else begin

    def _end_of_turn(self, text: str, end: int) -> int:
        """Behind the first special token after the answer; through the end of sequence if it follows at once."""
        blank = _BLANK.match(text, end)
        position = blank.end() if blank else end
        token = self._special_at(text, position)
        if token is None:
            return end
        first = last = position + len(token)
        while token and token != self._eos:
            token = self._special_at(text, last)
            last += len(token or "")
        return last if token else first

    def _special_at(self, text: str, position: int) -> str | None:
        # Some vocabularies have thousands of special tokens, of few lengths.
        pieces = (text[position : position + length] for length in self._special_lengths)
        return next((piece for piece in pieces if piece in self._special), None)


def _learned(spans: Sequence[Span], content: Sequence[Message]) -> list[Span]:
    """Of each answer's span those whose answers are not given with the prompt."""
    answers = (message for message in content if message.role == "assistant")
    return [span for span, answer in zip(spans, answers, strict=True) if not answer.given]


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _is_answer(message: dict[str, str]) -> bool:
    return message["role"] == "assistant"


def _absent_from(text: str) -> tuple[str, str]:
    """Two characters of Unicode's private area that `text` has not; no template treats them as anything."""
    absent = list(islice((character for character in map(chr, _PRIVATE) if character not in text), 2))
    if len(absent) < 2:
        raise MaskingError("the conversation uses every character of Unicode's private area")
    return absent[0], absent[1]


def _framed(text: str, place: int, frame: list[str], answer: str) -> tuple[int, int] | None:
    """Where an answer stands behind `place` if it is there as given, or with blanks cut off, between its frame."""
    before, behind = frame
    start = place + len(before)
    for shown in (answer, answer.strip()):
        if text.startswith(before, place) and text.startswith(shown + behind, start):
            return start, start + len(shown)
    return None


def _common(text: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(text), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _inside(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[bool]:
    """A token belongs to a span if its first character does; offsets and spans are in order."""
    trained = [False] * len(offsets)
    for span in spans:
        first, last = bisect_left(offsets, (span.start,)), bisect_left(offsets, (span.end,))
        trained[first:last] = [True] * (last - first)
    return trained

"""Which tokens of a row are trained on: in a conversation the assistant's text and its end-of-turn, by the hero's own
template; in plain text all of them.

Works for any template, without knowing it. The conversation is rendered once more with marks in place of the answers;
what stands between the marks is the template's own, and what is left of the first rendering is the answers. Where a
template rewrites an answer (strips its thoughts, say), its turn is rendered once more alone and the two are compared.
A turn's span begins where the prompt ends as the hero is asked (so a `<think>` header that the model must write itself
belongs to it, one that it is given does not) and ends with what ends its turn: a special token, or the text that the
template closes a turn with where the tokenizer has no such token. The blanks that many templates write behind it do
not belong to it: generation has stopped there. A template that leaves the last answer open gets the token behind it
that closes the others, or the end of sequence. No token reaches over the beginning of a span: the prompt that is asked
and the row agree token by token. `arena.rows.turn_check` tries all this on each template.

Plain text is trained on from its first token to an end-of-sequence token behind it, so that the hero learns to stop;
TRL appends one too. Where the tokenizer puts tokens of its own in front (a BOS), they stand in front here. A text that
already has them gets no second ones.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice, pairwise

from tokenizers import Encoding

from arena.rows.model import Content, Message
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.tokenizer import HeroTokenizer
from arena.rows.turn_check import TurnCheck, check_turns

__all__ = ["ChatMask", "MaskingError", "Span", "Tokenized"]

MOST_COMPARED = 200_000_000
"""Characters that may be rendered to find the rewritten answers of one conversation: seconds, not hours."""
_PRIVATE = range(0xE000, 0xF900)
_MARK = chr(_PRIVATE[0])
SOME_DAY = datetime(2000, 1, 1)
NO_TEMPLATE = "this hero's tokenizer has no chat template; add chat_template.jinja to its folder"
_BLANK_MARKS = ("Ġ", "Ċ", "▁", " ")
"""What tokens that begin with a blank or a newline begin with in vocabularies."""
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the rendered text that are trained on: one assistant turn, or a whole text."""

    start: int
    end: int
    ends: bool = True
    """Whether what is trained last is something at which generation stops."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    text: str
    spans: list[Span] | None
    """None: plain text."""


class ChatMask:
    """Renders, tokenises and masks rows for one tokenizer."""

    def __init__(self, tokenizer: HeroTokenizer, *, day: datetime = SOME_DAY) -> None:
        """`day` is what a template that writes the date takes for today in rows, so that they are the same on any day.

        Without a chat template only plain text can be trained on. Raises MaskingError if it refuses a question."""
        self.tokenizer = tokenizer
        self._day = day
        self._special = frozenset(filter(None, tokenizer.special))
        self._special_lengths = sorted({len(token) for token in self._special}, reverse=True)
        self.special_ids = frozenset(index for index in tokenizer.special.values() if index is not None)
        self._eos = tokenizer.eos_token or ""
        self._closing = ""
        self._open_end: str | None = None
        self._asks_exactly = False
        """Whether where a turn begins is found by rendering the prompt of each, which takes longer."""
        self._generation_prompt = self._find_generation_prompt() if tokenizer.template else ""
        self._turn_opening = min(
            (token for token in self._special if token in self._generation_prompt),
            key=self._generation_prompt.find,
            default=None,
        )
        self._before_text = self._find_before_text()
        self.turns = TurnCheck()
        if tokenizer.template:
            self._find_closing()
            self.turns = self._checked()

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens at which generation stops: those that end a trained turn, the end of sequence, the model's own."""
        eos = self.tokenizer.eos_id
        return self.turns.end_ids | self.tokenizer.model_ends | (frozenset() if eos is None else {eos})

    @property
    def end_text(self) -> str:
        """What closes a turn where that is no token of its own; generation stops at it. Empty where it is one."""
        return self._closing

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

    def prompt_ids(self, messages: Sequence[Message], *, on: datetime | None = None) -> list[int]:
        """The conversation as the hero sees it when it is asked to answer, today where no day is given."""
        text = self._render(_chat(messages), add_generation_prompt=True, on=on or datetime.now())
        return self.tokenizer.encode(text)

    def prompt_ids_of_row(self, messages: Sequence[Message]) -> list[int]:
        """The same on the day that rows are of."""
        return self.prompt_ids(messages, on=self._day)

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
        ids, offsets = self._parted(draft.text, draft.spans, encoding)
        trained = _inside(offsets, draft.spans)
        if not any(trained):
            return MaskingError("the mask is empty: no token of the answers stands apart from the prompt's")
        if all(trained[1:]) and (trained[0] or ids[0] in self.special_ids):
            return MaskingError("the mask is full: the chat template shows no prompt before the answer")
        ends = all(span.ends for span in draft.spans)
        if not draft.spans[-1].ends and not draft.text[draft.spans[-1].end :].strip() and self._open_end:
            last = len(trained) - trained[::-1].index(True)
            ids, trained = [*ids[:last], self.tokenizer.special[self._open_end] or 0], [*trained[:last], True]
            ends = all(span.ends for span in draft.spans[:-1])
        return Tokenized(ids, trained, ends)

    def _parted(self, text: str, spans: Sequence[Span], encoding: Encoding) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids and where each stands in `text`, parted where a turn begins: so the hero will be asked, too."""
        ids, offsets = encoding.ids, encoding.offsets
        cuts = [span.start for span in spans if self._reaches_over(text, span.start, ids, offsets)]
        if not cuts:
            return ids, offsets
        pieces = [text[begin:end] for begin, end in pairwise([0, *cuts, len(text)])]
        parts = self.tokenizer.encode_many(pieces)
        parted = [token for part in parts for token in part.ids]
        if self.tokenizer.decode(parted) != self.tokenizer.decode(ids):
            # This tokenizer puts something in front of whatever it is given. What reaches over is the hero's to write.
            reaching = ((next((cut for cut in cuts if first < cut < last), first), last) for first, last in offsets)
            return ids, list(reaching)
        return parted, [
            (cut + first, cut + last) for cut, part in zip([0, *cuts], parts, strict=True)
            for first, last in part.offsets
        ]  # fmt: skip

    def _reaches_over(self, text: str, begin: int, ids: list[int], offsets: Sequence[tuple[int, int]]) -> bool:
        """Whether one token holds characters on both sides of `begin`."""
        first = bisect_left(offsets, (begin,))
        if first and offsets[first - 1][1] > begin:
            return True
        # Some tokenizers tell a token's place without the blank that it begins with.
        if first == len(ids) or not text[begin - 1 : begin].isspace() or text[begin : begin + 1].isspace():
            return False
        return (self.tokenizer.backend.id_to_token(ids[first]) or "").startswith(_BLANK_MARKS)

    def _whole(self, ids: list[int]) -> Tokenized:
        before = [] if ids[: len(self._before_text)] == self._before_text else self._before_text
        eos = self.tokenizer.eos_id
        after = [] if eos is None or ids[-1:] == [eos] else [eos]
        whole = [*before, *ids, *after]
        return Tokenized(whole, [True] * len(whole), eos is not None)

    def _render(
        self, chat: list[dict[str, str]], *, add_generation_prompt: bool = False, on: datetime | None = None
    ) -> str:
        if not self.tokenizer.template:
            raise MaskingError(NO_TEMPLATE)
        try:
            return self.tokenizer.render(chat, add_generation_prompt=add_generation_prompt, now=on or self._day)
        except Exception as error:  # templates raise what they like
            raise MaskingError(f"the chat template refuses this conversation: {error}") from error

    def _checked(self) -> TurnCheck:
        """What the template does on probe conversations, by the quick way to find a beginning if that is right."""
        quick = check_turns(self)
        if quick.begins:
            return quick
        self._asks_exactly = True
        return check_turns(self)

    def _find_generation_prompt(self) -> str:
        asked = [{"role": "user", "content": "a"}]
        without, with_prompt = self._render(asked), self._render(asked, add_generation_prompt=True)
        if with_prompt != without:
            return with_prompt.removeprefix(without) if with_prompt.startswith(without) else ""
        # A template without one: what it writes behind every question stands there.
        marked = self._render([{"role": "user", "content": _MARK}], add_generation_prompt=True)
        return marked.rpartition(_MARK)[2] if _MARK in marked else ""

    def _find_closing(self) -> None:
        """What ends a turn that no special token ends: a text, or a token that is put behind the last answer."""
        asked, answered = {"role": "user", "content": "a"}, {"role": "assistant", "content": _MARK}
        try:
            last, amid = self._render([asked, answered]), self._render([asked, answered, asked, answered])
        except MaskingError:  # a template of one question and one answer, or none of the kind
            return
        behind_last, behind_first = last.rpartition(_MARK)[2], amid.partition(_MARK)[2].partition(_MARK)[0]
        if _MARK not in last or self._special_behind(behind_last, 0):
            return
        closing = behind_last.strip()
        if closing and behind_first.lstrip().startswith(closing):
            self._closing = closing
        elif not closing:
            self._open_end = self._special_behind(behind_first, 0) or self._eos_in_vocabulary()

    def _eos_in_vocabulary(self) -> str | None:
        return self._eos if self._eos and self.tokenizer.special.get(self._eos) is not None else None

    def _special_behind(self, text: str, end: int) -> str | None:
        blank = _BLANK.match(text, end)
        return self._special_at(text, blank.end() if blank else end)

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
            begin = self._begin(chat, len(spans), text, earliest, start, end)
            spans.append(Span(begin, *self._end_of_turn(text, end)))
        return spans

    def _begin(self, chat: list[dict[str, str]], turn: int, text: str, earliest: int, start: int, end: int) -> int:
        if self._asks_exactly:
            index = [place for place, said in enumerate(chat) if _is_answer(said)][turn]
            asked = self._render(chat[:index], add_generation_prompt=True) if index else ""
            if asked and text.startswith(asked) and earliest <= len(asked) <= end:
                return len(asked)
        return self._behind_generation_prompt(text, earliest, start, end)

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

    def _end_of_turn(self, text: str, end: int) -> tuple[int, bool]:
        """Behind the first special token after the answer, or the text that closes it; through the end of sequence if
        that follows at once. And whether there is one."""
        blank = _BLANK.match(text, end)
        position = blank.end() if blank else end
        token = self._special_at(text, position)
        if token is None:
            closed = bool(self._closing) and text.startswith(self._closing, position)
            return (position + len(self._closing), True) if closed else (end, False)
        first = last = position + len(token)
        while token and token != self._eos:
            token = self._special_at(text, last)
            last += len(token or "")
        return last if token else first, True

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

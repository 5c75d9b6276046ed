"""Which tokens of a row are trained on: in a conversation the assistant's text and its end-of-turn, by the hero's own
template; in plain text all of them.

Works for any template, without knowing it. The conversation is rendered once more with marks in place of the answers;
what stands between the marks is the template's own, and what is left of the first rendering is the answers. Where a
template rewrites an answer (strips its thoughts, say), its turn is rendered once more alone and the two are compared.

A turn's span begins where the prompt ends that the hero is asked with (so a `<think>` header that the model must write
itself belongs to it, one that it is given does not), in the same tokens (seams.py). It ends with what closes the turn:
a special token, or the text that the template writes there where the tokenizer has no such token. A last answer that
the template leaves open gets the token behind it that ends the others, or an end of sequence, as a text does. The
blanks that many templates write behind the end do not belong to the turn: generation has stopped there (turn_ends.py).

Plain text is trained on from its first token to an end-of-sequence token behind it, so that the hero learns to stop;
TRL appends one too. Where the tokenizer puts tokens of its own in front (a BOS), they stand in front here. A text that
already has them gets no second ones.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import count, islice

from tokenizers import Encoding

from arena.rows import thoughts
from arena.rows.mask import Facts
from arena.rows.model import Content, Message
from arena.rows.overrun import Overrun, bounded
from arena.rows.pieces import Piece, pieces_of
from arena.rows.seams import Seams
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.tokenizer import HeroTokenizer
from arena.rows.turn_check import TurnCheck, check_turns
from arena.rows.turn_ends import TurnEnds

__all__ = ["ChatMask", "MaskingError", "Span", "Tokenized"]

MOST_COMPARED = 200_000_000
"""Characters that may be rendered to find the rewritten answers of one conversation: seconds, not hours."""
_ASKED = 4
"""Answers at the beginning of a conversation, and at its end, whose prompts are rendered; those between them begin
alike, and to render a prompt for each would take the square of the conversation."""
SOME_DAY = datetime(2000, 1, 1)
NO_TEMPLATE = "the hero's model has no chat template; add chat_template.jinja to its folder"
_PRIVATE = range(0xE000, 0xF900)
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the rendered text that are trained on: one assistant turn, or a whole text."""

    start: int
    end: int
    ends: bool = True
    """Whether what is trained last closes the turn."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    text: str
    spans: list[Span] | None
    """None: plain text."""
    begins: list[int] = field(default_factory=list)
    """Where each answer begins, also one that is not learned."""
    is_open: bool = False
    """The template writes nothing behind the last answer, which is learned."""
    lost_thoughts: tuple[tuple[int, int], ...] = ()


class ChatMask:
    """Renders, tokenises and masks rows for one tokenizer."""

    def __init__(self, tokenizer: HeroTokenizer, *, day: datetime | None = SOME_DAY) -> None:
        """`day` is today's date for a template that writes it, so that rows are the same on any day; None: the present.

        Without a chat template only plain text can be trained on. Raises MaskingError if it refuses a question."""
        self.tokenizer = tokenizer
        self._day = day
        self._special = frozenset(filter(None, tokenizer.special))
        self._special_lengths = sorted({len(token) for token in self._special}, reverse=True)
        self.special_ids = frozenset(index for index in tokenizer.special.values() if index is not None)
        self._eos = tokenizer.eos_token or ""
        self._generation_prompt = self._find_generation_prompt() if tokenizer.template else ""
        self._turn_opening = min(
            (token for token in self._special if token in self._generation_prompt),
            key=self._generation_prompt.find,
            default=None,
        )
        self._before_text = self._find_before_text()
        self.thought_field = thoughts.find_field(self._render) if tokenizer.template else None
        """Where the template takes an assistant's thought; None if it has to stand in the text."""
        self._seams = Seams(tokenizer.backend, self.special_ids)
        self.tail, self.closing = self._find_closing() if tokenizer.template else ("", "")
        """What the template writes behind an answer: up to what closes the turn, and that, which is a special token or
        text; blanks behind it left out. Both empty where nothing closes it."""
        self._open_end = self._find_open_end() if tokenizer.template and not self.closing else None

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            sha256=self.tokenizer.sha256,
            special=self.tokenizer.special,
            longest_token=self.tokenizer.longest_token,
            ends=self.ends,
            warnings=self.turns.warnings,
            has_template=bool(self.tokenizer.template),
        )

    @cached_property
    def turns(self) -> TurnCheck:
        """What the template does on probe conversations."""
        return check_turns(self)

    @cached_property
    def ends(self) -> TurnEnds:
        """At what generation stops."""
        return TurnEnds.of(self, self.tokenizer.model_ends)

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
        chat = self._chat(messages)
        text = self._render(chat, add_generation_prompt=True)
        (encoding,) = self.tokenizer.encode_many([text])
        return self._seams.mended(text, encoding, self._begins_of_history(chat, text)).ids

    def prompt(self, messages: Sequence[Message]) -> str:
        """The same before it becomes tokens. Raises MaskingError if the template refuses the conversation."""
        return self._render(self._chat(messages), add_generation_prompt=True)

    def prompts(self, conversations: Sequence[Sequence[Message]], *, most_characters: int) -> list[list[int] | int]:
        """`prompt_ids` of each, or how many characters it has where these are more. Raises MaskingError."""
        lengths = (len(self.prompt(conversation)) for conversation in conversations)
        return [
            self.prompt_ids(conversation) if length <= most_characters else length
            for conversation, length in zip(conversations, lengths, strict=True)
        ]

    def rendered(self, content: Content) -> str:
        """The row as text, before it becomes tokens. Raises MaskingError if the template refuses the conversation."""
        return content if isinstance(content, str) else self._render(self._chat(content))

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def texts(self, ids: Sequence[int]) -> list[str]:
        """Of each token alone."""
        return [self.tokenizer.decode([token]) for token in ids]

    def pieces(self, ids: Sequence[int], labels: Sequence[bool]) -> list[Piece]:
        """Tokens as eyes read them. What is behind the end of `labels` is none."""
        return list(pieces_of(self.tokenizer, self.special_ids, ids, labels))

    def _draft(self, content: Content) -> _Rendered | MaskingError:
        if isinstance(content, str):
            return _Rendered(content, None)
        try:
            chat = self._chat(content)
            text = self._render(chat)
            spans = self._assistant_spans(chat, text)
            learned, lost = _learned(spans, content), _lost_thoughts(text, spans, content)
            is_open = learned[-1:] == spans[-1:] and not spans[-1].ends and not text[spans[-1].end :].strip()
            return _Rendered(text, learned, [span.start for span in spans], is_open, lost)
        except MaskingError as error:
            return error

    def _masked(self, draft: _Rendered, encoding: Encoding) -> Tokenized | MaskingError:
        if draft.spans is None:
            return self._whole(encoding.ids)
        tokens = self._seams.mended(draft.text, encoding, draft.begins)
        ids, trained = tokens.ids, _inside(tokens.starts, draft.spans)
        if not any(trained):
            return MaskingError("the mask is empty: no token of the answers stands apart from the prompt's")
        if all(trained[1:]) and (trained[0] or ids[0] in self.special_ids):
            return MaskingError("the mask is full: the chat template shows no prompt before the answer")
        ends = all(span.ends for span in draft.spans)
        if draft.is_open and self._open_end is not None:
            last = len(trained) - trained[::-1].index(True)
            ids, trained = [*ids[:last], self._open_end], [*trained[:last], True]
            ends = all(span.ends for span in draft.spans[:-1])
        return Tokenized(ids, trained, ends, draft.lost_thoughts)

    def _whole(self, ids: list[int]) -> Tokenized:
        before = [] if ids[: len(self._before_text)] == self._before_text else self._before_text
        eos = self.tokenizer.eos_id
        after = [] if eos is None or ids[-1:] == [eos] else [eos]
        whole = [*before, *ids, *after]
        return Tokenized(whole, [True] * len(whole), eos is not None)

    def _chat(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        chat = [{"role": message.role, "content": message.content} for message in messages]
        return thoughts.in_field(chat, self.thought_field) if self.thought_field else chat

    def _render(self, chat: list[dict[str, str]], *, add_generation_prompt: bool = False) -> str:
        if not self.tokenizer.template:
            raise MaskingError(NO_TEMPLATE)
        try:
            with bounded("the chat template"):
                return self.tokenizer.render(chat, add_generation_prompt=add_generation_prompt, now=self._day)
        except Overrun:
            raise
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

    def _find_closing(self) -> tuple[str, str]:
        chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        try:
            text = self._render(chat)
            ((_, end),) = self._answers(chat, text)
        except MaskingError:  # so it will be for every row
            return "", ""
        behind = text[end:].rstrip()
        blank = len(behind) - len(behind.lstrip())
        first = min((place for place in map(behind.find, self._special) if place >= 0), default=None)
        if first is None:
            return behind[:blank], behind[blank:]
        return behind[:first], behind[first : self._end_of_specials(behind, first)]

    def is_special(self, text: str) -> bool:
        return self._special_at(text, 0) is not None

    def _find_open_end(self) -> int | None:
        """The token that is put behind a last answer which the template leaves open: what ends the others, or the end
        of sequence."""
        chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 2
        try:
            text = self._render(chat)
            (_, end), _ = self._answers(chat, text)
        except MaskingError:
            end = len(text := "")
        behind = text[end:].lstrip()
        return self.tokenizer.special.get(self._special_at(behind, 0) or self._eos)

    def _assistant_spans(self, chat: list[dict[str, str]], text: str) -> list[Span]:
        return self._spans(chat, text, self._answers(chat, text))

    def _spans(self, chat: list[dict[str, str]], text: str, answers: list[tuple[int, int]]) -> list[Span]:
        spans: list[Span] = []
        openings = self._thought_openings(chat, text) if self.thought_field else {}
        lead, place = "", 0
        for number, (index, (start, end)) in enumerate(zip(_indices(chat), answers, strict=True)):
            earliest = spans[-1].end if spans else 0
            if start < earliest:
                raise MaskingError("the chat template mixes one answer's text with another's")
            opening = openings.get(number)
            thought = place + len(opening) if opening and text.startswith(opening, place) else start
            begin = None
            if number < _ASKED or number >= len(answers) - _ASKED:
                begin = self._behind_prompt(chat[:index], text, earliest, end)
                lead = "" if begin is None else text[begin:start]
            if begin is None:
                begin = self._behind_generation_prompt(text, earliest, min(thought, start), end)
            if begin == start and text.endswith(lead, earliest, start):
                begin = start - len(lead)
            spans.append(Span(begin, *self._end_of_turn(text, end)))
            place = end
        return spans

    def _behind_prompt(self, asked: list[dict[str, str]], text: str, earliest: int, end: int) -> int | None:
        """Where the prompt ends with which the hero is asked; None where the row does not begin with it."""
        try:
            prompt = self._render(asked, add_generation_prompt=True)
        except MaskingError:  # nobody can ask so
            return None
        return len(prompt) if earliest <= len(prompt) <= end and text.startswith(prompt) else None

    def _begins_of_history(self, chat: list[dict[str, str]], prompt: str) -> list[int]:
        """Where the answers begin that a prompt holds; none where the template shows them otherwise than given."""
        indices = _indices(chat)
        frames = self._frames(chat, prompt) if indices else []
        found: list[tuple[int, int]] = []
        for number, index in enumerate(indices if frames else ()):
            place = found[-1][1] if found else 0
            answer = _framed(prompt, place, frames[number : number + 2], chat[index]["content"])
            if answer is None:
                return []
            found.append(answer)
        return [span.start for span in self._spans(chat, prompt, found)] if found else []

    def _thought_openings(self, chat: list[dict[str, str]], text: str) -> dict[int, str]:
        """By the number of an answer what the template writes between the answer before and this one's thought."""
        field = str(self.thought_field)
        answers = [said for said in chat if _is_answer(said)]
        if not any(field in said for said in answers):
            return {}
        opening, closing = _absent_from(text)
        number = count()
        marked = self._render([_marked(said, field, opening, closing, number) for said in chat])
        pieces = re.split(f"{opening}(.*?){closing}", marked)
        return {
            int(mark[1:]): before for before, mark in zip(pieces[::2], pieces[1::2], strict=False) if mark[0] == "t"
        }

    def _answers(self, chat: list[dict[str, str]], text: str) -> list[tuple[int, int]]:
        """Where in `text` each answer stands, without its header and end-of-turn."""
        frames = self._frames(chat, text)
        indices = _indices(chat)
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
        """Behind the first special token after the answer; through the end of sequence if it follows at once.

        Where other text closes a turn, behind that; `end` itself, and False, where nothing does.
        """
        blank = _BLANK.match(text, end)
        position = blank.end() if blank else end
        if self._special_at(text, position) is not None:
            return self._end_of_specials(text, position), True
        closing = (self.tail + self.closing).strip()
        closed = bool(closing) and text.startswith(closing, position)
        return (position + len(closing), True) if closed else (end, False)

    def _end_of_specials(self, text: str, position: int) -> int:
        """Behind the special token at `position`, or behind the end of sequence that follows it at once."""
        token = self._special_at(text, position)
        first = last = position + len(token or "")
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


def _lost_thoughts(text: str, spans: Sequence[Span], content: Sequence[Message]) -> tuple[tuple[int, int], ...]:
    """Of answers that are learned: what `Tokenized.lost_thoughts` says."""
    answers = [(number, said) for number, said in enumerate(content, 1) if said.role == "assistant"]
    lost = [
        (number, thoughts.lost(thoughts.held_in(said.content), text[span.start : span.end]))
        for (number, said), span in zip(answers, spans, strict=True)
        if not said.given
    ]
    return tuple((number, characters) for number, characters in lost if characters)


def _marked(said: dict[str, str], field: str, opening: str, closing: str, number: count[int]) -> dict[str, str]:
    """An answer with marks in place of its text and its thought."""
    if not _is_answer(said):
        return said
    mark = next(number)
    thought = {field: f"{opening}t{mark}{closing}"} if field in said else {}
    return said | {"content": f"{opening}a{mark}{closing}"} | thought


def _indices(chat: list[dict[str, str]]) -> list[int]:
    """Of the answers."""
    return [index for index, message in enumerate(chat) if _is_answer(message)]


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


def _inside(starts: Sequence[int], spans: Sequence[Span]) -> list[bool]:
    """A token belongs to a span if its first character does; starts and spans are in order."""
    trained = [False] * len(starts)
    for span in spans:
        first, last = bisect_left(starts, span.start), bisect_left(starts, span.end)
        trained[first:last] = [True] * (last - first)
    return trained

"""A `Mask` whose model runs in a confined child."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arena.confined import messages
from arena.confined.model_files import check_files, digest_of_rows
from arena.confined.process import CHILDREN
from arena.confined.refusals import Refusals
from arena.rows.mask import Facts
from arena.rows.model import Content, Message
from arena.rows.overrun import Overrun
from arena.rows.pieces import Piece
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.tokenizer import UnusableTokenizer
from arena.rows.turn_ends import TurnEnds

T = TypeVar("T")
ROWS_AT_ONCE = 256
_REFUSALS = Refusals()


@dataclass(frozen=True)
class ConfinedMask:
    """Rows by the tokenizer in `folder`; raises MaskingError where its model takes too much, as where it refuses."""

    folder: Path
    model: Path
    """Folder whose configuration names the model's own end tokens: the whole model's, under an adapter."""
    digest: str
    """Of the files by which rows are read."""

    @property
    def facts(self) -> Facts:
        return _facts(self)

    @property
    def ends(self) -> TurnEnds:
        """At what generation stops."""
        return self.facts.ends

    def tokenize_many(self, contents: Sequence[Content]) -> list[Tokenized | MaskingError]:
        """For each row its tokens or why it has none."""
        found: list[Tokenized | MaskingError] = []
        for batch in _batches(contents):
            try:
                results = self.ask("tokenize", [messages.plain_content(content) for content in batch])
                found += [_tokenized(value) for value in results]
            except MaskingError as error:
                found += [error] * len(batch)
        return found

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation as the hero sees it when it is asked to answer. Raises MaskingError."""
        (ids,) = self.prompts([messages], most_characters=sys.maxsize)
        assert not isinstance(ids, int)
        return ids

    def prompts(self, conversations: Sequence[Sequence[Message]], *, most_characters: int) -> list[list[int] | int]:
        """The same of each, or how many characters it has where these are more. Raises MaskingError."""
        ids: list[list[int] | int] = []
        for batch in _batches(conversations):
            asked = [messages.plain_content(tuple(conversation)) for conversation in batch]
            ids += self.ask("prompts", [asked, most_characters])
        return ids

    def rendered(self, content: Content) -> str:
        """Raises MaskingError."""
        return str(self.ask("render", messages.plain_content(content)))

    def encode(self, text: str) -> list[int]:
        """Raises MaskingError."""
        ids: list[int] = self.ask("encode", text)
        return ids

    def texts(self, ids: Sequence[int]) -> list[str]:
        """Of each token alone. Raises MaskingError."""
        texts: list[str] = self.ask("texts", list(ids))
        return texts

    def pieces(self, ids: Sequence[int], labels: Sequence[bool]) -> list[Piece]:
        """Raises MaskingError."""
        found = self.ask("pieces", [list(ids), list(labels)])
        return [Piece(text, tuple(held), trained, special) for text, held, trained, special in found]

    def ask(self, verb: str, on: Any = None) -> Any:
        """Raises MaskingError."""
        try:
            return self.run(verb, on)
        except (Overrun, UnusableTokenizer) as error:
            raise MaskingError(str(error)) from error

    def run(self, verb: str, on: Any = None) -> Any:
        """Raises MaskingError, UnusableTokenizer or Overrun."""
        job = {"verb": verb, "folder": str(self.folder), "ends": str(self.model), "digest": self.digest, "on": on}
        return CHILDREN.child_of(self.digest).ask(job, about=f"the model {self.folder}")


def mask_of(folder: Path, *, model: Path | None = None) -> ConfinedMask:
    """The mask by the files in `folder`, whose facts are known.

    Raises UnusableTokenizer, MaskingError, or Overrun where the model takes too much.
    """
    check_files(folder)
    mask = ConfinedMask(folder, model or folder, digest_of_rows(folder, model or folder))
    _REFUSALS.check(mask)
    try:
        _facts(mask)
    except Overrun as error:
        _REFUSALS.note(mask, error)
        raise
    return mask


@functools.lru_cache(maxsize=64)
def _facts(mask: ConfinedMask) -> Facts:
    return messages.facts_of(mask.run("facts"))


def _tokenized(value: Any) -> Tokenized | MaskingError:
    if isinstance(value, str):
        return MaskingError(value)
    ids, trained, ends, lost = value
    return Tokenized(ids, trained, ends, tuple((message, characters) for message, characters in lost))


def _batches(contents: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(contents)
    while batch := list(itertools.islice(rest, ROWS_AT_ONCE)):
        yield batch

"""Row and prompt in the same tokens up to where an answer begins.

A tokenizer may join the last characters of a prompt with the first of the answer (`: ` and `yes` to `:`, ` yes`), or
divide the prompt otherwise once something follows. The hero is asked with the prompt's own tokens, so a row in others
would teach it to go on from where it never stands. There the row is tokenised in two pieces, prompt and answer;
everywhere else a row's tokens are those of its whole text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

_BLANK_MARK = "▁"
"""How tokenizers after sentencepiece write a blank, also one that they put in front by themselves."""
_LONGEST_KEPT = 200
"""Characters of a header that is kept with its tokens: most rows of a template have the same."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`starts[i]` is the character at which token i begins."""

    ids: list[int]
    starts: list[int]


class Seams:
    """Finds where a row's tokens are not the prompt's, and mends them."""

    def __init__(self, backend: Tokenizer, special_ids: Collection[int | None]) -> None:
        self._backend = backend
        self._special_ids = special_ids
        self._headers: dict[str, Tokens] = {}

    def mended(self, text: str, encoding: Encoding, begins: Sequence[int]) -> Tokens:
        """The tokens of `text`, whose prompts end at the characters `begins`, rising."""
        tokens = _tokens(encoding)
        seam = None
        for begin in begins:
            mended = self._mended_at(text, tokens, begin, seam)
            if mended is not None:
                tokens, seam = mended, begin
        return tokens

    def _mended_at(self, text: str, tokens: Tokens, begin: int, seam: int | None) -> Tokens | None:
        """None: nothing is to be mended, or nothing can be. `seam` is where the text was divided last."""
        # Special tokens are tokenised apart from all else, so only what stands between two of them can differ.
        place = bisect_left(tokens.starts, begin)
        special = next((at for at in range(place - 1, -1, -1) if tokens.ids[at] in self._special_ids), None)
        origin = 0 if special is None else tokens.starts[special]
        divided = seam is not None and seam > origin
        origin = seam if divided and seam is not None else origin
        first = bisect_left(tokens.starts, origin)
        header = self._header(text[origin:begin], divided)
        if header is None or header.ids == tokens.ids[first:place]:
            return None
        last = next((at for at in range(place, len(tokens.ids)) if tokens.ids[at] in self._special_ids), None)
        answer = self._continued(text[begin : None if last is None else tokens.starts[last]])
        if answer is None:
            return None
        behind = Tokens([], []) if last is None else Tokens(tokens.ids[last:], tokens.starts[last:])
        starts = [*(origin + start for start in header.starts), *(begin + start for start in answer.starts)]
        return Tokens(
            [*tokens.ids[:first], *header.ids, *answer.ids, *behind.ids],
            [*tokens.starts[:first], *starts, *behind.starts],
        )

    def _header(self, text: str, divided: bool) -> Tokens | None:
        if divided:
            return self._continued(text)
        found = self._headers.get(text)
        if found is None:
            found = _tokens(self._backend.encode(text, add_special_tokens=False))
            if len(text) <= _LONGEST_KEPT and len(self._headers) < _LONGEST_KEPT:
                self._headers[text] = found
        return found

    def _continued(self, text: str) -> Tokens | None:
        """Tokens of a text that goes on from another, without a blank that it does not have; None: there are none."""
        encoding = self._backend.encode(text, add_special_tokens=False)
        if not _blank_in_front(self._backend, encoding.ids, text):
            return _tokens(encoding)
        pieces = self._backend.model.tokenize(text.replace(" ", _BLANK_MARK))
        if "".join(piece.value for piece in pieces) != text.replace(" ", _BLANK_MARK):
            return None
        starts = [0]
        for piece in pieces:
            starts.append(starts[-1] + len(piece.value))
        return Tokens([piece.id for piece in pieces], starts[:-1])


def _tokens(encoding: Encoding) -> Tokens:
    return Tokens(list(encoding.ids), [start for start, _ in encoding.offsets])


def _blank_in_front(backend: Tokenizer, ids: Sequence[int], text: str) -> bool:
    """Whether the tokenizer put a blank of its own before the text."""
    shown = backend.id_to_token(ids[0]) if ids else None
    return bool(shown) and str(shown).startswith((_BLANK_MARK, "Ġ")) and not text.startswith((" ", _BLANK_MARK, "Ġ"))

"""Quest files: one JSON value a line, read strictly, its format recognised by itself.

The gatekeeper, the trainer and the pages read through this one reader, so what was accepted is what is trained on.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import orjson

from arena.rows import row_keys
from arena.rows.formats import BUILT_IN, Specs
from arena.rows.limits import LARGEST_LINE_BYTES, LIMITS, Limits
from arena.rows.lines import Line, open_quest
from arena.rows.model import BadRow, Content, Kind, Message, Notes, Refusal, Row, UnreadableQuest, shortened
from arena.rows.texts import kind_of

__all__ = [
    "BadRow", "Content", "Kind", "Message", "Refusal", "Row", "UnreadableQuest", "in_pieces", "parse_line", "read_rows",
    "shortened",
]  # fmt: skip

DEEPEST = 64
"""Lists and objects within each other. Python's own limit depends on who calls."""
HIGHEST_LEVEL = 32_767
"""What the index and the sidecars hold; no trainer has as many."""
PIECE_ROWS = 512
PIECE_CHARACTERS = 500_000
"""A piece ends with the row that reaches one of these."""
_SKILL_NAME = re.compile(r"[a-z][a-z0-9]{0,39}")
_NAMED_KEYS = 6


def read_rows(path: Path, specs: Specs = BUILT_IN, limits: Limits = LIMITS) -> Iterator[Row | Refusal]:
    """Every non-blank line as a Row or a Refusal, in order, with one line in memory at a time.

    Raises UnreadableQuest if `path` as a whole cannot be read, also in the middle of it.
    """
    with open_quest(path, limits, hashed=False) as lines:
        for line in lines:
            row = parse_line(line, specs)
            if row is not None:
                yield row


def in_pieces(rows: Iterable[Row | Refusal]) -> Iterator[list[Row | Refusal]]:
    """Rows to be tokenised at once: many enough to use every core, few enough to lie in memory."""
    piece: list[Row | Refusal] = []
    characters = 0
    for row in rows:
        piece.append(row)
        characters += _characters(row)
        if len(piece) == PIECE_ROWS or characters >= PIECE_CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece


def _characters(row: Row | Refusal) -> int:
    if isinstance(row, Refusal):
        return 0
    if isinstance(row.content, str):
        return len(row.content)
    return sum(len(message.content) for message in row.content)


def parse_line(line: Line, specs: Specs = BUILT_IN) -> Row | Refusal | None:
    """What the line holds; None if it is blank."""
    number, _, data = line
    if data is None:
        most = LARGEST_LINE_BYTES // 1024**2
        return Refusal(number, f"the line is longer than {most} MiB; split the row", Kind.TOO_LONG_LINE)
    if not data or data.isspace():
        return None
    try:
        return _parse_row(number, data, specs)
    except BadRow as error:
        return Refusal(number, shortened(str(error)), error.kind)


def _parse_row(number: int, data: bytes, specs: Specs) -> Row:
    value = parse_json(data)
    if not isinstance(value, dict):
        raise BadRow(f"a JSON object is expected, this line holds {kind_of(value)}", Kind.FORMAT)
    notes = Notes()
    name, content = _recognised(value, specs, notes)
    _check_content(content)
    skill, level = _skill_and_level(value)
    warnings = [Refusal(number, shortened(reason), kind) for kind, reason in notes.warnings]
    return Row(number, name, content, skill, level, tuple(warnings), tuple(notes.unread))


def _recognised(value: dict[str, Any], specs: Specs, notes: Notes) -> tuple[str, Content]:
    """A key with null counts as absent, as exports fill up columns, unless nothing else can be made of the row."""
    given = {key: item for key, item in value.items() if item is not None} if None in value.values() else value
    for candidate in (given, value):
        for spec in specs:
            own = spec.own(candidate)
            if own is not None:
                content = spec.read(candidate, notes)
                return spec.name, row_keys.honoured(content, candidate, own, notes)
    keys = ", ".join(repr(key) for key in list(value)[:_NAMED_KEYS]) or "none"
    raise BadRow(f"no known format: keys are {keys}; known are {', '.join(spec.keys for spec in specs)}", Kind.FORMAT)


def parse_json(data: bytes) -> Any:
    """One JSON value, strictly: no key twice, no NaN, no number without an end, DEEPEST levels. Raises BadRow.

    orjson reads what is plainly right, at several times the speed; whatever it refuses or might read too kindly goes
    to the slow reader, which alone decides and explains.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_slowly(data)
    return value if _is_plainly_right(value, data) else _parse_slowly(data)


_DISTANT_COLON = re.compile(rb'"\s+:')


def _is_plainly_right(value: Any, data: bytes) -> bool:
    """Whether no key of `data` stands twice in an object, and nothing is nested too deeply.

    Each key is followed by `":`; where there are as many of these as different keys, none was lost. Within a text the
    three characters `\\":` look the same, and then this says no, which only costs time.
    """
    return not _DISTANT_COLON.search(data) and data.count(b'":') == _count_keys(value, DEEPEST)


def _count_keys(value: Any, levels: int) -> float:
    """Keys of all objects in `value`; not a number if it is nested in more than `levels` levels."""
    if type(value) is dict:
        count: float = len(value)
        items: Iterable[Any] = value.values()
    elif type(value) is list:
        count, items = 0, value
    else:
        return 0
    if not levels:
        return math.nan
    for item in items:
        if type(item) is dict or type(item) is list:
            count += _count_keys(item, levels - 1)
    return count


def _parse_slowly(data: bytes) -> Any:
    try:
        text = data.rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRow(
            f"not UTF-8: byte {error.start + 1} of the line is 0x{data[error.start]:02x}; save the file as UTF-8",
            Kind.UTF8,
        ) from error
    _check_depth(text)
    try:
        return _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise BadRow(
            f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}{_hint(text, error)}", Kind.JSON
        ) from error
    except BadRow:
        raise
    except ValueError as error:  # a number of more digits than Python converts
        raise BadRow(f"not JSON that can be read: {error}", Kind.NUMBER) from error


def _hint(text: str, error: json.JSONDecodeError) -> str:
    """What usually lies behind an error, and what to do."""
    rest = text[error.pos : error.pos + 2]
    if "\0" in text[error.pos : error.pos + 1]:
        return "; a zero byte stands there: copy the file again"
    if error.msg == "Extra data":
        if "\r" in text[: error.pos]:
            return "; its lines end with carriage returns: save it with Unix line ends"
        if text.lstrip().startswith("{"):
            return "; one line holds one object: put what follows on a line of its own"
        return "; write one JSON object a line"
    if text.strip() in ("{", "[") or text.rstrip().endswith(","):
        return "; one object over several lines cannot be read: write each on one line, as `jq -c` does"
    if rest.startswith("'"):
        return "; JSON texts stand in double quotes"
    if rest.startswith(("/", "#")):
        return "; JSON has no comments"
    if rest.startswith(("}", "]")):
        return "; leave out the comma before it"
    return "; write one JSON object a line"


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]')


def _check_depth(text: str) -> None:
    """Before json.loads, whose limit is Python's recursion limit. Raises BadRow."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        token = match[0]
        depth += (token in "[{") - (token in "]}")
        if depth > DEEPEST:
            raise BadRow(f"nested too deeply: more than {DEEPEST} levels at column {match.start() + 1}", Kind.NESTING)


def _refuse_constant(text: str) -> NoReturn:
    raise BadRow(f"{text} is not JSON; write a number or null", Kind.NUMBER)


def _finite_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadRow(f"the number {text} is too large", Kind.NUMBER)
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise BadRow(f"the key {twice!r} stands twice in one object; keep one", Kind.DUPLICATE_KEY)
    return value


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite_float, object_pairs_hook=_unique_keys)


def _check_content(content: Content) -> None:
    if isinstance(content, str):
        if not content.strip():
            raise BadRow("the text is empty", Kind.EMPTY)
    else:
        _check_dialogue(content)


def _check_dialogue(messages: tuple[Message, ...]) -> None:
    """What TRL trains on is taken: an answer anywhere, whoever begins or ends, the same role twice in a row."""
    answered = False
    for message in messages:
        if message.role == "assistant":
            answered = answered or not message.given
            if not message.content or message.content.isspace():
                raise BadRow("an assistant turn is empty", Kind.EMPTY)
    if not answered:
        raise BadRow("no assistant turn: there is nothing to train on", Kind.NO_ANSWER)


def _skill_and_level(value: dict[str, Any]) -> tuple[str | None, int | None]:
    """What the guild's forge writes beside a row; anything else under these keys is not ours."""
    skill, level = value.get("skill"), value.get("level")
    named = isinstance(skill, str) and _SKILL_NAME.fullmatch(skill)
    if named and isinstance(level, int) and not isinstance(level, bool) and 1 <= level <= HIGHEST_LEVEL:
        return skill, level
    return None, None

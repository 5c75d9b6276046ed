"""The hero's eyes on a quest's rows, for pages and programs: what would take long to show is refused in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from arena.confined.mask import mask_of
from arena.gate.findings import Findings, findings_beside
from arena.gate.row_index import Records
from arena.gate.row_seek import lines_from
from arena.preview import rows
from arena.preview.rows import PackedRow, RowPreview
from arena.profiles import quest_recipe
from arena.recipe import Recipe
from arena.rows import formats, tokenizer
from arena.rows.formats import Specs
from arena.rows.mask import Mask
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import UnusableTokenizer
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World

MOST_UNCOUNTED_BYTES = 50_000_000
"""A larger quest is packed for the eyes only if its tokens were counted before: counting takes as long as it takes."""
LARGEST_TOKENISED_BYTES = 256 * 1024
"""A larger row is not tokenised for the eyes: it takes from seconds to minutes, and no packed row holds it."""
WITHOUT_TOKENIZER = "the hero's tokenizer is not on this machine yet"


class NoMirror(Exception):
    """Why nothing can be shown, in one sentence."""


@dataclass(frozen=True)
class Glass:
    """The hero's eyes: its tokenizer, and the forms of rows that this world knows."""

    mask: Mask | None
    trouble: str
    specs: Specs
    recipe: Recipe


def glass(world: World, config: RealmConfig, quest: Path | None = None) -> Glass:
    """Through which the quest in this file is seen, by its own recipe where it has one.

    Raises NoMirror for settings or a recipe that cannot be read.
    """
    try:
        specs = formats.registry(formats.load_declared(world))
        recipe = quest_recipe.resolve_for(world, config, quest).recipe
    except BadConfig as error:
        raise NoMirror(f"The settings cannot be read: {error}.") from error
    try:
        folder = tokenizer.find(world, config)
        if folder is None:
            return Glass(None, WITHOUT_TOKENIZER, specs, recipe)
        return Glass(mask_of(folder), "", specs, recipe)
    except (UnusableTokenizer, MaskingError, Overrun, OSError) as error:
        return Glass(None, str(error), specs, recipe)


def read_row(path: Path, line: int, through: Glass, findings: Findings | None = None) -> tuple[RowPreview, str]:
    """The row in line `line`, and why it has no tokens, which is empty where it has.

    `findings`: as rows.preview_line has them. Raises NoSuchRow, or UnreadableQuest.
    """
    findings = findings or findings_beside(path)
    size_bytes = _size_of(path, line)
    large = size_bytes > LARGEST_TOKENISED_BYTES
    row = rows.preview_line(
        path,
        line,
        mask=None if large else through.mask,
        max_length=through.recipe.max_length,
        over_long=through.recipe.over_long,
        specs=through.specs,
        findings=findings,
    )
    return (_as_counted(row, findings), _too_large(size_bytes)) if large else (row, through.trouble)


def read_packed(path: Path, number: int, quest_sha256: str, through: Glass) -> PackedRow:
    """The packed row of this number, counted from 1. Raises NoMirror, NoSuchRow or UnreadableQuest."""
    if through.mask is None:
        raise NoMirror(f"Nothing can be packed: {through.trouble}.")
    known = rows.knows_packing(path, mask=through.mask, recipe=through.recipe, quest_sha256=quest_sha256)
    if not known and path.stat().st_size > MOST_UNCOUNTED_BYTES:
        raise NoMirror("The gatekeepers have not counted the tokens of this large quest yet: retry once they have.")
    return rows.preview_packed(
        path, number, mask=through.mask, recipe=through.recipe, quest_sha256=quest_sha256, specs=through.specs
    )


def _size_of(path: Path, line: int) -> int:
    found = next(lines_from(path, line), None)
    return len(found.data or b"") if found and found.number == line else 0


def _too_large(size_bytes: int) -> str:
    return f"this row holds {size_bytes:,} bytes, too much to be shown token by token"


def _as_counted(row: RowPreview, findings: Findings) -> RowPreview:
    """With the tokens that the gatekeepers counted, as far as they did."""
    tokens, trained = _counts(findings.index, row.line) if findings.index is not None else (0, 0)
    return replace(row, tokens=tokens, trained_tokens=0 if findings.set_aside(row.line) else trained)


def _counts(index: Records, line: int) -> tuple[int, int]:
    """0 where they were not counted."""
    found = index[index["line"] == line]
    return (max(0, int(found["tokens"][0])), max(0, int(found["trained"][0]))) if len(found) else (0, 0)

"""`manage.py quest show`: which file is meant, and what of it is shown."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.console import RenderableType
from rich.markup import escape

from arena.confined.mask import mask_of
from arena.gate import report as reports
from arena.models import Quest
from arena.preview import rows, terminal
from arena.preview.tokens import RefusedRow, tokens_of
from arena.profiles import quest_recipe
from arena.profiles.resolving import Resolved
from arena.queue import files as queue
from arena.rows import lines, tokenizer
from arena.rows.formats import Specs, load_declared, registry
from arena.rows.mask import Mask
from arena.rows.model import UnreadableQuest
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import UnusableTokenizer
from realm import strict
from realm.config import RealmConfig
from realm.management.as_json import add_json
from realm.strict import BadConfig
from realm.world import World

FIRST_ROWS = 10


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("quest", metavar="FILE|ID", help="a file anywhere, or a quest's id or name")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--row", type=int, metavar="N", help="the row in line N as the hero sees it, token by token")
    what.add_argument("--packed", type=int, metavar="N", help="the N-th packed row that a battle would train on")
    what.add_argument("--rows", type=_rows, metavar="FIRST:COUNT", help="rows in short, from line FIRST on")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="as this model sees it (default: the hero)")
    add_json(parser)


def _rows(text: str) -> tuple[int, int]:
    first, _, count = text.partition(":")
    numbers = strict.whole_number(first), strict.whole_number(count or str(FIRST_ROWS))
    if not (numbers[0] and numbers[1]):
        raise ArgumentTypeError(f"{text!r} is no FIRST:COUNT, such as 100:20")
    return numbers[0], numbers[1]


def shown(world: World, config: RealmConfig, options: dict[str, Any], *, colours: bool) -> str:
    """Raises CommandError with the reason in words."""
    with _in_words():
        return _Showing(world, config, options["model"]).of(options, colours=colours)


def document(world: World, config: RealmConfig, options: dict[str, Any]) -> Any:
    """The same for programs: of one row its text and its tokens. Raises CommandError where the row is refused, too."""
    with _in_words():
        return _Showing(world, config, options["model"]).document(options)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (
        UnreadableQuest, UnusableTokenizer, MaskingError, Overrun, BadConfig, LookupError, RefusedRow,
    ) as error:  # fmt: skip
        raise CommandError(str(error)) from error


class _Showing:
    def __init__(self, world: World, config: RealmConfig, model: Path | None) -> None:
        self._world, self._config = world, config
        self._specs: Specs = registry(load_declared(world))
        folder = model or tokenizer.find(world, config)
        self._mask = mask_of(folder) if folder else None

    def _resolved(self, path: Path) -> Resolved:
        return quest_recipe.resolve_for(self._world, self._config, path)

    def of(self, options: dict[str, Any], *, colours: bool) -> str:
        path = _find(self._world, options["quest"])
        if options["row"] is not None:
            parts = self._row(path, options["row"])
        elif options["packed"] is not None:
            parts = self._packed(path, options["packed"])
        elif options["rows"] is not None:
            parts = self._list(path, *options["rows"])
        else:
            parts = [*self._summary(path), *self._list(path, 1, FIRST_ROWS)]
        return terminal.printed(parts, colours=colours)

    def document(self, options: dict[str, Any]) -> Any:
        path = _find(self._world, options["quest"])
        if options["row"] is not None:
            mask = self._known_mask("its tokens")
            return tokens_of(path, options["row"], mask=mask, recipe=self._resolved(path).recipe, specs=self._specs)
        if options["packed"] is not None:
            return self._packed_row(path, options["packed"])
        if options["rows"] is not None:
            return rows.list_rows(path, *options["rows"], specs=self._specs)
        report, resolved = reports.read_report(path), self._resolved(path)
        measured = None
        if report is None and self._mask is not None:
            measured = terminal.measure(path, self._mask, resolved.recipe, self._specs)
        listed = rows.list_rows(path, 1, FIRST_ROWS, specs=self._specs)
        own = quest_recipe.read_beside(self._world, path)
        told = {"recipe": resolved.recipe, "own_recipe": own, "recipe_reason": resolved.reason}
        return {"file": path, "report": report, "measured": measured, "rows": listed, **told}

    def _row(self, path: Path, line: int) -> list[RenderableType]:
        recipe = self._resolved(path).recipe
        row = rows.preview_line(
            path, line, mask=self._mask, max_length=recipe.max_length, over_long=recipe.over_long, specs=self._specs
        )
        return [*terminal.of_row(row, recipe.max_length), *self._without_tokenizer()]

    def _packed(self, path: Path, number: int) -> list[RenderableType]:
        return list(terminal.of_packed(self._packed_row(path, number)))

    def _packed_row(self, path: Path, number: int) -> rows.PackedRow:
        return rows.preview_packed(
            path,
            number,
            mask=self._known_mask("packed rows"),
            recipe=self._resolved(path).recipe,
            quest_sha256=lines.content_digest(path),
            specs=self._specs,
        )

    def _known_mask(self, what: str) -> Mask:
        if self._mask is None:
            raise LookupError(f"{what} are known once the hero's tokenizer is on this machine: fight a battle first")
        return self._mask

    def _list(self, path: Path, first: int, count: int) -> list[RenderableType]:
        return list(terminal.of_list(rows.list_rows(path, first, count, specs=self._specs)))

    def _summary(self, path: Path) -> list[RenderableType]:
        report = reports.read_report(path)
        resolved = self._resolved(path)
        told = list(self._told_recipe(path, resolved))
        if report is not None:
            return [*terminal.of_report(report), *told]
        if self._mask is None:
            return [*self._without_tokenizer(), *told]
        measured = terminal.measure(path, self._mask, resolved.recipe, self._specs)
        return [*terminal.of_measured(measured), *told]

    def _told_recipe(self, path: Path, resolved: Resolved) -> Iterator[str]:
        own = quest_recipe.said(quest_recipe.read_beside(self._world, path))
        yield escape(f"recipe: {resolved.reason}")
        if own:
            yield escape(f"of its own: {own}")
        if resolved.question:
            yield escape(resolved.question)

    def _without_tokenizer(self) -> list[RenderableType]:
        return [] if self._mask else ["Tokens are shown once the hero's tokenizer is on this machine."]


def _find(world: World, named: str) -> Path:
    """A file on disk, or that of the newest quest with this id, name or file name."""
    if Path(named).is_file():
        return Path(named)
    number = strict.whole_number(named)
    known = Quest.objects.filter(name=named) if number is None else Quest.objects.filter(pk=number)
    quest = known.last() or Quest.objects.filter(file__endswith=f"/{named}").last()
    if quest is None:
        raise LookupError(f"{named} is neither a file nor the id or name of a quest; see manage.py quest list")
    path = queue.path_of(world, quest)
    if not path.is_file():
        raise LookupError(f"the file of {quest.name} is gone: {path}")
    return path

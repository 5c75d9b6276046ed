"""Tables of the guild's commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from guild.models import Run
from guild.work import runs, trials
from guild.work.trials import CAVEAT, Cell, Comparison

WIDE = 200
CHAMPION = ", the champion"


def as_text(shown: RenderableType) -> str:
    """Piped into another program a table must not be cut to the width of a terminal that is not there."""
    console = Console(width=WIDE)
    with console.capture() as text:
        console.print(shown)
    return "\n".join(line.rstrip() for line in text.get().splitlines()) + "\n"


def trial_table(run: Run) -> str:
    """Levels down, checkpoints across; below it what went wrong, and what such problems prove.

    Raises strict.BadConfig.
    """
    columns = trials.read_result(runs.results(run)).columns
    champion = run.parameters.get("champion")
    names = (f"{column.checkpoint}{CHAMPION if column.checkpoint == champion else ''}" for column in columns)
    table = Table("skill", "level", *map(escape, names))
    levels = dict.fromkeys((cell.skill, cell.level) for column in columns for cell in column.cells)
    for skill, level in levels:
        cells = [
            next((cell for cell in column.cells if (cell.skill, cell.level) == (skill, level)), None)
            for column in columns
        ]
        table.add_row(skill, str(level), *(_shown(cell) for cell in cells))
    troubles = [f"{column.checkpoint}: {column.trouble}" for column in columns if column.trouble]
    troubles += dict.fromkeys(cell.trouble for column in columns for cell in column.cells if cell.trouble)
    notes = [*troubles, *([] if run.parameters.get("problems") is None else [CAVEAT])]
    return as_text(table) + "".join(f"{note}\n" for note in notes)


def _shown(cell: Cell | None) -> str:
    if cell is None or not cell.total or cell.low is None or cell.high is None:
        return "--"
    share = cell.correct / cell.total
    return f"{cell.correct}/{cell.total} {share:.0%} ({cell.low:.0%} to {cell.high:.0%})"


def comparison_table(compared: list[Comparison], *, sides: tuple[str, str] = ("before", "after")) -> str:
    table = Table("skill", "level", *map(escape, sides), "difference in points, 95% sure", "that is")
    for item in compared:
        table.add_row(
            item.skill,
            str(item.level),
            escape(f"{item.before_correct}/{item.before_total} {item.before}"),
            escape(f"{item.after_correct}/{item.after_total} {item.after}"),
            f"{item.low * 100:+.1f} to {item.high * 100:+.1f}",
            item.verdict,
        )
    return as_text(table)


def listing(values: Mapping[str, Any]) -> str:
    """`key: value` lines; what is a list of records becomes a table below its key."""
    rows = {key: value for key, value in values.items() if _is_records(value)}
    plain = {key: value for key, value in values.items() if key not in rows}
    lines = [f"  {key}: {value or '--'}\n" for key, value in runs.pairs(plain)]
    return "".join([*lines, *(f"  {key.replace('_', ' ')}:\n{_records(found)}" for key, found in rows.items())])


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _records(found: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for record in found for key in record))
    table = Table(*(escape(key) for key in columns))
    for record in found:
        table.add_row(*(escape(runs.in_words(record.get(key, ""))) for key in columns))
    return as_text(table)


def run_table(found: list[Run]) -> str:
    table = Table("id", "kind", "state", "done", "by", "begun", "what", "message")
    for run in found:
        begun = run.started_at.strftime("%Y-%m-%d %H:%M") if run.started_at else "--"
        done = f"{run.progress_done}/{run.progress_total}" if run.progress_total else "--"
        table.add_row(
            *map(escape, [str(run.pk), run.kind, run.state, done, run.created_by, begun, run.title, run.message])
        )
    return as_text(table)

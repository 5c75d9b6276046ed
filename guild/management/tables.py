"""Tables of the guild's commands."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from guild.models import Run
from guild.trials import CAVEAT, Cell, Comparison, TrialResult

WIDE = 200


def as_text(shown: RenderableType) -> str:
    """Piped into another program a table must not be cut to the width of a terminal that is not there."""
    console = Console(width=WIDE)
    with console.capture() as text:
        console.print(shown)
    return "\n".join(line.rstrip() for line in text.get().splitlines()) + "\n"


def trial_table(result: TrialResult, *, held_out: bool) -> str:
    """Levels down, checkpoints across; below it what went wrong, and what such problems prove."""
    columns = result.columns
    table = Table("skill", "level", *(escape(column.checkpoint) for column in columns))
    levels = dict.fromkeys((cell.skill, cell.level) for column in columns for cell in column.cells)
    for skill, level in levels:
        cells = [
            next((cell for cell in column.cells if (cell.skill, cell.level) == (skill, level)), None)
            for column in columns
        ]
        table.add_row(skill, str(level), *(_shown(cell) for cell in cells))
    troubles = [f"{column.checkpoint}: {column.trouble}" for column in columns if column.trouble]
    troubles += dict.fromkeys(cell.trouble for column in columns for cell in column.cells if cell.trouble)
    notes = [*troubles, *([] if held_out else [CAVEAT])]
    return as_text(table) + "".join(f"{note}\n" for note in notes)


def _shown(cell: Cell | None) -> str:
    if cell is None or not cell.total or cell.low is None or cell.high is None:
        return "--"
    share = cell.correct / cell.total
    return f"{cell.correct}/{cell.total} {share:.0%} ({cell.low:.0%} to {cell.high:.0%})"


def comparison_table(compared: list[Comparison]) -> str:
    table = Table("skill", "level", "before", "after", "difference, 95% sure", "that is")
    for item in compared:
        table.add_row(
            item.skill,
            str(item.level),
            escape(f"{item.before_correct}/{item.before_total} {item.before}"),
            escape(f"{item.after_correct}/{item.after_total} {item.after}"),
            f"{item.low:+.0%} to {item.high:+.0%}",
            item.verdict,
        )
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

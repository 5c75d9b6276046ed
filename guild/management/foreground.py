"""A run in the foreground of a terminal: a bar while it works, its last word when it ends."""

from __future__ import annotations

import os

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from guild.models import Run
from guild.tasks.children import MARK
from guild.tasks.only_master import master_alive
from guild.tasks.registry import BY_ITSELF
from guild.work import runs
from guild.work.perform import perform, stop_on_signal
from realm import strict
from realm.management.as_json import write_json
from realm.world import World

NOBODY = (
    "no Task Master is there to begin it: start one with `weave`, or perform it here with `manage.py perform {run}`"
)


def asker() -> str:
    """Who asks for the run: the Task Master starts these commands, too."""
    return BY_ITSELF if os.environ.get(MARK) else "command line"


def begin(stdout: OutputWrapper, world: World, run: Run, *, background: bool, as_json: bool = False) -> Run | None:
    """Perform it here, or leave it to the Task Master and return None. Raises CommandError where it fails."""
    if background and as_json:
        write_json(stdout, {"run": run})
        return None
    if background:
        who = "the Task Master begins it when its turn comes" if master_alive(world) else NOBODY.format(run=run.pk)
        stdout.write(f"Run {run.pk} waits; {who}. `manage.py runs show {run.pk}` tells how far it is.")
        return None
    return see_through(stdout, world, run.pk, as_json=as_json)


def see_through(stdout: OutputWrapper, world: World, run_id: int, *, as_json: bool = False) -> Run:
    """Raises CommandError for a run that failed or was stopped, so that the command's exit code says it, too."""
    with _progress(hidden=as_json or not stdout.isatty()) as bar, stop_on_signal() as stop:
        task = bar.add_task("", total=None)

        def show(run: Run) -> None:
            total = run.progress_total or None
            bar.update(task, description=escape(run.message), completed=run.progress_done, total=total)

        run = perform(world, run_id, stop=stop, on_progress=show)
    if run.state != Run.State.COMPLETED:
        raise CommandError(f"Run {run.pk} {run.state}: {run.message}")
    if as_json:
        write_json(stdout, {"run": run, "results": runs.results(run)})
    else:
        stdout.write(f"Run {run.pk}: {run.message}")
    return run


def _progress(*, hidden: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(), transient=True, disable=hidden)


def levels(text: str) -> list[int]:
    """`3`, `1-5`, `1,2,7` or both; a ValueError says what is allowed."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        lowest = strict.whole_number(first, most=9999)
        highest = strict.whole_number(last or first, most=9999)
        if lowest is None or highest is None or highest < lowest:
            raise ValueError(f"levels {text!r} are not allowed; allowed are such as 3, 1-5 or 1,2,7")
        found |= dict.fromkeys(range(lowest, highest + 1))
    return list(found)

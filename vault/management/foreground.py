"""Work of the vault in the foreground of a terminal: who asks for it, and a bar of bytes while it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from guild.tasks.children import MARK
from vault.strongholds.contract import Progress

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    DownloadColumn(),
    TransferSpeedColumn(),
    TimeRemainingColumn(),
)


def asker() -> str:
    """Who asks: the Task Master starts these commands, too."""
    return "taskmaster" if os.environ.get(MARK) else "command line"


@contextmanager
def shown_progress(total: int | None = None) -> Iterator[Progress]:
    """On standard error where that is a terminal; `total` bytes where they are known."""
    console = Console(stderr=True)
    with Bar(*_COLUMNS, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, doing: bar.update(task, completed=done, description=escape(doing[-40:]))

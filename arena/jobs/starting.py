"""A job begins as a file, rows, or a file of a registered folder that is copied into the queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from arena.gate.rules import Depth
from arena.jobs import finding
from arena.jobs.job import Job
from arena.profiles import quest_recipe
from arena.queue import asking, names
from arena.queue import ticket as tickets
from arena.queue.asking import Wanted
from arena.sources import folders, taking
from arena.sources.folders import BadSource
from realm.config import RealmConfig
from realm.world import World


def start(
    world: World,
    config: RealmConfig,
    *,
    rows: str | Iterable[Mapping[str, Any]] | None = None,
    file: Path | None = None,
    source: str | None = None,
    name: str = "",
    priority: str = "normal",
    recipe: Mapping[str, Any] | None = None,
    confirmed: bool = False,
    hold: bool = False,
    force: bool = False,
    depth: Depth | None = None,
    facts: Mapping[str, Any] | None = None,
    by: str,
) -> Job:
    """Ask for a job; it exists from now on, also while the arena is not running.

    Just one of `rows` (objects, or text as it would be pasted), `file` (copied) and `source` (NAME/FILE of a registered
    folder, NAME alone where it holds one file) is what to train on. `recipe` may hold `preset` and keys of the recipe;
    `confirmed` says that a learning rate far from what suits the hero is meant. `facts` are kept with the job.

    Raises BadRows, names.BadName, BadSource, BadConfig, UnconfirmedRate, OSError, and ValueError
    for a priority that is none.
    """
    if sum(given is not None for given in (rows, file, source)) != 1:
        raise ValueError("name just one of rows, file and source: what to train on")
    world.lane(priority)
    own = quest_recipe.of_keys(world, config, dict(recipe or {}), confirmed=confirmed)
    wanted = Wanted(
        by=by, name=_file_name(name, from_rows=rows is not None), priority=priority, hold=hold, force=force,
        depth=depth, own=own, facts=dict(facts or {}),
    )  # fmt: skip
    path = _ask(world, wanted, rows=rows, file=file, source=source)
    asked = tickets.read(path)
    job_id = asked.id if asked else path.relative_to(world.queue).as_posix()
    return finding.get(world, job_id)


def _ask(
    world: World,
    wanted: Wanted,
    *,
    rows: str | Iterable[Mapping[str, Any]] | None,
    file: Path | None,
    source: str | None,
) -> Path:
    if rows is not None:
        return asking.ask_chunks(world, [asking.lines_of(rows)], wanted)
    if file is not None:
        return asking.ask_file(world, file, wanted)
    folder, name = _in_source(world, source or "")
    taken = taking.take(world, folder, [name], wanted=wanted)
    if taken.troubles:
        raise BadSource(taken.troubles[0])
    return taken.paths[0]


def _file_name(name: str, *, from_rows: bool) -> str:
    """Empty: that of the file. The ending may be left out of what is no file's. Raises names.BadName."""
    return names.pasted_name(name or "pasted") if from_rows else name


def _in_source(world: World, source: str) -> tuple[Path, str]:
    """Raises BadSource."""
    name, _, file = source.partition("/")
    folder = folders.folder_of(world, name)
    if file:
        return folder, file
    found = folders.files_in(folder).found
    if len(found) != 1:
        raise BadSource(f"{name} holds {len(found)} files; name one, as {name}/FILE")
    return folder, found[0].name

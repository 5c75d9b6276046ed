"""Branches of a hero: from any whole checkpoint, or from its base model, it may go on anew, and nothing is deleted.

`branches.json` in the hero's folder says which branch is active and where each begins; each sidecar says on which one
its checkpoint lies. Without the file there is one branch, the first, whose name is empty. What the hero has come from
is the line of its active branch: that branch's own checkpoints, then those before it up to where it begins.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

from realm import strict
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, read_regular

FILE = "branches.json"
FIRST = ""
LARGEST_BYTES = 4 * 2**20


class AmbiguousStep(Exception):
    """Several checkpoints are of the step, and none on the active branch; the text names them."""


@dataclass(frozen=True, kw_only=True)
class Branch:
    start: str | None
    """The checkpoint that it goes on from; None: the base model."""
    parent: str = FIRST
    """The branch on which that checkpoint lies."""
    created_at: str
    """ISO 8601 with offset."""


@dataclass(frozen=True)
class Segment:
    """The part of a line that lies on one branch."""

    branch: str
    until: tuple[int, str] | None
    """Step and name of the last checkpoint of it; None: all."""

    def holds(self, step: int, name: str) -> bool:
        return self.until is None or (step, name) <= self.until


@dataclass(frozen=True)
class Line:
    """What a branch has come from: its own part first."""

    segments: tuple[Segment, ...]

    def holds(self, branch: str, step: int, name: str = "") -> bool:
        """Whether a checkpoint of that branch lies on the line. Without a name: whether one of that step may."""
        return any(each.branch == branch and each.holds(step, name) for each in self.segments)

    def last_step(self, branch: str) -> float | None:
        """The last step of that branch which lies on the line; None where none does."""
        for each in self.segments:
            if each.branch == branch:
                return each.until[0] if each.until else math.inf
        return None

    @property
    def first_own_step(self) -> int:
        """What is after this step cannot lie on an earlier branch."""
        return self.segments[1].until[0] if len(self.segments) > 1 and self.segments[1].until else 0


@dataclass(frozen=True, kw_only=True)
class Branches:
    active: str = FIRST
    changes: int = 0
    """How often another one became active."""
    branches: dict[str, Branch] = field(default_factory=dict)
    """All but the first, by name."""

    @property
    def names(self) -> list[str]:
        """Oldest first."""
        return [FIRST, *self.branches]

    def line(self, name: str | None = None) -> Line:
        """Of the active branch, or of the one that is named."""
        name = self.active if name is None else name
        segments, seen = [Segment(name, None)], {name}
        branch = self.branches.get(name)
        while branch and branch.start and branch.parent not in seen:
            segments.append(Segment(branch.parent, (step_of(branch.start) or 0, branch.start)))
            seen.add(branch.parent)
            branch = self.branches.get(branch.parent)
        return Line(tuple(segments))

    @property
    def starts(self) -> set[str]:
        """The checkpoints at which branches begin."""
        return {branch.start for branch in self.branches.values() if branch.start}


def title(name: str) -> str:
    """As people read it."""
    return f"branch {name or '1'}"


def read(hero_folder: Path) -> Branches:
    """What the file says; where it is damaged, what the checkpoints say of themselves."""
    path = hero_folder / FILE
    try:
        return _parse(read_regular(path, most_bytes=LARGEST_BYTES), path)
    except (FileNotFoundError, NotADirectoryError):
        return Branches()
    except (UnfitFile, ValueError, RecursionError):
        return _of_sidecars(hero_folder)


def mend(hero_folder: Path) -> str:
    """Set a damaged file aside and write what the checkpoints say instead; one sentence, empty where it is sound."""
    path = hero_folder / FILE
    try:
        _parse(read_regular(path, most_bytes=LARGEST_BYTES), path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (UnfitFile, ValueError, RecursionError) as why:
        found = _of_sidecars(hero_folder)
        aside = path.with_name(f"{FILE}.damaged-{time.time_ns()}")
        durable.rename(path, aside)
        durable.write_json(path, asdict(found))
        told = f"{path.parent.name}/{FILE} was damaged and is now {aside.name} ({why})"
        return f"{told}; by what its checkpoints say, {path.parent.name} is on {title(found.active)}"
    return ""


def _parse(data: bytes, path: Path) -> Branches:
    found = strict.read(Branches, json.loads(data), source=str(path))
    if found.active not in found.names or FIRST in found.branches:
        raise strict.BadConfig(f"{path}: active {found.active!r} is none of its branches")
    return found


def _of_sidecars(hero_folder: Path) -> Branches:
    """The branch that was trained last is the active one; each begins at its oldest checkpoint's parent."""
    saved = [found for folder in checkpoint_folders(hero_folder) if (found := _sidecar_of(folder))]
    branch_of_name = {one.name: one.branch for one in saved}
    branches: dict[str, Branch] = {}
    for one in reversed(saved):
        if one.branch != FIRST and one.branch not in branches:
            parent = branch_of_name.get(one.parent or "", FIRST)
            branches[one.branch] = Branch(start=one.parent, parent=parent, created_at=one.created_at)
    newest = max(saved, key=lambda one: one.created_at, default=None)
    return Branches(active=newest.branch if newest else FIRST, changes=len(branches), branches=branches)


def line_folders(hero_folder: Path, branch: str | None = None) -> list[Path]:
    """Checkpoints on the line of `branch`, or of the active one, newest first; some may be damaged.

    One whose sidecar cannot be read is taken for the branch's own where its step allows it.
    """
    return list(walk_line(hero_folder, branch))


def walk_line(hero_folder: Path, branch: str | None = None) -> Iterator[Path]:
    """As `line_folders`, for who needs the first few: of a hero with branches no sidecar is read before its turn."""
    if not hero_folder.is_dir():
        return
    branches, folders = read(hero_folder), checkpoint_folders(hero_folder)
    line = branches.line(branch)
    yield from folders if not branches.branches else (folder for folder in folders if _lies_on(line, folder))


def at_step(hero_folder: Path, step: int) -> Path | None:
    """The checkpoint that is meant by its step: of the active branch's line, the newest of several; else the only one.

    Raises AmbiguousStep.
    """
    mine = [folder for folder in line_folders(hero_folder) if step_of(folder.name) == step]
    if mine or not hero_folder.is_dir():
        return next(iter(mine), None)
    others = [folder for folder in checkpoint_folders(hero_folder) if step_of(folder.name) == step]
    if len(others) > 1:
        told = ", ".join(f"{folder.name} ({title(branch_of(folder) or FIRST)})" for folder in others)
        raise AmbiguousStep(f"step {step} is not on the active branch, and several others have it: name one of {told}")
    return next(iter(others), None)


def _lies_on(line: Line, folder: Path) -> bool:
    step, saved = step_of(folder.name) or 0, _sidecar_of(folder)
    if saved is None:
        return step > line.first_own_step
    return line.holds(saved.branch, step, folder.name)


def branch_of(folder: Path) -> str | None:
    """The branch on which a checkpoint lies; None where its sidecar cannot be read."""
    saved = _sidecar_of(folder)
    return saved.branch if saved else None


def _sidecar_of(folder: Path) -> Sidecar | None:
    try:
        found = (folder / sidecar.SIDECAR).stat()
        return _read_once(folder, found.st_mtime_ns, found.st_size)
    except (DamagedCheckpoint, OSError):
        return None


@functools.lru_cache(maxsize=1024)
def _read_once(folder: Path, mtime_ns: int, size_bytes: int) -> Sidecar:
    return sidecar.read(folder)


def tip(hero_folder: Path, branch: str | None = None) -> str | None:
    """The name of the newest checkpoint on the branch's line; None: it stands at the base model."""
    newest = next(walk_line(hero_folder, branch), None)
    return newest.name if newest else None


def go_on_from(hero_folder: Path, start: Sidecar | None, *, moment: datetime) -> Branches:
    """The branches after the hero was made to stand at `start` (None: at its base model); safe to repeat.

    The active branch stays where it stands there already; else the one that does becomes active, or a new one.
    """
    before, name = read(hero_folder), start.name if start else None
    standing = next((one for one in _nearest(before, start) if tip(hero_folder, one) == name), None)
    if standing == before.active:
        return before
    after = replace(before, active=standing, changes=before.changes + 1) if standing is not None else before
    if standing is None:
        fresh = str(1 + max((int(one) for one in before.branches if one.isdecimal()), default=1))
        branch = Branch(
            start=name, parent=start.branch if start else FIRST, created_at=moment.isoformat(timespec="milliseconds")
        )
        after = Branches(active=fresh, changes=before.changes + 1, branches={**before.branches, fresh: branch})
    durable.write_json(hero_folder / FILE, asdict(after))
    return after


def _nearest(branches: Branches, start: Sidecar | None) -> Iterator[str]:
    yield branches.active
    if start:
        yield start.branch
    yield from reversed(branches.names)

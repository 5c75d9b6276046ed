"""What lies below a branch officer's folder: checkpoints, models, data, configurations.

Nothing behind a link is looked at, nothing of a hidden folder or of one that holds secrets. Of a file with several
hard links only the sidecar of its checkpoint can say that it belongs there; any other one is left out.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.names import step_of_any
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.moments import read_moment
from realm.strict import shown
from vault.assets import ids
from vault.errors import NotFound, Refused

DEEPEST = 12
MOST_ASSETS = 100_000
NEVER = frozenset({"secrets", "status", "control", "logs", "lost+found", "node_modules", "__pycache__"})
"""Folders that are not looked into, by their names in small letters, wherever they lie."""
_MODEL_ENDS = (".safetensors", ".gguf", ".bin")
_DATA_ENDS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".csv")
_CONFIG_ENDS = (".yaml", ".yml", ".toml")


@dataclass(frozen=True, kw_only=True)
class Held:
    """An asset that lies here."""

    asset_id: str
    """Whole."""
    kind: str
    path: Path
    """Below the base folder."""
    size_bytes: int
    created_at: datetime
    is_file: bool = False
    hero: str = ""
    step: int | None = None
    files: tuple[str, ...] = ()
    """Paths below its folder; of a file its name."""

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, kw_only=True)
class Catalog:
    held: Mapping[str, Held] = field(default_factory=dict)
    """By whole id."""
    left_out: tuple[str, ...] = ()
    """One sentence each."""

    def told(self) -> dict[str, str]:
        """By whole id, the id by which an asset is told: a short one where that can mean nothing else."""
        return ids.told_ids(self.held)

    def counts(self) -> dict[str, int]:
        found = Counter(each.kind for each in self.held.values())
        return {kind: found[kind] for kind in (ids.CHECKPOINT, ids.MODEL, ids.DATA, ids.CONFIG)}

    def find(self, asset_id: str) -> Held:
        """By its whole id, or a short one that only one asset can mean. Raises NotFound."""
        if asset_id in self.held:
            return self.held[asset_id]
        meant = [held for whole, held in self.held.items() if whole.startswith(f"{asset_id}_")]
        if not ids.is_asset_id(asset_id) or not meant:
            raise NotFound(f"there is no asset {shown(asset_id)}")
        if len(meant) > 1:
            named = ", ".join(sorted(held.asset_id for held in meant)[:5])
            raise NotFound(f"{asset_id} can mean {len(meant)} assets: {named}")
        return meant[0]


def scan(base: Path, names: Mapping[str, str] | None = None) -> Catalog:
    """Names, sizes and sidecars are read, no other file is. Raises OSError for `base` itself alone.

    `names` are ids of what cannot say itself what it is, by its path below `base`.
    """
    os.scandir(base).close()
    held: dict[str, Held] = {}
    left_out: list[str] = []
    for each in _look(base, base, 0, left_out, names or {}):
        if not ids.is_asset_id(each.asset_id):
            left_out.append(f"{each.path}: its name is too long, or no name for an asset")
        elif each.asset_id in held:
            first = held[each.asset_id].path
            left_out.append(f"{each.path}: its id {each.asset_id} is that of {first} already")
        elif len(held) < MOST_ASSETS:
            held[each.asset_id] = each
    return Catalog(held=held, left_out=tuple(left_out))


def _look(base: Path, folder: Path, depth: int, left_out: list[str], names: Mapping[str, str]) -> Iterator[Held]:
    files, folders = _entries(folder, left_out)
    if (asset := _folder_asset(base, folder, set(files), left_out, names)) is not None:
        yield from asset
        return
    for path in files.values():
        yield from _file_asset(base, path, left_out, names)
    for name, path in sorted(folders.items()):
        if depth < DEEPEST and name.lower() not in NEVER and not name.startswith("."):
            yield from _look(base, path, depth + 1, left_out, names)


def _entries(folder: Path, left_out: list[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Regular files and folders of a folder by name; links and the like are neither."""
    files: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.isprintable():
                    left_out.append(f"{entry.name!r}: no other machine could be told its name")
                elif entry.is_dir(follow_symlinks=False):
                    folders[entry.name] = Path(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    files[entry.name] = Path(entry.path)
    except OSError as error:
        left_out.append(f"{folder}: {error.strerror}")
    return dict(sorted(files.items())), folders


def look_at(path: Path) -> Held:
    """The asset that a folder or file is, wherever it lies; its path is the name alone. Raises Refused."""
    files, _ = _entries(path, []) if path.is_dir() else ({}, {})
    make = _maker(path, set(files)) if path.is_dir() else None
    try:
        if make is not None:
            return make(path.parent, path)
        asset_id = ids.named_id(kind_of_file(path) or ids.DATA, path)
        if path.is_file() and (held := _file(path.parent, path, asset_id)) is not None:
            return held
    except (DamagedCheckpoint, ValueError, OSError) as error:
        raise Refused(f"{path} cannot be sent: {error}") from error
    raise Refused(f"{path} is no checkpoint, model, data or configuration")


def _folder_asset(
    base: Path, folder: Path, files: set[str], left_out: list[str], names: Mapping[str, str]
) -> list[Held] | None:
    """None for a folder that is no asset; nothing in a list for one that is, and cannot be offered."""
    make = None if folder == base else _maker(folder, files)
    name = names.get(folder.relative_to(base).as_posix())
    if name is not None and SIDECAR not in files:
        make = partial(_named_folder, name)
    if make is None:
        return None
    try:
        return [make(base, folder)]
    except (DamagedCheckpoint, ValueError) as error:
        left_out.append(f"{folder.relative_to(base)}: {error}")
    except OSError as error:
        left_out.append(f"{folder.relative_to(base)}: {error.strerror}")
    return []


def _maker(folder: Path, files: set[str]) -> Callable[[Path, Path], Held] | None:
    """What makes an asset of a folder that holds these files; None where it is none."""
    has_weights = any(name.endswith(_MODEL_ENDS) for name in files)
    if SIDECAR in files:
        return _sealed_checkpoint
    if step_of_any(folder.name) is not None and has_weights:
        return _foreign_checkpoint
    return _model if "config.json" in files and has_weights else None


def _sealed_checkpoint(base: Path, folder: Path) -> Held:
    saved = sidecar.read(folder)
    if saved.name != folder.name:
        raise DamagedCheckpoint(f"its sidecar belongs to {saved.name}")
    for name, proof in saved.files.items():
        found = (folder / name).lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != proof.size_bytes:
            raise DamagedCheckpoint(f"{name} is not as it was saved")
    return Held(
        asset_id=ids.checkpoint_id(saved.hero, saved.name),
        kind=ids.CHECKPOINT,
        path=folder.relative_to(base),
        size_bytes=sum(proof.size_bytes for proof in saved.files.values()) + (folder / SIDECAR).lstat().st_size,
        created_at=read_moment(saved.created_at),
        hero=saved.hero,
        step=saved.step,
        files=(*sorted(saved.files), SIDECAR),
    )


def _foreign_checkpoint(base: Path, folder: Path) -> Held:
    """Of another trainer, or of this one without its sidecar: nothing proves what it was saved as."""
    step = step_of_any(folder.name)
    assert step is not None
    return _folder(base, folder, foreign_checkpoint_id(folder.name), ids.CHECKPOINT, step=step)


def foreign_checkpoint_id(name: str) -> str:
    """`checkpoint_190000`, with what follows the step in the name."""
    _, step, *rest = name.replace("_", "-").split("-", 2)
    return "_".join((ids.CHECKPOINT, step, *rest))


def _model(base: Path, folder: Path) -> Held:
    return _folder(base, folder, ids.named_id(ids.MODEL, folder), ids.MODEL)


def _named_folder(asset_id: str, base: Path, folder: Path) -> Held:
    return _folder(base, folder, asset_id, ids.kind_of(asset_id), step=step_of_any(folder.name))


def _folder(base: Path, folder: Path, asset_id: str, kind: str, *, step: int | None = None) -> Held:
    found = {path: path.lstat() for path in folder_files(folder)}
    return Held(
        asset_id=asset_id,
        kind=kind,
        path=folder.relative_to(base),
        size_bytes=sum(each.st_size for each in found.values()),
        created_at=_latest(found.values()),
        step=step,
        files=tuple(path.relative_to(folder).as_posix() for path in found),
    )


def folder_files(folder: Path) -> list[Path]:
    """Every file of a folder that goes as a whole. Raises ValueError for what may not go."""
    found = []
    for here, folders, names in os.walk(folder):
        for name in (*folders, *names):
            if not name.isprintable():
                raise ValueError(f"{name!r} holds what cannot be printed")
            facts = (Path(here) / name).lstat()
            if not (stat.S_ISDIR(facts.st_mode) or (stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1)):
                raise ValueError(f"{name} is a link or no file, and is not followed")
        found += [Path(here) / name for name in names]
    return sorted(found)


def _file_asset(base: Path, path: Path, left_out: list[str], names: Mapping[str, str]) -> Iterator[Held]:
    name, kind = names.get(path.relative_to(base).as_posix()), kind_of_file(path)
    if name is None and kind is None:
        return
    try:
        held = _file(base, path, name or ids.named_id(kind or ids.DATA, path))
    except OSError:  # gone since
        return
    if held is None:
        left_out.append(f"{path.relative_to(base)}: it has several names, and is not followed")
    else:
        yield held


def _file(base: Path, path: Path, asset_id: str) -> Held | None:
    """None for a link, a file with several names, and what is no file."""
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        return None
    return Held(
        asset_id=asset_id,
        kind=ids.kind_of(asset_id),
        path=path.relative_to(base),
        size_bytes=facts.st_size,
        created_at=_latest([facts]),
        is_file=True,
        files=(path.name,),
    )


def kind_of_file(path: Path) -> str | None:
    """By its name alone; None for what is no asset."""
    name = path.name.lower()
    if name.startswith("."):
        return None
    if name.endswith(".gguf"):
        return ids.MODEL
    if name.endswith(_DATA_ENDS):
        return ids.DATA
    if name.endswith(_CONFIG_ENDS) or (name.startswith("config") and name.endswith(".json")):
        return ids.CONFIG
    return None


def _latest(facts: Iterable[os.stat_result]) -> datetime:
    return datetime.fromtimestamp(max((each.st_mtime for each in facts), default=0.0), UTC)

"""A checkpoint as others use it: a merged model folder, or its adapter alone. The folder is whole or absent."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.disk import durable
from realm.processes.child import ChildProcess
from realm.world import World
from vault import chronicle
from vault.assets.ids import checkpoint_id
from vault.errors import Damaged, Refused
from vault.ledger import model_card
from vault.ledger.folders import folder_of
from vault.strongholds.contract import Progress, unheard

FULL = "full"
_NOT_OF_A_MODEL = ("optimizer.", "rng.", "training_state.")
"""Begins of the names of what only training goes on from."""
_LOOK_SECONDS = 0.2
_LONGEST_WORDS = 2000


@dataclass(frozen=True, kw_only=True)
class Exported:
    hero: str
    name: str
    path: Path
    kind: str
    """`merged` or `adapter`."""
    size_bytes: int
    largest_difference: float | None
    """Of the logits, from those of the hero before it was merged; None for an adapter, which is copied."""
    tolerance: float | None
    load: str
    """Lines of Python that load it."""


def export(
    world: World, hero: str, name: str, out: Path | str, *, adapter_only: bool = False, by: str,
    progress: Progress = unheard,
) -> Exported:  # fmt: skip
    """What was written to the new folder `out`.

    Raises NotFound, Damaged, or Refused where it cannot be written, would not answer as the hero, or has no adapter.
    """
    source, target = folder_of(world, hero, name), Path(out).expanduser().absolute()
    saved = _verified(source)
    if adapter_only and saved.mode == FULL:
        raise Refused(f"{name} holds whole weights and no adapter; export it without --adapter")
    if target.exists() or target.is_symlink():
        raise Refused(f"{target} exists already; name a folder that does not")
    if target.resolve().is_relative_to(world.heroes.resolve()):
        raise Refused(f"{target} lies among the heroes' checkpoints; name a folder elsewhere")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with durable.new_folder(target) as folder:
            logits = (
                _copy_adapter(source, saved, folder, progress) if adapter_only else _merge(source, folder, progress)
            )
            card = model_card.model_card(world, saved, target.name, adapter_only=adapter_only)
            (folder / model_card.FILE).write_text(card, encoding="utf-8")
            _let_others_read(folder)
            size = _bytes_in(folder)
    except OSError as error:
        raise Refused(f"{target} cannot be written: {error.strerror or error}") from error
    kind = "adapter" if adapter_only else "merged"
    chronicle.record(
        world, "export", by=by, asset_id=checkpoint_id(hero, name), path=str(target), kind=kind, bytes=size
    )
    load = "\n".join(model_card.load_lines(str(target), base=_base_here(source, saved) if adapter_only else None))
    return Exported(hero=hero, name=name, path=target, kind=kind, size_bytes=size, load=load, **logits)


def _let_others_read(folder: Path) -> None:
    """As far as they may read the card: safetensors writes for its own user alone, and a server may run as another."""
    mode = stat.S_IMODE((folder / model_card.FILE).stat().st_mode)
    for path in folder.iterdir():
        path.chmod(mode)


def _verified(source: Path) -> Sidecar:
    try:
        return sidecar.verify(source)
    except DamagedCheckpoint as damage:
        raise Damaged(str(damage)) from damage


def _base_here(source: Path, saved: Sidecar) -> str:
    """The folder of what an adapter sits on, on this machine; a hub's name as it is."""
    base = source.parent / (saved.adapter_base or saved.base_model)
    return str(base.resolve()) if base.is_dir() else saved.base_model


def _copy_adapter(source: Path, saved: Sidecar, folder: Path, progress: Progress) -> dict[str, None]:
    done = 0
    for name, proof in saved.files.items():
        if name.startswith(_NOT_OF_A_MODEL):
            continue
        progress(done, f"copies {name}")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
        if sidecar.digest(folder / name) != proof.sha256:
            raise Damaged(f"{saved.name}: {name} was copied and reads otherwise")
        done += proof.size_bytes
    return {"largest_difference": None, "tolerance": None}


def _merge(source: Path, folder: Path, progress: Progress) -> dict[str, float]:
    """In a process of its own, which alone loads torch. It compares logits, also with what it wrote."""
    merged = folder / "merged"
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        child = ChildProcess(
            [sys.executable, "-m", "arena.hero", "merge", str(source), str(merged), "--json"],
            stdin=subprocess.DEVNULL, stdout=said, stderr=errors,
        )  # fmt: skip
        try:
            _watch(child, lambda: progress(_bytes_in(folder), "merges, writes and compares logits"))
        finally:
            code = child.reap()
        if code != 0:
            raise Refused(f"{source.name} is not exported: {_last_words(errors, code)}")
        said.seek(0)
        told = json.loads(said.read().splitlines()[-1])
    for path in merged.iterdir():
        path.rename(folder / path.name)
    merged.rmdir()
    return {"largest_difference": told["largest_difference"], "tolerance": told["tolerance"]}


def _watch(child: ChildProcess, look: Callable[[], None]) -> None:
    while child.alive:
        look()
        try:
            child.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _last_words(errors: Any, code: int) -> str:
    """The child's own sentence; of a crash, its last line."""
    size = errors.seek(0, 2)
    errors.seek(max(0, size - _LONGEST_WORDS))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"its process ended with {code}"


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in sidecar.files_of(folder).values())

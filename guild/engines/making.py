"""What an engine serves: a GGUF file or a model folder of one checkpoint, its every byte proven just before."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from guild.engines.commands import held
from guild.errors import GuildError
from guild.evaluation.checkpoints import choose
from realm.checkpoints import derived, sidecar
from realm.checkpoints.derived import Derived
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.disk import durable
from realm.hosts import Host, Start
from realm.processes import notify
from realm.processes.child import ChildProcess
from realm.world import World

_LOOK_SECONDS = 0.1
_LONGEST_WORDS = 2000


def meant(world: World, hero: str, wish: str) -> Path:
    """The folder of the checkpoint that `newest`, `best`, a step or a name means. Raises GuildError."""
    if wish in ("all", "base", "0"):
        raise GuildError(
            f"an engine serves one checkpoint and no base model: newest, best, a step or a name, not {wish}"
        )
    (chosen,) = choose(world, hero, ["best" if wish == "champion" else wish])
    folder = world.heroes / hero / str(chosen.name)
    if chosen.name is None or not folder.is_dir():
        raise GuildError(f"{hero} has no checkpoint {chosen} here")
    return folder


def made_of(world: World, host: Host, checkpoint: Path, ending: threading.Event) -> tuple[Derived, Path]:
    """What is to be served of the checkpoint, proven, and where it lies; made first where it is missing or damaged.

    Raises GuildError, or OSError; what `ending` breaks off is not there.
    """
    start = host.start or Start()
    try:
        saved = sidecar.verify(checkpoint)
        if host.kind == "vllm" and saved.base_sha256 is None:
            return derived.prove(checkpoint), checkpoint
        made = folder_of(world, host) / _file_name(host, start, saved)
        _drop_if_unproven(made, saved)
        if not made.exists():
            _make(host, start, checkpoint, saved, made, ending)
        return derived.verify(made), made
    except DamagedCheckpoint as damage:
        raise GuildError(str(damage)) from damage


def folder_of(world: World, host: Host) -> Path:
    return world.derived / host.id


def sweep(world: World, host: Host, kept: Path) -> None:
    """Only what is served now stays; the rest can be made anew."""
    folder = folder_of(world, host)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path not in (kept, derived.path_of(kept)):
            _remove(path)


def _file_name(host: Host, start: Start, saved: Sidecar) -> str:
    return f"{saved.hero}--{saved.name}" + ("" if host.kind == "vllm" else f".{start.tensor_type}.gguf")


def _drop_if_unproven(made: Path, saved: Sidecar) -> None:
    with suppress(DamagedCheckpoint):
        if derived.verify(made).sha256 == sidecar.answering_digest(saved):
            return
    _remove(made)
    derived.path_of(made).unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make(host: Host, start: Start, checkpoint: Path, saved: Sidecar, made: Path, ending: threading.Event) -> None:
    """In a process of its own, which alone loads torch. Raises GuildError."""
    made.parent.mkdir(parents=True, exist_ok=True)
    durable.sweep_temps(made.parent)
    words = ("merge",) if host.kind == "vllm" else ("gguf", "--type", start.tensor_type)
    command = (sys.executable, "-m", "arena.hero", *words, str(checkpoint), str(made))
    with tempfile.TemporaryFile() as errors:
        child = ChildProcess(
            held(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )  # fmt: skip
        try:
            while child.alive and not ending.wait(_LOOK_SECONDS):
                notify.beat()  # a model of some size takes longer than a loop may stand still
        finally:
            code = child.reap()
        if code != 0:
            raise GuildError(f"{checkpoint.name} is not made ready for {host.id}: {_last_line(errors, code)}")
    if host.kind == "vllm":
        derived.record(made, saved)


def _last_line(errors: IO[bytes], code: int) -> str:
    errors.seek(max(0, errors.seek(0, 2) - _LONGEST_WORDS))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"its process ended with {code}"

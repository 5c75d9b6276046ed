"""Saving and loading the whole state of training. Renaming the finished folder into place is the one commit point.

A folder holds: the model (or adapter) and tokenizer as transformers saves them, `optimizer.safetensors` (or
`optimizer.safetensors.zst`), `rng.safetensors`, `training_state.json` and the sidecar `.ledger.json`. No pickle.
"""

from __future__ import annotations

import json
import os
import platform
import random
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor

from arena.hero.model import Hero
from arena.hero.origin import IncompatibleCheckpoint as IncompatibleCheckpoint
from arena.training import average
from arena.training.saving import compressed_moments
from realm.checkpoints import branches, sidecar
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.moments import OPTIMIZER_FILE
from realm.checkpoints.names import free_name, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint, NewerCheckpoint, Sidecar
from realm.disk import durable

RNG_FILE = "rng.safetensors"
STATE_FILE = "training_state.json"
STATE_VERSION = 1


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        package: version(package) for package in ("torch", "transformers", "peft", "safetensors", "numpy")
    }


@dataclass(frozen=True, slots=True)
class Captured:
    """The whole state of training at one step edge, in host memory of its own: the next step does not change it.

    `weights` are named as the model's state dict names them, `moments` as `optimizer.safetensors` does.
    """

    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    rng: dict[str, Tensor]
    training_state: dict[str, Any]
    """Of what is no tensor: the other random numbers, which optimizer, and the step after which it began."""
    copied: torch.cuda.Event | None

    @property
    def size_bytes(self) -> int:
        """About what its checkpoint takes on the disk."""
        tensors = {id(tensor): tensor for tensor in (*self.weights.values(), *self.moments.values())}
        return sum(tensor.nbytes for tensor in tensors.values())

    def wait(self) -> None:
        """Until the copies are made; on the CPU they are."""
        if self.copied:
            self.copied.synchronize()


class Copies:
    """Host memory that one captured state after the other is copied to: fresh memory costs more than the copying."""

    def __init__(self, device: torch.device, *, keeps: bool = True) -> None:
        """With `keeps` off nothing is kept: this rank only takes part in putting together what ranks hold in parts."""
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._keeps = keeps
        self._buffers: dict[str, Tensor] = {}

    def prepare(self, hero: Hero, optimizer: torch.optim.Optimizer) -> None:
        """Take the memory before there is anything to copy: to pin gigabytes takes seconds, once."""
        if self._stream and self._keeps:
            sources = _weights(hero) | _moments(hero, optimizer)
            for name, source in {id(source): (name, source) for name, source in sources.items()}.values():
                self._buffer(name, source)

    @torch.no_grad()
    def capture(self, hero: Hero, optimizer: torch.optim.Optimizer, *, moments_since: int) -> Captured:
        """Copy the state as it is now. On CUDA the copies run beside the next forward pass: see `hold_weights`.

        What ranks hold in parts is put together, one tensor at a time: all of them must call it.
        """
        weights, moments = _weights(hero), _moments(hero, optimizer)
        sources = weights | moments
        # Tied weights are one tensor under two names, and lie once in the copy.
        distinct = {id(source): (name, source) for name, source in sources.items()}
        if self._stream:
            self._stream.wait_stream(torch.cuda.current_stream())
        copies = {key: self._copied(name, source) for key, (name, source) in distinct.items()}
        return Captured(
            weights={name: copies[id(source)] for name, source in weights.items()},
            moments={name: copies[id(source)] for name, source in moments.items()},
            rng=rng_tensors(),
            training_state=_rng_state() | {"optimizer": _kind(optimizer), "moments_since": moments_since},
            copied=self._stream.record_event() if self._stream else None,
        )

    def hold_weights(self) -> None:
        """Make the device's next work wait for copies in flight; the host does not wait."""
        if self._stream:
            torch.cuda.current_stream().wait_stream(self._stream)

    def _copied(self, name: str, source: Tensor) -> Tensor:
        made = whole(source)
        if not self._keeps:
            return made.new_empty(0)
        copy = self._buffer(name, made)
        if self._stream is None:
            return copy.copy_(made)
        if made is not source:  # put together just now, on the stream of the training
            self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            copy.copy_(made, non_blocking=True)
        # What ranks put together for this alone is freed at once, and its memory used again by other streams.
        made.record_stream(self._stream)
        return copy

    def _buffer(self, name: str, like: Tensor) -> Tensor:
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != like.shape or buffer.dtype != like.dtype:
            pinned = self._stream is not None
            buffer = self._buffers[name] = torch.empty(like.shape, dtype=like.dtype, device="cpu", pin_memory=pinned)
        return buffer


def write(
    hero_folder: Path,
    hero: Hero,
    captured: Captured,
    *,
    step: int,
    cursor: Cursor,
    facts: dict[str, Any],
    mode: str,
    compresses: bool = False,
) -> Sidecar:
    """Write the checkpoint of `step`, with `compresses` its moments as a smaller file; at return it is on disk whole.

    `facts` are the sidecar's fields that only the battle knows. Reads nothing that training changes.
    """
    moment = datetime.now().astimezone()
    name = free_name(hero_folder, step, moment)
    captured.wait()

    # Under a temporary name: model, moments, random state, and last the sidecar, which proves the others.
    with durable.new_folder(hero_folder / name) as folder, _system_errors():
        hero.write_model(folder, captured.weights)
        if not any(folder.glob("*.safetensors")):  # in a process that it takes for another rank, transformers is silent
            raise RuntimeError(f"{name}: transformers wrote no weights")
        save_file(captured.moments, folder / OPTIMIZER_FILE)
        if compresses:
            compressed_moments.compress(folder)
        save_file(captured.rng, folder / RNG_FILE)
        durable.write_json(folder / STATE_FILE, captured.training_state)
        entry = Sidecar(
            name=name,
            step=step,
            created_at=moment.isoformat(timespec="milliseconds"),
            cursor=cursor,
            mode=mode,
            versions=versions(),
            files=sidecar.prove_files(folder),
            **facts,
        )
        sidecar.write(folder, entry)
    return entry


@contextmanager
def _system_errors() -> Iterator[None]:
    """safetensors tells what the system refused in its text only; who waits for room asks for the number."""
    try:
        yield
    except SafetensorError as error:
        if not (found := re.search(r"\(os error (\d+)\)", str(error))):
            raise
        code = int(found[1])
        raise OSError(code, os.strerror(code)) from error


def newest_whole(hero_folder: Path, branch: str = branches.FIRST) -> tuple[Sidecar | None, list[DamagedCheckpoint]]:
    """The branch's newest checkpoint whose every byte is proven, and why newer ones were refused and set aside."""
    refused: list[DamagedCheckpoint] = []
    for folder in branches.line_folders(hero_folder, branch):
        try:
            return sidecar.verify(folder), refused
        except NewerCheckpoint as newer:
            raise IncompatibleCheckpoint(f"{newer}; train it with that release") from newer
        except DamagedCheckpoint as damage:
            refused.append(damage)
            set_aside(folder)
    return None, refused


def drop_after(hero_folder: Path, step: int, branch: str = branches.FIRST) -> None:
    """Set aside every checkpoint of the branch after `step`, whole as they are: the run went wrong there and goes back.

    Where older ones had to make room, the oldest whole one stays: to begin again from the base would lose the hero.
    What other branches need is never touched.
    """
    folders = branches.line_folders(hero_folder, branch)
    own = [folder for folder in folders if branches.branch_of(folder) in (branch, None)]
    later = [folder for folder in own if (step_of(folder.name) or 0) > step]
    kept = _oldest_left(later) if len(later) == len(folders) else None
    for folder in later:
        if folder != kept:
            set_aside(folder, because="diverged")


def _oldest_left(folders: list[Path]) -> Path | None:
    """The oldest whole one of `folders` (newest first); None where the hero's first checkpoint is still among them.

    Before that one the hero is its base model, which can be gone back to.
    """
    for folder in reversed(folders):
        try:
            return folder if sidecar.verify(folder).parent else None
        except DamagedCheckpoint:
            continue
    return None


def set_aside(folder: Path, *, because: str = "damaged") -> None:
    """Keep a checkpoint under another name, so that its step can be trained and saved again."""
    durable.move(folder, folder.with_name(f"{because}-{folder.name}-{secrets.token_hex(4)}"))


def load_state(folder: Path, hero: Hero, optimizer: torch.optim.Optimizer, *, moments: bool = True) -> int | None:
    """Put RNG and optimizer back as they were; the weights came with the hero.

    Returns the step after which the moments began, or None where the optimizer begins anew: without `moments`, since
    after a change of mode what trains are other tensors, and where another optimizer saved them. Raises
    IncompatibleCheckpoint if the optimizer's tensors are not those of this model.
    """
    state = json.loads((folder / STATE_FILE).read_bytes())
    if state.get("state_version") != STATE_VERSION:
        raise IncompatibleCheckpoint(f"{folder.name}: state_version {state.get('state_version')!r} is unknown")
    carried = moments and state.get("optimizer", "adamw") == _kind(optimizer)
    if carried:
        with compressed_moments.plain_file(folder) as path:
            _load_optimizer(path, hero, optimizer)
    _load_rng(folder / RNG_FILE, state)
    return int(state.get("moments_since", 0)) if carried else None


def _kind(optimizer: torch.optim.Optimizer) -> str:
    """`adamw` or `muon`."""
    return type(optimizer).__name__.lower()


def whole(tensor: Tensor) -> Tensor:
    """What a shard is a part of; every rank must ask. Any other tensor is whole already."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _weights(hero: Hero) -> dict[str, Tensor]:
    """All weights of the model, or those of the adapter alone where only that is trained."""
    if hero.has_adapter:
        return {name: parameter.detach() for name, parameter in hero.trainable.items()}
    return dict(hero.model.state_dict(keep_vars=True))  # the parameters themselves: tied ones are the same object


def _moments(hero: Hero, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, parameter in hero.trainable.items():
        for part, value in optimizer.state[parameter].items():
            tensors[f"{name}.{part}"] = value.contiguous() if value.ndim else value.reshape(1)
    return tensors


def _load_optimizer(path: Path, hero: Hero, optimizer: torch.optim.Optimizer) -> None:
    with safe_open(path, framework="pt", device=str(hero.device)) as file:
        parts = {name: tuple(optimizer.state[parameter]) for name, parameter in hero.trainable.items()}
        expected = {f"{name}.{part}" for name in parts for part in parts[name]}
        there = set(file.keys())
        extra = {f"{name}.{average.PART}" for name in parts}  # an average may have begun or ended with the recipe
        if there - extra != expected - extra:
            raise IncompatibleCheckpoint(f"{path}: its optimizer state belongs to another model or mode")
        for name, parameter in hero.trainable.items():
            saved = [part for part in parts[name] if f"{name}.{part}" in there]
            found = {part: file.get_tensor(f"{name}.{part}") for part in saved}
            optimizer.state[parameter] |= {
                part: value.reshape(()) if part == "step" else value for part, value in found.items()
            }


def rng_tensors() -> dict[str, Tensor]:
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return tensors


def _rng_state() -> dict[str, Any]:
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "state_version": STATE_VERSION,
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, gauss],
        "threads": torch.get_num_threads(),
    }


def restore_rng_tensors(tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["torch"])
    cuda = [tensors[f"cuda.{index}"] for index in range(sum(key.startswith("cuda.") for key in tensors))]
    if cuda and torch.cuda.device_count() == len(cuda):
        torch.cuda.set_rng_state_all(cuda)


def _load_rng(file: Path, state: dict[str, Any]) -> None:
    restore_rng_tensors(load_file(file))
    kind, internal, gauss = state["python"]
    random.setstate((kind, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, cached))

"""Saving and loading the whole state of training. Renaming the finished folder into place is the one commit point.

A folder holds: the model (or adapter) and tokenizer as transformers saves them, `optimizer.safetensors`,
`rng.safetensors`, `training_state.json` and the sidecar `.ledger.json`. No pickle.
"""

from __future__ import annotations

import json
import platform
import random
import secrets
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from arena.protocol import Recipe
from arena.training.hero import Hero
from realm import durable, sidecar
from realm.sidecar import Cursor, DamagedCheckpoint, Sidecar

OPTIMIZER_FILE = "optimizer.safetensors"
RNG_FILE = "rng.safetensors"
STATE_FILE = "training_state.json"
STATE_VERSION = 1
_MOMENTS = ("exp_avg", "exp_avg_sq")


class IncompatibleCheckpoint(Exception):
    """The checkpoint is whole, but belongs to another mode or model than the recipe's."""


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        package: version(package) for package in ("torch", "transformers", "peft", "safetensors", "numpy")
    }


def save(
    hero_folder: Path,
    hero: Hero,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    cursor: Cursor,
    facts: dict[str, Any],
    recipe: Recipe,
) -> Sidecar:
    """Write the checkpoint of `step`; when this returns, it is on disk whole.

    `facts` are the sidecar's fields that only the battle knows.
    """
    moment = datetime.now().astimezone()
    name = sidecar.canonical_name(step, moment)
    with durable.new_folder(hero_folder / name) as folder:
        hero.model.save_pretrained(str(folder))
        hero.tokenizer.save_pretrained(folder)
        _save_optimizer(folder / OPTIMIZER_FILE, hero, optimizer)
        _save_rng(folder)
        entry = Sidecar(
            name=name,
            step=step,
            created_at=moment.isoformat(timespec="milliseconds"),
            cursor=cursor,
            mode=recipe.mode,
            versions=versions(),
            files=sidecar.prove_files(folder),
            **facts,
        )
        sidecar.write(folder, entry)
    return entry


def newest_whole(hero_folder: Path) -> tuple[Sidecar | None, list[DamagedCheckpoint]]:
    """The newest checkpoint whose every byte is proven, and why newer ones were refused and set aside."""
    refused: list[DamagedCheckpoint] = []
    for folder in sidecar.checkpoint_folders(hero_folder):
        try:
            return sidecar.verify(folder), refused
        except DamagedCheckpoint as damage:
            refused.append(damage)
            set_aside(folder)
    return None, refused


def set_aside(folder: Path) -> None:
    """Keep a damaged checkpoint under another name, so that its step can be trained and saved again."""
    durable.move(folder, folder.with_name(f"damaged-{folder.name}-{secrets.token_hex(4)}"))


def load_state(folder: Path, hero: Hero, optimizer: torch.optim.Optimizer) -> None:
    """Put optimizer and RNG back as they were; the weights came with the hero.

    Raises IncompatibleCheckpoint if the optimizer's tensors are not those of this model.
    """
    _load_optimizer(folder / OPTIMIZER_FILE, hero, optimizer)
    _load_rng(folder)


def _save_optimizer(path: Path, hero: Hero, optimizer: torch.optim.Optimizer) -> None:
    tensors: dict[str, torch.Tensor] = {}
    for name, parameter in hero.trainable.items():
        state = optimizer.state[parameter]
        tensors[f"{name}.step"] = state["step"].reshape(1)
        tensors |= {f"{name}.{moment}": state[moment].contiguous() for moment in _MOMENTS}
    save_file(tensors, path)


def _load_optimizer(path: Path, hero: Hero, optimizer: torch.optim.Optimizer) -> None:
    with safe_open(path, framework="pt", device=str(hero.device)) as file:
        expected = {f"{name}.{part}" for name in hero.trainable for part in ("step", *_MOMENTS)}
        if set(file.keys()) != expected:
            raise IncompatibleCheckpoint(f"{path}: its optimizer state belongs to another model or mode")
        for name, parameter in hero.trainable.items():
            moments = {moment: file.get_tensor(f"{name}.{moment}") for moment in _MOMENTS}
            step = file.get_tensor(f"{name}.step").reshape(())
            optimizer.state[parameter] = {"step": step} | moments


def _save_rng(folder: Path) -> None:
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    save_file(tensors, folder / RNG_FILE)
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    state = {
        "state_version": STATE_VERSION,
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, gauss],
        "threads": torch.get_num_threads(),
    }
    durable.write_json(folder / STATE_FILE, state)


def _load_rng(folder: Path) -> None:
    with safe_open(folder / RNG_FILE, framework="pt") as file:
        torch.set_rng_state(file.get_tensor("torch"))
        cuda = [file.get_tensor(key) for key in sorted(file.keys()) if key.startswith("cuda.")]
    if cuda and torch.cuda.device_count() == len(cuda):
        torch.cuda.set_rng_state_all(cuda)
    state = json.loads((folder / STATE_FILE).read_bytes())
    if state.get("state_version") != STATE_VERSION:
        raise IncompatibleCheckpoint(f"{folder.name}: state_version {state.get('state_version')!r} is unknown")
    kind, internal, gauss = state["python"]
    random.setstate((kind, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, cached))

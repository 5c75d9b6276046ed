"""Names of checkpoints: the canonical one of a folder is `checkpoint-{step}-{YYYYMMDD}-{HHMM}`."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)-(\d{8})-(\d{4})", re.ASCII)
_ANY_NAME = re.compile(r"checkpoint[-_](\d+)(?:[-_][A-Za-z0-9_-]*)?", re.ASCII)
"""Other trainers' too, and the vault's identifier of a checkpoint; a suffix after a dot marks what is no checkpoint."""


def canonical_name(step: int, moment: datetime) -> str:
    return f"checkpoint-{step}-{moment:%Y%m%d-%H%M}"


def free_name(hero_folder: Path, step: int, moment: datetime) -> str:
    """The canonical name, of a later minute where that one is taken: branches may reach a step within one minute."""
    while (hero_folder / (name := canonical_name(step, moment))).exists():
        moment += timedelta(minutes=1)
    return name


def step_of(name: str) -> int | None:
    """The step in a canonical name; None for any other name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def step_of_any(name: str) -> int | None:
    """The step in any checkpoint's name or path, such as `checkpoint-175000`; None for anything else."""
    match = _ANY_NAME.fullmatch(Path(name).name)
    return int(match[1]) if match else None


def checkpoint_folders(hero_folder: Path) -> list[Path]:
    """Canonically named folders, newest (highest step, then name) first."""
    with os.scandir(hero_folder) as entries:
        named = [(step_of(entry.name), entry.name) for entry in entries if entry.is_dir()]
    found = sorted(((step, name) for step, name in named if step is not None), reverse=True)
    return [hero_folder / name for _, name in found]

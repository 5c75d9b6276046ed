"""Names of assets: `checkpoint_175000`, `model_qwen3_0.6b`, `data_train_syllo_abc`, `config_config`.

A checkpoint's whole id names its hero and time too, `checkpoint_175000_DIO_20251127-1430`, since heroes and branches
share steps. The short one is understood wherever an id is given: it means the active branch of the active hero, as a
step does everywhere, or the only checkpoint of that step. No Django.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

CHECKPOINT, MODEL, DATA, CONFIG = KINDS = ("checkpoint", "model", "data", "config")
LONGEST = 200
_ID = re.compile(r"(checkpoint|model|data|config)_[A-Za-z0-9][A-Za-z0-9._-]*")
_CHECKPOINT = re.compile(r"checkpoint_(\d{1,18})(?:_([A-Za-z][A-Za-z0-9_-]{0,39}?)_(\d{8}-\d{4}))?", re.ASCII)
_CANONICAL = re.compile(r"checkpoint-(\d{1,18})-(\d{8}-\d{4})", re.ASCII)
_STRANGE = re.compile(r"[^a-z0-9.]+")


@dataclass(frozen=True, kw_only=True)
class CheckpointId:
    step: int
    hero: str | None
    """None in a short id."""
    name: str | None
    """Canonical; None in a short id."""


def is_asset_id(text: str) -> bool:
    """Whether it can be an asset's id; it is then safe as a part of a path and of an address."""
    return len(text) <= LONGEST and bool(_ID.fullmatch(text)) and ".." not in text


def kind_of(asset_id: str) -> str:
    return asset_id.partition("_")[0]


def checkpoint_id(hero: str, name: str) -> str:
    """The whole id of a checkpoint by its canonical name. Raises ValueError for another name."""
    match = _CANONICAL.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no checkpoint's name")
    return f"{CHECKPOINT}_{match[1]}_{hero}_{match[2]}"


def short_checkpoint_id(step: int) -> str:
    return f"{CHECKPOINT}_{step}"


def told_ids(whole_ids: Iterable[str]) -> dict[str, str]:
    """By whole id, what it is told as: a checkpoint's short id where no other of them is of its step, else itself."""
    parsed = {each: parse_checkpoint_id(each) for each in whole_ids}
    of_step = Counter(found.step for found in parsed.values() if found)
    return {
        whole: short_checkpoint_id(found.step) if found and of_step[found.step] == 1 else whole
        for whole, found in parsed.items()
    }


def parse_checkpoint_id(asset_id: str) -> CheckpointId | None:
    """None for what is no checkpoint's id."""
    match = _CHECKPOINT.fullmatch(asset_id)
    if match is None:
        return None
    name = f"checkpoint-{match[1]}-{match[3]}" if match[3] else None
    return CheckpointId(step=int(match[1]), hero=match[2], name=name)


def named_id(kind: str, path: PurePath) -> str:
    """The id of a model (a folder), data or configuration (files, by their stem)."""
    stem = path.name if kind == MODEL else path.name.split(".", 1)[0] or path.name
    return f"{kind}_{_STRANGE.sub('_', stem.lower()).strip('_.')[:150] or 'unnamed'}"

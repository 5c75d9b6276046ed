"""What is known of the model that the hero trains, from its files alone, without torch."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arena import embedded, estimate
from arena.confined.weights import WEIGHT_FILES, header_digest, read_headers
from arena.estimate import Shape, UnknownShape
from arena.rows import tokenizer
from arena.rows.tokenizer import UnusableTokenizer
from realm.checkpoints.branches import walk_line
from realm.config import RealmConfig
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class HeroModel:
    name: str
    """As the settings name it."""
    embedded: bool = False
    """The realm's own, which begins from random numbers."""
    exported: bool = False
    """Of the embedded hero's shape, in a folder: it was exported from a realm, and has learned."""
    model_type: str = ""
    parameters: int
    positions: int | None = None
    """The longest row that it was made for."""
    shape: Shape | None = None
    """None where its configuration says too little."""


def hero_model(world: World, config: RealmConfig) -> HeroModel | None:
    """None for a hub id of which nothing is on this machine yet, and for a folder that holds no model."""
    if not config.base_model:
        shape = estimate.read_shape(embedded.SOURCE)
        name, model_type = "the embedded hero", str(_described(embedded.SOURCE).get("model_type", ""))
        return HeroModel(name=name, embedded=True, model_type=model_type, parameters=shape.parameters, shape=shape)
    folder = model_folder(world, config)
    return None if folder is None else model_in(folder, name=config.base_model)


def model_folder(world: World, config: RealmConfig) -> Path | None:
    """Of the base model, or of a whole checkpoint where that is no longer on this machine."""
    if not config.base_model:
        return embedded.SOURCE
    folder = tokenizer.base_folder(world, config)
    if folder is not None and (folder / "config.json").is_file():
        return folder
    checkpoints = walk_line(world.heroes / config.hero)
    return next((one for one in checkpoints if (one / "config.json").is_file()), None)


def model_in(folder: Path, *, name: str) -> HeroModel | None:
    """None where neither weights nor configuration say how large it is."""
    described = _described(folder)
    text = described["text_config"] if isinstance(described.get("text_config"), dict) else described
    try:
        shape: Shape | None = estimate.read_shape(folder)
    except UnknownShape:
        shape = None
    numbers = _count(folder, tuple(header_digest(path) for path in sorted(folder.glob(WEIGHT_FILES))))
    parameters = numbers or (shape.parameters if shape else 0)
    if not parameters:
        return None
    positions = text.get("max_position_embeddings") or text.get("n_positions")
    return HeroModel(
        name=name,
        model_type=str(text.get("model_type") or described.get("model_type") or ""),
        parameters=parameters,
        exported=shape == estimate.read_shape(embedded.SOURCE),
        positions=positions if isinstance(positions, int) and positions > 0 else None,
        shape=replace(shape, counted=numbers or None) if shape else None,
    )


def _described(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(folder / "config.json", most_bytes=estimate.LARGEST_CONFIG_BYTES))
    except (OSError, UnfitFile, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@functools.lru_cache(maxsize=64)
def _count(folder: Path, digests: tuple[str, ...]) -> int:
    """Numbers in the weight files; 0 where they cannot be read. `digests` of their headers: read again if changed."""
    try:
        return sum(tensor.numbers for tensor in read_headers(folder).values())
    except UnusableTokenizer:
        return 0

"""What a quest that still waits would take: about, because only the trainer counts its tokens exactly. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml

from arena import embedded, estimate, gatekeeper
from arena.estimate import Load, Measured, Memory, Shape, UnknownShape
from arena.protocol import Recipe
from realm import sidecar
from realm.config import RealmConfig
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What trains here."""

    device: str
    cuda: bool
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Outlook:
    rows: int
    taken: int
    shape: Shape
    machine: Machine
    memory: Memory
    tokens: int | None
    """None before any battle has shown how many tokens this hero makes of a byte."""
    steps: int | None
    seconds: float | None
    """None before any battle of this size was fought here."""
    based_on: Measured | None
    """The battle whose speed was taken."""
    past: tuple[Measured, ...]
    """Battles whose estimates were held against what was measured, the newest first."""


def machine() -> Machine:
    """The first GPU, if its driver is here; else the CPU. The trainer chooses alike."""
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        name, memory = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return Machine(device="cpu", cuda=False, memory_bytes=psutil.virtual_memory().total)
    return Machine(device=str(name), cuda=True, memory_bytes=int(memory.total))


def hero_shape(world: World, config: RealmConfig) -> Shape:
    """Of the model that the hero trains. Raises UnknownShape for a hub id that was never downloaded."""
    if not config.base_model:
        return estimate.read_shape(embedded.SOURCE)
    folder = Path(config.base_model).expanduser()
    if folder.is_dir():
        return estimate.read_shape(folder)
    hero = world.heroes / config.hero
    for checkpoint in sidecar.checkpoint_folders(hero) if hero.is_dir() else ():
        if (checkpoint / "config.json").exists():
            return estimate.read_shape(checkpoint)
    raise UnknownShape(f"the shape of {config.base_model} is known once the hero has saved a whole checkpoint")


def outlook(world: World, config: RealmConfig, recipe: Recipe, path: Path) -> Outlook:
    """Reads every row of the quest. Raises UnknownShape, or formats.UnreadableQuest."""
    inspection, shape, here = gatekeeper.inspect(path), hero_shape(world, config), machine()
    battles = list(estimate.measured_battles(world.battles))
    kin = [battle for battle in battles if battle.like.get("parameters") in _sizes(shape, recipe)]
    tokens = _tokens(kin, inspection.size_bytes * inspection.taken / inspection.rows if inspection.rows else 0)
    steps = _steps(kin, tokens, recipe) if tokens is not None else None
    like = estimate.likeness(recipe, device=here.device, parameters=_sizes(shape, recipe)[-1], threads=recipe.threads)
    alike = [battle for battle in battles if _is_alike(battle, like)]
    seconds = None
    if alike and tokens is not None and steps is not None:
        stops = estimate.count_stops(recipe, first_step=0, last_step=steps)
        seconds = estimate.seconds_of(alike[0], tokens=tokens * recipe.epochs, stops=stops)
    share = kin[0].trained_share if kin else 1.0
    process = next((battle.process for battle in battles if battle.process is not None), None)
    load = Load.of(recipe, tokens=tokens, trained_share=share, row_fill=_fill(kin, recipe))
    saves_before = steps is None or steps > recipe.save_every
    return Outlook(
        rows=inspection.rows,
        taken=inspection.taken,
        shape=shape,
        machine=here,
        memory=estimate.memory_of(
            shape, recipe, load, cuda=here.cuda, process=None if here.cuda else process, saves_before=saves_before
        ),
        tokens=tokens,
        steps=steps,
        seconds=seconds,
        based_on=alike[0] if alike else None,
        past=tuple(battle for battle in battles if battle.memory_error is not None),
    )


def _sizes(shape: Shape, recipe: Recipe) -> tuple[int, ...]:
    """Parameters of the model alone and with the recipe's adapter: battles of both have used its tokenizer."""
    adapter = 0 if recipe.mode == "full" else shape.adapter(recipe)
    return shape.parameters, shape.parameters + adapter


def _tokens(kin: list[Measured], size_bytes: float) -> int | None:
    measured = next((battle for battle in kin if battle.quest_bytes), None)
    return math.ceil(size_bytes * measured.quest_tokens / measured.quest_bytes) if measured else None


def _fill(kin: list[Measured], recipe: Recipe) -> float:
    return next((battle.row_fill for battle in kin if battle.like.get("max_length") == recipe.max_length), 1.0)


def _steps(kin: list[Measured], tokens: int, recipe: Recipe) -> int:
    """With rows filled as they were the last time; full ones where none of this length were packed yet."""
    rows = math.ceil(tokens / (recipe.max_length * _fill(kin, recipe)))
    return math.ceil(rows / recipe.rows_per_step) * recipe.epochs


def _is_alike(battle: Measured, like: dict[str, object]) -> bool:
    """Where the recipe leaves the number of threads to torch, only the trainer knows it."""
    wanted = like if like["threads"] else {key: value for key, value in like.items() if key != "threads"}
    return bool(battle.tokens) and all(battle.like.get(key) == value for key, value in wanted.items())

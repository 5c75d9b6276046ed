"""What a battle would take that nobody has ordered: memory by component, seconds, here and on common cards. No torch.

The formulas are those of arena.estimate, which every battle is held against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from arena import estimate
from arena.calculator.known import known
from arena.estimate import Load, Measured, Memory, Shape, UnknownShape
from arena.exchange import Exchange, Pace, exchange_of
from arena.preview.quest_estimate import hero_shape
from arena.profiles.fitting import PROCESS_BYTES
from arena.profiles.machine import allowance_of, machine
from arena.recipe import Recipe
from realm import strict
from realm.config import RealmConfig
from realm.strict import BadConfig, Bounds
from realm.world import World

HERO = "hero"
CONTEXT_BYTES = 600_000_000
"""About what CUDA itself takes of a card beside all tensors."""
TIGHT, TOO_MUCH = 0.85, 0.97
"""Shares of a memory from which on a battle is tight in it, and does not fit."""
_GIB = 2**30


class BadQuestion(BadConfig):
    """A number that cannot be; one sentence for who asked."""


@dataclass(frozen=True, kw_only=True)
class Question:
    model: str = HERO
    """`hero`, a name of configs/calculator.yaml, or the whole path of a folder with a model."""
    mode: Literal["full", "lora", "qlora"] = "full"
    lora_rank: Annotated[int, Bounds(1, 2**16)] = 16
    max_length: Annotated[int, Bounds(8, 2**20)] = 1024
    rows_per_step: Annotated[int, Bounds(1, 2**16)] = 8
    rows_per_micro_batch: Annotated[int, Bounds(1, 2**16)] = 4
    optimizer: Literal["adamw", "muon"] = "adamw"
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = False
    processes: Annotated[int, Bounds(1, 64)] = 1
    """That train together."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    link_gbit: Annotated[float, Bounds(0.001, 100_000)] = 1.0
    """Between them: 1 and 10 are Ethernet's, PCIe 4 x16 has 256, NVLink some thousand."""
    rows: Annotated[int, Bounds(1, 10**9)] = 1000
    """Of the quest."""
    tokens_per_row: Annotated[int, Bounds(1, 2**20)] = 200
    """In the mean."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)

    def recipe(self) -> Recipe:
        names = (
            "mode", "lora_rank", "max_length", "rows_per_step", "rows_per_micro_batch", "optimizer", "dtype",
            "gradient_checkpointing", "processes", "strategy",
        )  # fmt: skip
        return strict.read(Recipe, {name: getattr(self, name) for name in names}, source="calculator")


@dataclass(frozen=True, kw_only=True)
class Place:
    name: str
    capacity_bytes: int
    needed_bytes: int
    verdict: Literal["fits", "tight", "does not fit"]
    seconds: float | None
    """Of the whole quest; None where no speed is known."""
    speed: str
    """Where the seconds come from: `measured`, or what they are estimated by."""

    @property
    def share(self) -> float:
        """Of the memory that there is."""
        return self.needed_bytes / self.capacity_bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    question: Question
    parameters: int
    trained: int
    tokens: int
    steps: int
    memory: Memory
    """On a card."""
    here: Place
    cards: tuple[Place, ...]
    exchange: Exchange | None = None
    """What several processes send each other; None for one alone."""


def reckon(world: World, config: RealmConfig, question: Question) -> Answer:
    """Raises UnknownShape for a model of which too little is known, and strict.BadConfig for numbers that cannot be."""
    shape, recipe = _shape(world, config, question.model), question.recipe()
    load = Load.of(recipe)
    tokens = question.rows * question.tokens_per_row
    flops = tokens * estimate.flops_per_token(shape, recipe, context=question.tokens_per_row, trained_share=1.0)
    memory = estimate.memory_of(shape, recipe, load, cuda=True)
    trained = estimate.trained_parameters(shape, recipe)
    steps = math.ceil(tokens / (recipe.rows_per_step * recipe.max_length))
    here = _here(world, config, shape, recipe, load, tokens, flops)
    pace = Pace(alone=None if here.seconds is None else here.seconds / steps)
    return Answer(
        question=question,
        parameters=shape.parameters,
        trained=trained,
        tokens=tokens,
        steps=steps,
        memory=memory,
        here=here,
        exchange=exchange_of(trained, recipe, pace, link_gbit=question.link_gbit),
        cards=tuple(
            _place(
                name, int(card.gib * _GIB), memory.peak + CONTEXT_BYTES, flops / (card.tflops * 1e12 * known().reached),
                f"estimated: {known().reached:.0%} of its maker's {card.tflops:g} TFLOPS",
            )
            for name, card in known().cards.items()
        ),
    )  # fmt: skip


def _shape(world: World, config: RealmConfig, model: str) -> Shape:
    if model == HERO:
        return hero_shape(world, config)
    if model in known().models:
        return known().shape(model)
    if not model.startswith("/"):
        raise UnknownShape(
            f"model: {strict.shown(model)} is not known; allowed are {HERO}, {', '.join(known().models)}, and the "
            "whole path of a folder with a model"
        )
    return estimate.read_shape(Path(model))


def _here(
    world: World, config: RealmConfig, shape: Shape, recipe: Recipe, load: Load, tokens: int, flops: float
) -> Place:
    here = machine()
    process = None if here.cuda else PROCESS_BYTES
    peak = estimate.memory_of(shape, recipe, load, cuda=here.cuda, process=process).peak
    needed = peak + CONTEXT_BYTES if here.cuda else peak
    capacity = allowance_of(here, config.memory_budget_gb).named_bytes
    fought = [one for one in estimate.measured_battles(world.battles) if _is_of(one, here.device)]
    alike = next((one for one in fought if _is_alike(one, shape, recipe)), None)
    name = "this machine's GPU" if here.cuda else "this machine"
    if alike:
        seconds = tokens * alike.step_seconds / alike.tokens
        return _place(name, capacity, needed, seconds, f"measured: {alike.battle}")
    if not fought:
        return _place(name, capacity, needed, None, "no battle was fought here yet")
    last = fought[0]
    reached = 6 * float(last.like["parameters"]) * last.tokens / last.step_seconds
    return _place(name, capacity, needed, flops / reached, f"estimated by the speed of {last.battle}")


def _is_of(battle: Measured, device: str) -> bool:
    """Whether its speed says something of this machine."""
    parameters = battle.like.get("parameters")
    told = isinstance(parameters, int) and battle.tokens > 0 and battle.step_seconds > 0
    return told and battle.like.get("device") == device


def _is_alike(battle: Measured, shape: Shape, recipe: Recipe) -> bool:
    """Whether its steps were those that are asked about."""
    wanted = estimate.likeness(recipe, device="", parameters=shape.parameters, threads=0)
    names = set(wanted) - {"device", "threads", "ranks"}
    alone = battle.like.get("ranks", 1) == 1  # what several take is reckoned from what one does
    return alone and all(battle.like.get(name) == wanted[name] for name in names)


def _place(name: str, capacity: int, needed: int, seconds: float | None, speed: str) -> Place:
    share = needed / capacity
    verdict: Literal["fits", "tight", "does not fit"] = (
        "fits" if share < TIGHT else "tight" if share < TOO_MUCH else "does not fit"
    )
    return Place(name=name, capacity_bytes=capacity, needed_bytes=needed, verdict=verdict, seconds=seconds, speed=speed)


def asked(given: Mapping[str, Any]) -> Question:
    """From an address's or a command's texts; what is not given is as usual. Raises BadQuestion."""
    hints = Question.__dataclass_fields__
    values: dict[str, Any] = {}
    for name in hints:
        text = str(given.get(name, "")).strip()
        if not text:
            continue
        usual = hints[name].default
        if isinstance(usual, bool):
            values[name] = text.lower() in ("1", "on", "true", "yes")
        elif isinstance(usual, float):
            try:
                values[name] = float(text)
            except ValueError:
                raise BadQuestion(f"{name}: a number is expected, not {strict.shown(text)}") from None
        elif isinstance(usual, int):
            if (number := strict.whole_number(text)) is None:
                raise BadQuestion(f"{name}: a whole number is expected, not {strict.shown(text)}")
            values[name] = number
        else:
            values[name] = text
    try:
        return strict.read(Question, values, source="calculator")
    except BadConfig as error:
        raise BadQuestion(str(error).removeprefix("calculator: ")) from error

"""Which mode and micro-batch the memory allows: of what the player left open, the most that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from arena import estimate
from arena.estimate import Load
from arena.profiles.hero_model import HeroModel
from arena.profiles.machine import Allowance, Machine, can_quantise
from arena.profiles.profile import Profile
from arena.recipe import Recipe
from realm import strict

PROCESS_BYTES = 450_000_000
"""About what a trainer holds on the CPU beside the hero. The same always, so that a mode does not change by itself."""
_A_NUMBER = {"full": 16.0, "lora": 4.0, "qlora": 0.7}
"""Bytes for each parameter where the shape is unknown: weight, gradient and two moments; or the frozen weight."""
_TYPES = {"float32": "fp32", "bfloat16": "bf16"}


@dataclass(frozen=True, kw_only=True)
class Fit:
    recipe: Recipe
    reason: str
    """Mode, rate and precision, and why not more than that."""
    refusal: str = ""
    """Nothing fits: what the least would need, in numbers."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the hero would be trained."""

    machine: Machine
    allowance: Allowance
    process_bytes: int
    """Of the process beside the hero; 0 on CUDA."""


def fit(model: HeroModel, profile: Profile, keys: Mapping[str, Any], place: Place, *, source: str) -> Fit:
    """`keys` are the player's, which stay as they are, but for rows computed at once: their gradient is the same.

    Raises strict.BadConfig, which names `source`, for keys that make no recipe.
    """
    wanted: Recipe | None = None
    least: dict[str, tuple[int, Recipe]] = {}
    for recipe in candidates(model, profile, keys, place, source=source):
        wanted = wanted or recipe
        if crowd := _crowd(recipe.processes, place.machine):
            return Fit(recipe=recipe, reason=crowd, refusal=crowd)
        needed = needed_bytes(model, recipe, place)
        if needed <= place.allowance.usable_bytes:
            return Fit(recipe=recipe, reason=_reason(model, recipe, wanted, needed, least, place))
        if recipe.mode not in least or needed < least[recipe.mode][0]:
            least[recipe.mode] = needed, recipe
    assert wanted is not None  # there always is a first candidate
    refusal = _refusal(model, *min(least.values(), key=lambda found: found[0]), place)
    return Fit(recipe=wanted, reason=refusal, refusal=refusal)


def _crowd(processes: int, machine: Machine) -> str:
    """Why so many processes cannot train here; empty where they can. On a CPU they share what there is."""
    if not machine.cuda or processes <= max(1, machine.gpus):
        return ""
    there = "1 GPU" if machine.gpus == 1 else f"{machine.gpus} GPUs"
    return f"processes: {processes}, and this machine has {there}; each process trains on one of its own"


def candidates(
    model: HeroModel, profile: Profile, keys: Mapping[str, Any], place: Place, *, source: str
) -> Iterator[Recipe]:
    """From what learns most to what takes least: all weights, fewer rows at once, checkpointing; then adapters."""
    for mode in _modes(keys, place.machine):
        for checkpointing in _open(keys, "gradient_checkpointing", (False, True)):
            for dtype in _types(keys, profile, mode, place.machine):
                chosen = {"mode": mode, "gradient_checkpointing": checkpointing, "dtype": dtype}
                first = recipe_by(model, profile, dict(keys) | chosen, source=source)
                yield first
                rows = min(first.rows_per_micro_batch, first.rows_per_step)
                while rows > 1:
                    rows //= 2
                    fewer = dict(keys) | chosen | {"rows_per_micro_batch": rows}
                    yield recipe_by(model, profile, fewer, source=source)


def recipe_by(model: HeroModel, profile: Profile, keys: Mapping[str, Any], *, source: str) -> Recipe:
    """The profile's keys, and `keys` over them. Raises strict.BadConfig."""
    suited = dict(profile.recipe) | {"learning_rate": profile.learning_rate.of(keys.get("mode", Recipe.mode))}
    if model.positions is not None:
        suited["max_length"] = min(suited.get("max_length", Recipe.max_length), model.positions)
    return strict.read(Recipe, suited | dict(keys), source=source)


def _modes(keys: Mapping[str, Any], machine: Machine) -> tuple[str, ...]:
    return _open(keys, "mode", ("full", "lora", "qlora") if can_quantise(machine) else ("full", "lora"))


def _types(keys: Mapping[str, Any], profile: Profile, mode: str, machine: Machine) -> tuple[str, ...]:
    """On the CPU float32 is the faster one, and half as precise only where frozen weights would not fit otherwise."""
    if machine.cuda:
        return _open(keys, "dtype", (profile.recipe.get("dtype", Recipe.dtype),))
    return _open(keys, "dtype", ("float32",) if mode == "full" else ("float32", "bfloat16"))


def _open(keys: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> tuple[Any, ...]:
    return (keys[key],) if key in keys else choices


def needed_bytes(model: HeroModel, recipe: Recipe, place: Place) -> int:
    """The peak of a battle whose rows are full."""
    if model.shape is None:
        return int(_A_NUMBER[recipe.mode] * model.parameters) + place.process_bytes
    cuda = place.machine.cuda
    process = None if cuda else place.process_bytes
    peak = estimate.memory_of(model.shape, recipe, Load.of(recipe), cuda=cuda, process=process).peak
    return peak if cuda else peak * recipe.processes  # there all of them share one memory


def _reason(
    model: HeroModel, recipe: Recipe, wanted: Recipe, needed: int, least: Mapping[str, tuple[int, Recipe]], place: Place
) -> str:
    more = [mode for mode in least if mode != recipe.mode]
    why = f"{_mode(least[more[-1]][1])} would need {_of_memory(least[more[-1]][0], place)}" if more else ""
    if more and more[0] != more[-1]:
        why = f"{more[0]} would need {gigabytes(least[more[0]][0])} and {why}"
    fewer = recipe.rows_per_micro_batch < min(wanted.rows_per_micro_batch, wanted.rows_per_step)
    if not more and (fewer or (recipe.gradient_checkpointing and not wanted.gradient_checkpointing)):
        why = f"all at once would need {_of_memory(needed_bytes(model, wanted, place), place)}"
    how = f"{recipe.rows_per_micro_batch} of {recipe.rows_per_step} rows at once, " if fewer else ""
    return f"{described(recipe)}: {how}{why or f'about {_of_memory(needed, place)}'}"


def _refusal(model: HeroModel, needed: int, recipe: Recipe, place: Place) -> str:
    return (
        f"{model.name} has {model.parameters:,} parameters: even {described(recipe)}, "
        f"{recipe.rows_per_micro_batch} row at once, would need {_of_memory(needed, place)}; "
        "raise memory_budget_gb if there is more, shorten "
        "training.max_length, leave training.mode open, or name a smaller base_model"
    )


def _of_memory(needed: int, place: Place) -> str:
    """`13.5 of 8 GB`; what is too much for training and would fit the machine names what is left to the rest of it."""
    usable, named = place.allowance.usable_bytes, place.allowance.named_bytes
    spared = usable < needed <= named
    return f"{gigabytes(needed)} of {f'the {gigabytes(usable)} usable of ' if spared else ''}{gigabytes(named)} GB"


def described(recipe: Recipe) -> str:
    """`LoRA r16, 2e-4, bf16`."""
    parts = [_mode(recipe), short_number(recipe.learning_rate), _TYPES[recipe.dtype]]
    return ", ".join([*parts, *(["gradient checkpointing"] if recipe.gradient_checkpointing else [])])


def _mode(recipe: Recipe) -> str:
    names = {"full": "full", "lora": f"LoRA r{recipe.lora_rank}", "qlora": f"QLoRA r{recipe.lora_rank}"}
    return names[recipe.mode]


def gigabytes(size: int) -> str:
    return f"{size / 10**9:.1f}".removesuffix(".0") if size >= 10**9 else f"{size / 10**9:.2g}"


def short_number(value: float) -> str:
    """As one writes a rate: 2e-4 and 1.5e-5, but 0.1 and 3."""
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return f"{value:g}"
    mantissa, exponent = f"{value:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"

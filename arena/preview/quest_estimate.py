"""What a quest that still waits would take: steps exactly, time and memory about. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arena import estimate
from arena.confined.mask import mask_of
from arena.estimate import Load, Measured, Memory, Shape, UnknownShape
from arena.exchange import Exchange, Pace, exchange_of
from arena.gate.held_out import HeldOutRows
from arena.gate.inspection import Look, inspect
from arena.gate.report import Report
from arena.gate.rules import GateRules
from arena.gate.warden import EvaluatedProblems
from arena.profiles.hero_model import model_folder, model_in
from arena.profiles.machine import Machine, machine
from arena.profiles.resolving import Resolved
from arena.recipe import Recipe
from arena.rows import tokenizer
from arena.rows.formats import load_declared, registry
from realm import strict
from realm.config import RealmConfig
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class Outlook:
    resolved: Resolved
    report: Report
    """Its tokens and steps are None where the hero's tokenizer is not on this machine yet."""
    shape: Shape
    machine: Machine
    memory: Memory
    seconds: float | None
    """None before any battle of this size was fought here."""
    based_on: Measured | None
    """The battle whose speed was taken."""
    past: tuple[Measured, ...]
    """Battles whose estimates were held against what was measured, the newest first."""
    exchange: Exchange | None = None
    """What several processes send each other, and whether it is worth it; None for one alone."""


def hero_shape(world: World, config: RealmConfig) -> Shape:
    """Of the model that the hero trains. Raises UnknownShape for a hub id that was never downloaded."""
    folder = model_folder(world, config)
    if folder is None:
        raise UnknownShape(f"the shape of {config.base_model} is known once the hero has saved a whole checkpoint")
    found = model_in(folder, name=str(config.base_model))
    return found.shape if found and found.shape else estimate.read_shape(folder)


def outlook(world: World, config: RealmConfig, resolved: Resolved, path: Path) -> Outlook:
    """Reads every row of the quest. Raises UnknownShape, BadConfig, UnusableTokenizer, MaskingError, Overrun,
    or rows.UnreadableQuest."""
    return outlook_of(world, config, resolved, _report(world, config, resolved.recipe, path))


def outlook_of(world: World, config: RealmConfig, resolved: Resolved, report: Report) -> Outlook:
    """The same from what the gatekeepers wrote beside the quest. Raises UnknownShape."""
    recipe, shape, here = resolved.recipe, hero_shape(world, config), machine()
    battles = list(estimate.measured_battles(world.battles))
    kin = [battle for battle in battles if battle.like.get("parameters") in _sizes(shape, recipe)]
    like = estimate.likeness(recipe, device=here.device, parameters=_sizes(shape, recipe)[-1], threads=recipe.threads)
    alike = [battle for battle in battles if _is_alike(battle, like)]
    seconds = None
    if alike and report.tokens is not None and report.steps is not None:
        stops = estimate.count_stops(recipe, first_step=0, last_step=report.steps)
        seconds = estimate.seconds_of(alike[0], tokens=report.tokens * recipe.epochs, stops=stops)
    share = report.trained_share or (kin[0].trained_share if kin else 1.0)
    process = next((battle.process for battle in battles if battle.process is not None), None)
    load = Load.of(recipe, tokens=report.tokens, trained_share=share, row_fill=report.packing_efficiency or 1.0)
    saves_before = report.steps is None or report.steps > recipe.save_every
    return Outlook(
        resolved=resolved,
        report=report,
        shape=shape,
        machine=here,
        memory=estimate.memory_of(
            shape, recipe, load, cuda=here.cuda, process=None if here.cuda else process, saves_before=saves_before
        ),
        seconds=seconds,
        based_on=alike[0] if alike else None,
        past=tuple(battle for battle in battles if battle.memory_error is not None),
        exchange=exchange_of(
            estimate.trained_parameters(shape, recipe),
            recipe,
            _pace(battles, like, recipe, report, here),
            link_gbit=config.node_link_gbit if recipe.nodes else None,
        ),
    )


def _pace(battles: Sequence[Measured], like: dict[str, object], recipe: Recipe, report: Report, here: Machine) -> Pace:
    """Seconds of one of the quest's steps, by the newest battles of one process and of as many as the recipe says."""
    if not report.tokens or not report.steps:
        return Pace(shares_cores=not here.cuda)
    tokens_a_step = report.tokens * recipe.epochs / report.steps

    def measured(ranks: int) -> float | None:
        wanted = like | {"ranks": ranks}
        found = next((one for one in battles if _is_alike(one, wanted)), None)
        return None if found is None else tokens_a_step * found.step_seconds / found.tokens

    return Pace(alone=measured(1), together=measured(recipe.ranks), shares_cores=not here.cuda and recipe.processes > 1)


def _report(world: World, config: RealmConfig, recipe: Recipe, path: Path) -> Report:
    """As the gatekeepers would see it, but for rows of earlier quests."""
    rules = strict.read(GateRules, config.gatekeeper, source="gatekeeper")
    folder = tokenizer.find(world, config)
    look = Look(
        rules=rules,
        recipe=recipe,
        specs=registry(load_declared(world)),
        mask=mask_of(folder) if folder else None,
        evaluated=EvaluatedProblems((world.evaluation, world.validation, world.validation_levels)),
        held_out=HeldOutRows(world.validation_quests),
    )
    return inspect(path, look)


def _sizes(shape: Shape, recipe: Recipe) -> tuple[int, ...]:
    """Parameters of the model alone and with the recipe's adapter: battles of both have used its tokenizer."""
    adapter = 0 if recipe.mode == "full" else shape.adapter(recipe)
    return shape.parameters, shape.parameters + adapter


def _is_alike(battle: Measured, like: dict[str, object]) -> bool:
    """Where the recipe leaves the number of threads to torch, only the trainer knows it."""
    wanted = like if like["threads"] else {key: value for key, value in like.items() if key != "threads"}
    return bool(battle.tokens) and all(battle.like.get(key) == value for key, value in wanted.items())

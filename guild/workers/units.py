"""What a job can be: one checkpoint's evaluation, or one run; with all that another machine must be told for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Min

from guild.errors import GuildError
from guild.evaluation.checkpoints import choose
from guild.models import EvaluationTask, Run
from guild.tasks.registry import BY_ITSELF, Task
from guild.work import forging, trials
from guild.workers.resources import Kind
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class Unit:
    act: str
    """Its name: no two jobs of one act wait at the same time."""
    kind: Kind
    priority: int
    needs_quiet: bool
    """Whether a machine that is busy with something else is left alone."""
    args: dict[str, Any] = field(default_factory=dict)


def of_task(world: World, task: Task) -> Iterator[Unit]:
    """The most urgent first; nothing of a task that only writes a run down."""
    if task.run_id is not None:
        row = Run.objects.filter(pk=task.run_id, state=Run.State.WAITING).first()
        if row is not None:
            yield from _of_run(world, task, row)
    elif task.name == "process_eval_queue":
        yield from _of_checkpoints(world, task)


def _of_checkpoints(world: World, task: Task) -> Iterator[Unit]:
    waiting = EvaluationTask.objects.filter(state=EvaluationTask.State.WAITING)
    for row in waiting.values("hero", "checkpoint").annotate(first=Min("step")).order_by("first", "checkpoint"):
        hero, name = row["hero"], row["checkpoint"]
        yield Unit(
            act=f"evaluate {hero}/{name}",
            kind="gpu",
            priority=task.priority,
            needs_quiet="evaluator" in task.conditions,
            args={"evaluate": f"{hero}/{name}", "needs": _proofs(world, [(hero, name)])},
        )


def is_of_here(row: Run) -> bool:
    """What names a file or a host of this machine stays here."""
    return bool(row.parameters.get("host")) or row.parameters.get("to", forging.INBOX) != forging.INBOX


def _of_run(world: World, task: Task, row: Run) -> Iterator[Unit]:
    kind: Kind = "cpu" if row.kind == Run.Kind.FORGE else "gpu"
    named, instead = _named(world, row)
    yield Unit(
        act=f"run {row.pk}",
        kind=kind,
        priority=task.priority,
        needs_quiet=row.created_by == BY_ITSELF,
        args={"run": row.pk, "instead": instead, "needs": _proofs(world, named)},
    )


def _named(world: World, row: Run) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Hero and name of each checkpoint, and parameters as they are meant: what `newest` is, only this machine knows.

    A run that names nothing that is there fails where it is performed, and says so.
    """
    asked = row.parameters
    if row.kind == Run.Kind.TRIAL:
        return [trials.of_hero(asked["hero"], wish) for wish in asked["checkpoints"]], {}
    if row.kind == Run.Kind.SPARRING:
        with suppress(GuildError):
            (chosen,) = choose(world, asked["hero"], [asked["checkpoint"]])
            return [(asked["hero"], str(chosen))], {"checkpoint": str(chosen)}
    return [], {}


def _proofs(world: World, named: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Each checkpoint with the digest of its weights, as its sidecar here says; base models are everywhere."""
    found = []
    for hero, name in named:
        try:
            said = sidecar.read(world.heroes / hero / name)
        except (DamagedCheckpoint, OSError):
            continue
        found.append({"hero": hero, "name": name, "sha256": sidecar.answering_digest(said)})
        found += _proofs(world, [(hero, said.adapter_base)] if said.adapter_base else [])
    return found

"""A sparring's quest is about one checkpoint's mistakes; when the model has moved on it is not fought any more."""

from __future__ import annotations

from pathlib import Path

from arena import chronicle
from arena.models import Quest
from arena.queue import files as queue
from arena.reports import sparrings
from arena.rows.limits import INSPECTED
from arena.rows.lines import open_quest
from arena.rows.model import UnreadableQuest
from guild.evaluation import checkpoints
from guild.work.sparring_rows import Binding, binding_of
from realm.checkpoints import branches
from realm.checkpoints.names import step_of
from realm.world import World


def expire(world: World, quest: Quest, *, hero: str, most_steps: int) -> bool:
    """Cancel a waiting quest whose checkpoint is too far back; whether it was."""
    reason = why_stale(world, queue.path_of(world, quest), hero=hero, most_steps=most_steps)
    if reason:
        queue.cancel(world, quest, reason)
        chronicle.say("quest_cancelled", f"{quest.name} is cancelled: {reason}", quest=quest.name, reason=reason)
        sparrings.write(world)
    return bool(reason)


def why_stale(world: World, path: Path, *, hero: str, most_steps: int) -> str:
    """Why the quest at `path` is not to be trained on by `hero`; empty where it may be, or is no sparring's.

    The binding stands in its rows, so that neither another name nor another folder loosens it; the first row decides.
    """
    binding = _binding(path)
    if binding is None:
        return ""
    if binding.hero != hero:
        return f"it is about mistakes of {binding.hero}, and {hero} fights"
    folder = checkpoints.newest(world, hero)
    step = (step_of(folder.name) if folder else None) or 0
    about = f"it is about mistakes of {binding.checkpoint}"
    if step < binding.step or not _came_from(world.heroes / hero, binding):
        return f"{about}, which {hero} at step {step} has not come from"
    if step - binding.step > most_steps:
        return f"{about}, and {hero} has trained for {step - binding.step} steps since; {most_steps} are the most"
    return ""


def _came_from(hero_folder: Path, binding: Binding) -> bool:
    """Of a checkpoint that has made room since, only the step is known."""
    branch = branches.branch_of(hero_folder / binding.checkpoint)
    line = branches.read(hero_folder).line()
    return branch is None or line.holds(branch, binding.step, binding.checkpoint)


def _binding(path: Path) -> Binding | None:
    try:
        with open_quest(path, INSPECTED, hashed=False) as lines:
            first = next((line.data for line in lines if line.data and not line.data.isspace()), None)
    except UnreadableQuest:  # the trainer says so better
        return None
    return binding_of(first) if first else None

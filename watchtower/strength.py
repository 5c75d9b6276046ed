"""The hero's ATK and DEF: what they are the inverse of, and over what that was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from arena import steps
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, MeasuredOver
from realm.world import World
from vault import selectors as vault
from vault.models import Checkpoint
from watchtower import selectors

ATTACK_STEPS = 100
"""Enough that neither one easy step nor one hard one moves it much."""
_MOST_BATTLES = 50
"""Looked into for these steps, the newest first."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    loss: float
    of: str
    """What the loss is the loss of, in words."""

    @property
    def inverse(self) -> float | None:
        return steps.finite(1 / self.loss) if self.loss > 0 else None


def attack(world: World, newest: Checkpoint) -> Strength | None:
    """By the mean train loss of the last steps up to the newest checkpoint; without their records, by its own loss."""
    losses = _last_losses(world, newest.hero, newest.step)
    if losses:
        return Strength(loss=float(np.mean(losses)), of=_mean_of(len(losses)))
    if newest.train_loss is None:
        return None
    return Strength(loss=newest.train_loss, of=f"train loss of checkpoint {newest.step:,}")


def live_attack(losses: NDArray[np.float32], *, enough: int = ATTACK_STEPS) -> Strength | None:
    """By the mean of the battle's newest losses; None before there are `enough`."""
    newest = losses[np.isfinite(losses)][-ATTACK_STEPS:]
    if len(newest) < enough:
        return None
    return Strength(loss=float(np.mean(newest)), of=_mean_of(len(newest)))


def _mean_of(count: int) -> str:
    return f"mean train loss of the last {'step' if count == 1 else f'{count:,} steps'}"


def attack_before(world: World, newest: Checkpoint) -> tuple[Strength, int] | None:
    """ATK as it was at the checkpoint before `newest`, and at which step that is."""
    before = next(islice(vault.walk_line(world, newest.hero), 1, None), None)
    found = attack(world, before) if before else None
    return (found, before.step) if found and before else None


def defense(world: World, hero: str) -> Strength | None:
    """By the validation loss of the newest checkpoint that was scored; None where it does not say over what."""
    scored = next(_scored(world, hero), None)
    if scored is None or scored.val_loss is None or not scored.val_set:
        return None
    over = MeasuredOver(**scored.val_set)
    return Strength(
        loss=scored.val_loss, of=f"validation loss of checkpoint {scored.step:,} {_over(world, scored, over)}"
    )


def defense_before(world: World, hero: str) -> tuple[Strength, int] | None:
    """DEF at the scored checkpoint before, and its step; None where that was scored over other rows."""
    newest, before = [*islice(_scored(world, hero), 2), None, None][:2]
    if newest is None or before is None or before.val_loss is None or not newest.val_set or not before.val_set:
        return None
    if newest.val_set["sha256"] != before.val_set["sha256"]:
        return None
    return Strength(loss=before.val_loss, of=f"validation loss of checkpoint {before.step:,}"), before.step


def _scored(world: World, hero: str) -> Iterator[Checkpoint]:
    """Newest first."""
    return (row for row in vault.walk_line(world, hero) if row.val_loss is not None)


def _last_losses(world: World, hero: str, until: int) -> list[float]:
    """Finite ones, the newest first; steps that were done again later are left out."""
    losses: list[float] = []
    for battle, last in selectors.newest_battles(hero, most=_MOST_BATTLES):
        path = steps.path_of(world, battle)
        if not len(first := steps.read(path, 0, 1)):
            continue
        before = int(first["step"][0]) - 1
        until = until if last is None else min(until, last)
        stop = min(steps.count(path), until - before)  # one record a step
        found = steps.read(path, max(0, stop - ATTACK_STEPS), stop)["loss"]
        losses += found[np.isfinite(found)][::-1].tolist()
        if len(losses) >= ATTACK_STEPS:
            break
        until = min(until, before)
    return losses[:ATTACK_STEPS]


def _over(world: World, row: Checkpoint, taught: MeasuredOver) -> str:
    """`over 3 levels of BIN, 1 of SY and 40 held-out rows`."""
    rows = f"{taught.rows:,} row{'' if taught.rows == 1 else 's'}"
    try:
        members = sidecar.read(world.heroes / row.hero / row.name).val_sets
    except (DamagedCheckpoint, OSError):
        members = {}
    parts = _spelled(members)
    return f"over {parts} ({rows})" if parts else f"over {rows} of what it was taught"


def _spelled(members: dict[str, MeasuredOver]) -> str:
    taught = sorted(name.split("/", 1) for name in members if not name.startswith("file/"))
    counts = {kind: len(list(names)) for kind, names in groupby(taught, key=lambda parts: parts[0]) if kind != "quest"}
    parts = [f"{count} of {skill.upper()}" for skill, count in counts.items()]
    if parts:
        first = next(iter(counts.values()))
        parts[0] = parts[0].replace(" of ", f" level{'' if first == 1 else 's'} of ", 1)
    held_out = sum(measured.rows for name, measured in members.items() if name.startswith("quest/"))
    if held_out:
        parts.append(f"{held_out:,} held-out row{'' if held_out == 1 else 's'}")
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))

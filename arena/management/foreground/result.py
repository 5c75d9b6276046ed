"""What a training in the foreground came to, and what it ended by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from arena import steps
from arena.management.foreground.following import Follower, saved_step, speed
from realm.checkpoints import branches
from realm.world import World


class EndedBy(StrEnum):
    STEPS = "steps"
    HOURS = "hours"
    QUESTS = "quests"
    """Nothing waits to be fought any more."""
    REST = "rest"
    """The arena rests, at somebody's wish or for a trouble."""
    SIGNAL = "signal"
    TROUBLE = "trouble"


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    steps_completed: int
    final_loss: float | None
    """Of the newest step that was done."""
    elapsed_secs: float
    steps_per_second: float | None
    """Over all of that time."""
    error_count: int
    checkpoint: str | None
    """The hero's newest."""
    checkpoint_step: int
    first_step: int
    """Of the hero's life, before the first of these steps."""
    last_step: int
    battle: str | None
    ended_by: EndedBy
    reason: str
    """In a sentence, where it ended otherwise than was asked."""
    log: str
    """Relative to the world."""

    @property
    def line(self) -> str:
        loss = "--" if self.final_loss is None else f"{self.final_loss:.4f}"
        rate = "--" if self.steps_per_second is None else f"{self.steps_per_second:.3g}"
        return (
            f"{self.steps_completed} steps in {self.elapsed_secs:.1f} s ({rate} a second), loss {loss}, "
            f"{self.error_count} errors; newest checkpoint {self.checkpoint or 'none'}"
        )


def result_of(
    world: World, hero: str, follower: Follower, *, ended_by: EndedBy, reason: str, log: str
) -> TrainingResult:
    seconds = follower.seconds
    return TrainingResult(
        steps_completed=follower.done,
        final_loss=steps.finite(follower.last_loss),
        elapsed_secs=round(seconds, 3),
        steps_per_second=speed(follower.done, seconds),
        error_count=follower.errors,
        checkpoint=branches.tip(world.heroes / hero),
        checkpoint_step=saved_step(world, hero),
        first_step=follower.start,
        last_step=follower.start + follower.done,
        battle=follower.battle,
        ended_by=ended_by,
        reason=reason,
        log=log,
    )

"""The states of the battle scene, each as what the arena does to bring the page there."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.conftest import Tavern


def _event(kind: str, message: str, **data: object) -> Callable[[Tavern], None]:
    return lambda tavern: tavern.do("event", kind=kind, message=message, data=data)


def _status(state: str, message: str = "") -> Callable[[Tavern], None]:
    return lambda tavern: tavern.do("status", state=state, message=message)


STANCES: dict[str, Callable[[Tavern], None]] = {
    "training": _status("training"),
    "preparing": _status("preparing"),
    "paused": _status("paused"),
    "resting": _status("resting", "the trainer cannot go on: no memory is left for the optimizer; resume tries again"),
    "idle": _status("idle"),
    "offline": lambda tavern: tavern.stop_arena(),
}
"""By `data-state` of the page."""

MOMENTS: dict[str, Callable[[Tavern], None]] = {
    "chest": _event("checkpoint_saved", "Checkpoint saved"),
    "block": _event("validated", "Validation loss 1.8700", val_loss=1.87, previous=1.93),
    "pushed": _event("validated", "Validation loss 1.9900", val_loss=1.99, previous=1.93),
    "champion": _event("new_champion", "New champion! Checkpoint 400 beats 300: loss 1.87 < 1.93", name="c"),
    "level": _event("hero_level_up", "Level up! DIO is level 3", level=3),
    "complete": _event("quest_completed", "Quest complete! alpaca, +100 gold", quest="alpaca", gold=100),
    "oom": _event("fault", "Out of memory", fault="out_of_memory", reason="needs 12.9 GB, has 12.0 GB"),
    "crash": _event("trainer_died", "The trainer died (exit code -9); it is started again"),
    "stop": _event("battle_stopped", "Stopped at step 120, which is kept safe"),
    "curse": lambda tavern: tavern.do("steps", count=1, loss=float("nan")),
}
"""By `data-moment` of the page."""

"""The orders that make sense in a state of the arena, as buttons."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arena.orders import Wish


@dataclass(frozen=True, kw_only=True)
class Button:
    wish: Wish
    label: str
    asked_label: str
    help: str
    tone: str = ""
    key: str = ""
    confirm: bool = False
    asked: bool = False


REST = Button(
    wish=Wish.PAUSE, label="Rest", asked_label="Resting…", key="P", help="Save a checkpoint and pause; no step is lost"
)
REST_FROM_SLEEP = replace(REST, help="No battle begins until you resume")
RESUME = Button(
    wish=Wish.RESUME,
    label="Resume",
    asked_label="Waking…",
    key="P",
    tone="brass",
    help="Go on from where the hero rests",
)
RETREAT = Button(
    wish=Wish.STOP, label="Retreat", asked_label="Retreating…", tone="blood", confirm=True,
    help="Save a checkpoint and end this battle",
)  # fmt: skip
SKIP = Button(
    wish=Wish.SKIP, label="Skip", asked_label="Skipping…", confirm=True,
    help="Save a checkpoint, end this battle and go on with the next quest",
)  # fmt: skip

_BY_STATE = {
    "training": (REST, SKIP, RETREAT),
    "preparing": (REST, SKIP, RETREAT),
    "waiting": (REST, SKIP, RETREAT),
    "paused": (RESUME, RETREAT),
    "resting": (RESUME,),
    "idle": (REST_FROM_SLEEP,),
}


def orders(state: str, asked: Wish | None = None) -> list[Button]:
    """Empty while the arena is offline. The one just `asked` for can not be pressed again."""
    return [
        replace(button, label=button.asked_label, asked=True, key="") if button.wish is asked else button
        for button in _BY_STATE.get(state, ())
    ]

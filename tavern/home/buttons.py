"""The orders that make sense in a state of the arena, as buttons."""

from __future__ import annotations

from dataclasses import replace

from arena.orders import Wish
from tavern.page_frame import Button

REST = Button(
    value=Wish.PAUSE, key="pause", label="Rest", shortcut="P", help="Save a checkpoint and pause; no step is lost"
)
RESUME = Button(
    value=Wish.RESUME, key="resume", label="Resume", shortcut="P", tone="brass",
    help="Go on from where the hero rests",
)  # fmt: skip
RETREAT = Button(
    value=Wish.STOP, key="stop", label="Retreat", tone="blood", confirm="ask-stop",
    help="Save a checkpoint and end this battle",
)  # fmt: skip
SKIP = Button(
    value=Wish.SKIP, key="skip", label="Skip", confirm="ask-skip",
    help="Save a checkpoint, end this battle and go on with the next quest",
)  # fmt: skip

_ASKED = {Wish.PAUSE: "Resting…", Wish.RESUME: "Waking…", Wish.STOP: "Retreating…", Wish.SKIP: "Skipping…"}
_BY_STATE = {
    "training": (REST, SKIP, RETREAT),
    "preparing": (REST, SKIP, RETREAT),
    "waiting": (REST, SKIP, RETREAT),
    "paused": (RESUME, RETREAT),
    "resting": (RESUME,),
}


def orders(state: str, asked: Wish | None = None) -> list[Button]:
    """Empty while the arena is offline, and idle, where nothing could rest.

    The one just `asked` for can not be pressed again.
    """
    return [
        replace(button, label=_ASKED[asked], asked=True, shortcut="") if asked and button.value == asked else button
        for button in _BY_STATE.get(state, ())
    ]

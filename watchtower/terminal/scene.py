"""What the terminal shows: the newest snapshot of the battle, with the ticks and events since laid over it.

The messages are those of `/ws/battle/`, so the terminal shows what the page shows.
"""

from __future__ import annotations

from collections import deque
from typing import Any

MOST_POINTS = 4000
MOST_EVENTS = 50


class Scene:
    def __init__(self) -> None:
        self.hero: dict[str, Any] = {}
        self.arena: dict[str, Any] = {}
        self.battle: dict[str, Any] | None = None
        self.server_time: float = 0.0
        self.events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._steps: deque[int] = deque(maxlen=MOST_POINTS)
        self._losses: deque[float | None] = deque(maxlen=MOST_POINTS)

    def take(self, message: dict[str, Any]) -> None:
        """A `snapshot`, `tick` or `event`; others, of later releases, change nothing."""
        kind = message.get("type")
        if kind == "snapshot":
            self._begin(message)
        elif kind == "tick":
            self._tick(message)
        elif kind == "event":
            self.events.append(message)

    def _begin(self, message: dict[str, Any]) -> None:
        self.hero, self.arena, self.battle = message["hero"], message["arena"], message["battle"]
        self.server_time = message["server_time"]
        if message["events"]:
            self.events = deque(message["events"], maxlen=MOST_EVENTS)
        self._steps.clear()
        self._losses.clear()
        self._steps.extend(message["curve"]["step"])
        self._losses.extend(message["curve"]["loss"])

    def _tick(self, message: dict[str, Any]) -> None:
        self.hero, self.arena, self.server_time = message["hero"], message["arena"], message["server_time"]
        if self.battle is not None and self.battle["id"] == message["run"]:
            numbers = {key: message[key] for key in self.battle if key in message and key not in ("hero", "arena")}
            self.battle = {**self.battle, **numbers}
        for step, loss, *_ in message["points"]:
            self._steps.append(step)
            self._losses.append(loss)

    def points(self) -> tuple[list[int], list[float | None]]:
        """Steps and losses of the battle of now; of the ones before it too, while it has done no two steps."""
        first = (self.battle or {}).get("first_step")
        steps, losses = list(self._steps), list(self._losses)
        if first is None:
            return steps, losses
        begin = next((number for number, step in enumerate(steps) if step > first), len(steps))
        return (steps[begin:], losses[begin:]) if len(steps) - begin > 1 else (steps, losses)

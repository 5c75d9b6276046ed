"""The card of an empty world: what one does first, each step ticked by what is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from arena.models import Battle, ChronicleEntry, Quest
from tavern.models import Question
from vault.models import Checkpoint

CLOSED_COOKIE = "realm_first_steps"
CLOSED = "closed"
CLOSED_FOR_SECONDS = 400 * 24 * 3600
"""The longest that browsers keep a cookie."""
_NOW = {
    "offline": "The arena is not running: scripts/start_all.sh starts it.",
    "idle": "{hero} sleeps: no quest is being fought.",
    "preparing": "{hero} prepares: the model is loaded and the rows are tokenised.",
    "training": "{hero} is being trained: each blow is one step of the optimizer, its damage is 100 / loss.",
    "paused": "{hero} rests, and the battle with it. Resume goes on from the very step.",
    "resting": "{hero} rests: no battle begins until you say so.",
    "stale": "Nothing was heard of the trainer for a while.",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    title: str
    hint: str
    address: str
    is_done: bool


@dataclass(frozen=True, kw_only=True)
class FirstSteps:
    now: str
    steps: list[Step]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_complete(self) -> bool:
        return self.done == len(self.steps)


_STEPS: tuple[tuple[str, str, str, Callable[[], bool]], ...] = (
    ("See a battle", "the guild forges the first quest by itself", "home", Battle.objects.exists),
    (
        "Win a level", "25 problems nobody trained on, asked at each checkpoint", "guild",
        ChronicleEntry.objects.filter(kind="skill_level_up").exists,
    ),
    (
        "Find the chest", "each checkpoint lies in the vault, with all it takes to go on", "vault",
        Checkpoint.objects.exists,
    ),
    ("Drop a file of your own", "or begin from a template", "quests", Quest.objects.filter(skill="").exists),
    ("Ask the Oracle", "it answers with any checkpoint", "oracle", Question.objects.exists),
)  # fmt: skip


def first_steps(stance: str, hero: str) -> FirstSteps:
    """`stance` is the arena's state, or `offline` or `stale`."""
    return FirstSteps(
        now=_NOW.get(stance, "").format(hero=hero),
        steps=[
            Step(title=title, hint=hint, address=reverse(f"tavern:{page}"), is_done=holds())
            for title, hint, page, holds in _STEPS
        ],
    )


def card_for(request: HttpRequest, stance: str, hero: str) -> FirstSteps | None:
    """None once it was closed, or all is done when the page opens."""
    if request.COOKIES.get(CLOSED_COOKIE) == CLOSED:
        return None
    found = first_steps(stance, hero)
    return None if found.is_complete else found

"""What the player wishes of quests: command files in `control/`, carried out by the daemon, which alone moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from arena.models import Quest
from realm.disk.mailbox import Mailbox
from realm.quest_names import is_own_name
from realm.strict import shown
from realm.world import PRIORITIES, World

FORCEABLE = frozenset({"duplicate", "bad-rows"})
"""Kinds of refusal of a whole quest that the player may overrule."""


class Act(StrEnum):
    HOLD = "hold"
    """It waits until it is released, whatever stands behind it."""
    RELEASE = "release"
    MOVE = "move"
    """To a priority, and there in front of another quest or behind all."""
    CANCEL = "cancel"
    """A quest that is being fought is skipped."""
    RETRY = "retry"
    """A failed or cancelled quest goes to the gatekeepers again."""
    FORCE = "force"
    """The same, and what they refused it for is let pass; a completed quest is fought once more."""
    DISCARD = "discard"
    """Delete the file of a quest that is over."""
    RECIPE = "recipe"
    """It gets a recipe of its own, or follows the realm's again."""


_BY_STATE: dict[str, tuple[Act, ...]] = {
    Quest.State.ARRIVED: (Act.CANCEL,),
    Quest.State.INSPECTED: (Act.RELEASE, Act.MOVE, Act.CANCEL),
    Quest.State.QUEUED: (Act.HOLD, Act.MOVE, Act.CANCEL),
    Quest.State.BATTLING: (Act.CANCEL,),
    Quest.State.COMPLETED: (Act.FORCE, Act.DISCARD),
    Quest.State.FAILED: (Act.RETRY, Act.DISCARD),
    Quest.State.CANCELLED: (Act.RETRY, Act.DISCARD),
}


_RECIPE_STATES = (Quest.State.INSPECTED, Quest.State.QUEUED, Quest.State.FAILED, Quest.State.CANCELLED)


def acts_for(quest: Quest) -> tuple[Act, ...]:
    """What makes sense in the quest's state."""
    over = quest.state in (Quest.State.COMPLETED, Quest.State.FAILED, Quest.State.CANCELLED)
    if over and not quest.file:  # it made room, or was taken away
        return ()
    force = (Act.FORCE,) if quest.state == Quest.State.FAILED and quest.refusal in FORCEABLE else ()
    return (*force, *_BY_STATE[quest.state])


def makes_sense(quest: Quest, act: Act) -> bool:
    """Whether the quest can be given this order now; a recipe of its own none that the guild made ever has."""
    if act in (Act.HOLD, Act.RELEASE) and quest.state == Quest.State.ARRIVED:
        return True  # the gatekeepers' answer is waited for, and then obeyed
    if act is not Act.RECIPE:
        return act in acts_for(quest)
    return bool(quest.file) and is_own_name(quest.name) and quest.state in _RECIPE_STATES


@dataclass(frozen=True, kw_only=True)
class Target:
    """Both must fit: ids are given anew where the database was rebuilt while the order waited."""

    id: int
    name: str

    @classmethod
    def of(cls, quest: Quest) -> Target:
        return cls(id=quest.pk, name=quest.name)


@dataclass(frozen=True, kw_only=True)
class QuestOrder:
    act: Act
    quests: tuple[Target, ...]
    priority: str | None = None
    before: Target | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    """The quests' own from now on, for Act.RECIPE; none: they follow the realm's."""
    confirmed_rate: float | None = None
    by: str
    carried_out: int = 0
    """Quests of the same wish that were seen to before: a long order is carried out in slices."""

    def __post_init__(self) -> None:
        if self.priority not in (None, *PRIORITIES):
            raise ValueError(f"priority {shown(self.priority)} is none of {', '.join(PRIORITIES)}")


MAILBOX = Mailbox(QuestOrder, ".quests.json", largest_bytes=32 * 1024 * 1024)


SLICE = 32
"""Quests that an order is carried out for at once; about a second's work where each file is deleted for good."""


def sliced(order: QuestOrder) -> tuple[QuestOrder, QuestOrder | None]:
    """The order for the first quests, and for all others; None where none are left."""
    rest = order.quests[SLICE:]
    behind = replace(order, quests=rest, carried_out=order.carried_out + SLICE) if rest else None
    return replace(order, quests=order.quests[:SLICE]), behind


def send(
    world: World,
    *,
    act: Act,
    quests: Sequence[Quest],
    priority: str | None = None,
    before: Quest | None = None,
    recipe: dict[str, Any] | None = None,
    confirmed_rate: float | None = None,
    by: str,
) -> Path:
    """Leave an order for the daemon; it acts within a second, or when it is next started.

    `priority` and `before` are for Act.MOVE, `recipe` and `confirmed_rate` for
    Act.RECIPE. Raises ValueError for a priority that is none.
    """
    order = QuestOrder(
        act=act,
        quests=tuple(map(Target.of, quests)),
        priority=priority,
        before=Target.of(before) if before else None,
        recipe=recipe or {},
        confirmed_rate=confirmed_rate,
        by=by,
    )
    return MAILBOX.leave(world, order, label=act)

"""The board's buttons, read from a form and handed to the daemon as orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict

from arena import orders, quest_orders
from arena.models import Quest
from arena.orders import Wish
from arena.quest_orders import Act
from realm import strict
from realm.world import PRIORITIES, World
from tavern.quests.board import KINDS, quests_of

PLACES = ("up", "down", "top")
MOVE = "move"
"""To the lane `priority`, in front of the quest `before` or behind all; what a drag and the arrow buttons send."""
RESUME = "resume"
"""Not of a quest: the arena goes on from its rest."""
BY = "quest board"


class BadOrder(ValueError):
    """A form that no button of ours sends."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was asked, for the player."""

    text: str
    urgent: bool = False


def give(world: World, form: QueryDict) -> Given:
    """Carry a form's order to the daemon. Raises BadOrder."""
    verb, _, number = form.get("do", "").partition(" ")
    if verb == RESUME:
        orders.send(world, wish=Wish.RESUME, by=BY)
        return Given(text="Asked: resume. Battles go on.")
    quests = [_quest(number)] if number else _chosen(form)
    if not quests:
        return Given(text="No quest is chosen, or they are all gone already.", urgent=True)
    if verb in (*PRIORITIES, *PLACES, MOVE):
        return _move(world, verb, quests, form)
    if verb not in list(Act):
        raise BadOrder(f"{verb!r} is no order")
    return _send(world, Act(verb), quests)


def _chosen(form: QueryDict) -> list[Quest]:
    """The ticked quests in the order of the queue, or all of a list."""
    if form.get("all_of"):
        if form["all_of"] not in KINDS:
            raise BadOrder(f"{form['all_of']!r} is no list")
        return list(quests_of(KINDS[form["all_of"]], form.get("q", "").strip()))
    found = {quest.pk: quest for quest in Quest.objects.filter(pk__in=map(_number, form.getlist("quest")))}
    return [found[pk] for pk in dict.fromkeys(map(_number, form.getlist("quest"))) if pk in found]


def _quest(text: str) -> Quest:
    quest = Quest.objects.filter(pk=_number(text)).first()
    if quest is None:
        raise BadOrder("that quest is no longer known")
    return quest


def _number(text: str) -> int:
    number = strict.whole_number(text)
    if number is None:
        raise BadOrder(f"{text[:40]!r} is no quest's number")
    return number


def _move(world: World, verb: str, quests: Sequence[Quest], form: QueryDict) -> Given:
    if verb in PRIORITIES:
        return _send(world, Act.MOVE, quests, priority=verb)
    if verb == MOVE:
        priority = form.get("priority", "")
        if priority not in PRIORITIES:
            raise BadOrder(f"{priority!r} is no priority")
        before = _quest(form.get("before", "")) if form.get("before") else None
        return _send(world, Act.MOVE, quests, priority=priority, before=before)
    (quest,) = quests[:1]
    lane = list(quests_of(KINDS[quest.priority]))
    if quest not in lane:
        raise BadOrder(f"{quest.name} does not wait in a lane")
    return _send(world, Act.MOVE, [quest], priority=quest.priority, before=_neighbour(lane, quest, verb))


def _neighbour(lane: list[Quest], quest: Quest, verb: str) -> Quest | None:
    """The one in front of which the quest goes; None behind all others."""
    at = lane.index(quest)
    if verb == "down":
        return lane[at + 2] if at + 2 < len(lane) else None
    goal = 0 if verb == "top" else max(0, at - 1)
    return lane[goal] if goal != at else (lane[1] if len(lane) > 1 else None)


def _send(
    world: World, act: Act, quests: Sequence[Quest], *, priority: str | None = None, before: Quest | None = None
) -> Given:
    able = [quest for quest in quests if act in quest_orders.acts_for(quest)]
    left = len(quests) - len(able)
    left_out = f" {left} left out: it makes no sense in their state." if left else ""
    if not able:
        return Given(text=f"Nothing to {act}: it makes no sense in the state they are in.", urgent=True)
    quest_orders.send(world, act=act, quests=able, priority=priority, before=before, by=BY)
    whom = able[0].name if len(able) == 1 else f"{len(able)} quests"
    goal = f" to {priority}" if priority else ""
    verb = "fight" if act is Act.FORCE else act
    return Given(text=f"Asked: {verb} {whom}{goal}.{left_out}")

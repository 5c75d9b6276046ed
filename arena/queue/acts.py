"""Carries out what the player wishes of quests; only the daemon calls this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from arena import chronicle
from arena.gate import report as reports
from arena.gate.report import Wishes
from arena.models import Battle, Quest
from arena.profiles import quest_recipe
from arena.quest_orders import Act, QuestOrder, Target, makes_sense
from arena.queue import files as queue
from arena.queue import lane_order, ticket
from arena.rows import lines
from realm.world import World

OVER = (Quest.State.COMPLETED, Quest.State.FAILED, Quest.State.CANCELLED)
CANCELLED = "cancelled by the player"
_TOLD = {
    Act.HOLD: ("quest_held", "on hold"),
    Act.RELEASE: ("quest_released", "released"),
    Act.MOVE: ("quest_moved", "moved"),
    Act.CANCEL: ("quest_cancelled", "cancelled"),
    Act.RETRY: ("quest_retried", "sent to the gatekeepers again"),
    Act.FORCE: ("quest_retried", "sent to the gatekeepers again, who let pass what they refused"),
    Act.DISCARD: ("quest_discarded", "deleted"),
    Act.RECIPE: ("quest_recipe", "given another recipe"),
}
KINDS = (*{kind for kind, _ in _TOLD.values()}, "order_refused")
"""Of the chronicle's entries that tell what became of an order."""


@dataclass(frozen=True)
class Context:
    """What carrying out an order may need of the daemon."""

    world: World
    skip: Callable[[Quest], None]
    """End the battle of this quest and go on with the next one."""
    again: dict[int, Path] = field(default_factory=dict)
    """By completed quest the file in the inbox that was last made of it, to be fought once more."""


def carry_out(context: Context, order: QuestOrder, *, is_last: bool = True) -> None:
    """Quests that are gone, or in a state in which the order makes no sense any more, are told and passed over.

    What was done is told with the last slice of an order.
    """
    quests, missed = [], []
    for target in dict.fromkeys(order.quests):
        quest = _find(target)
        if quest is None:
            missed.append(f"{target.name}: there is no such quest any more")
        elif order.act == Act.FORCE and (coming := _coming_again(context, quest)):
            missed.append(f"{quest.name} comes again already, as {coming}")
        elif not makes_sense(quest, order.act):
            missed.append(f"{quest.name} is {quest.get_state_display().lower()}: {order.act} makes no sense")
        else:
            quests.append(quest)
    if quests:
        _ACTS[order.act](context, quests, order)
    if is_last and (quests or order.carried_out):
        _tell(order, quests)
    if missed:
        rest = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        chronicle.say("order_refused", f"{missed[0]}{rest}", act=order.act)


def _coming_again(context: Context, quest: Quest) -> str:
    """The name under which a completed quest is on its way to be fought once more; empty where it is not."""
    added = context.again.get(quest.pk)
    if added is None:
        return ""
    name = lines.stem_of(added.name)
    on_its_way = added.exists() or Quest.objects.filter(name=name).exclude(state__in=OVER).exists()
    return name if on_its_way else ""


def _find(target: Target) -> Quest | None:
    return Quest.objects.filter(pk=target.id, name=target.name).first()


def _tell(order: QuestOrder, quests: Sequence[Quest]) -> None:
    kind, what = _TOLD[order.act]
    if order.act == Act.RECIPE:
        given = quest_recipe.said(order.recipe)
        what = f"to be trained by {given}" if given else "to be trained by the realm's recipe"
    if order.act == Act.MOVE:
        what = f"moved to {quests[0].priority if quests else order.priority}"
    count = order.carried_out + len(quests)
    who = quests[0].name if count == 1 else f"{count:,} quests"
    verb = "is" if count == 1 else "are"
    told: dict[str, Any] = {"quest": quests[0].name} if count == 1 else {}
    chronicle.say(kind, f"{who} {verb} {what}", ids=[quest.pk for quest in quests if quest.pk][:1000], **told)


def _hold(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    _set_hold(context.world, quests, held=True)


def _release(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    _set_hold(context.world, quests, held=False)


def _set_hold(world: World, quests: Sequence[Quest], *, held: bool) -> None:
    """Written beside each file first, so that it holds also where the rows are lost."""
    for quest in quests:
        path = queue.path_of(world, quest)
        reports.write_wishes(path, replace(reports.read_wishes(path), hold=held))
    state = Quest.State.INSPECTED if held else Quest.State.QUEUED
    looked_at = [quest.pk for quest in quests if quest.state != Quest.State.ARRIVED]
    Quest.objects.filter(pk__in=looked_at).update(state=state)


def _move(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    """The moved ones stand together, in the order they were named, in front of `before` or behind all."""
    priority = order.priority or quests[0].priority
    for quest in quests:
        if quest.priority != priority:
            queue.change_lane(context.world, quest, priority)
    moved = {quest.pk for quest in quests}
    lane = queue.in_order(Quest.objects.filter(priority=priority, state__in=queue.WAITING))
    others = [quest for quest in lane if quest.pk not in moved]
    before = order.before and _find(order.before)
    place = next((index for index, quest in enumerate(others) if before and quest.pk == before.pk), len(others))
    arranged = [*others[:place], *quests, *others[place:]]
    lane_order.write_lane(context.world, priority, [queue.path_of(context.world, quest).name for quest in arranged])
    for position, quest in enumerate(arranged, 1):
        quest.position = position
    Quest.objects.bulk_update(arranged, ["position"], batch_size=500)


def _cancel(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    for quest in quests:
        if quest.state == Quest.State.BATTLING:
            context.skip(quest)
        else:
            queue.cancel(context.world, quest, CANCELLED)


def _retry(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    for quest in quests:
        queue.look_again(context.world, quest)


def _force(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    for quest in quests:
        path = queue.path_of(context.world, quest)
        if quest.state == Quest.State.COMPLETED:
            wishes = Wishes(force=True, confirmed_rate=reports.read_wishes(path).confirmed_rate)
            beside = reports.companion(path, reports.RECIPE)
            recipe = beside.read_bytes() if beside.is_file() else b""
            context.again[quest.pk] = queue.add_file(
                context.world, path, priority=quest.priority, wishes=wishes, recipe=recipe,
                ticket=ticket.new(name=path.name, by=order.by).encoded(),
            )  # fmt: skip
        else:
            reports.write_wishes(path, replace(reports.read_wishes(path), force=True))
            queue.look_again(context.world, quest)


def _recipe(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    """One that waits is looked at again: other rows may fit, and there are other steps."""
    for quest in quests:
        path = queue.path_of(context.world, quest)
        quest_recipe.write_beside(path, order.recipe)
        reports.write_wishes(path, replace(reports.read_wishes(path), confirmed_rate=order.confirmed_rate))
        if quest.state in queue.WAITING:
            held = quest.state == Quest.State.INSPECTED
            reports.write_wishes(path, replace(reports.read_wishes(path), hold=held))
            queue.look_again(context.world, quest)


def _discard(context: Context, quests: Sequence[Quest], order: QuestOrder) -> None:
    fought = set(Battle.objects.filter(quest__in=quests).values_list("quest_id", flat=True))
    for quest in quests:
        queue.delete_file(context.world, quest)
        if quest.pk not in fought and quest.state != Quest.State.COMPLETED:
            quest.delete()


_ACTS: dict[Act, Callable[[Context, Sequence[Quest], QuestOrder], None]] = {
    Act.HOLD: _hold,
    Act.RELEASE: _release,
    Act.MOVE: _move,
    Act.CANCEL: _cancel,
    Act.RETRY: _retry,
    Act.FORCE: _force,
    Act.DISCARD: _discard,
    Act.RECIPE: _recipe,
}

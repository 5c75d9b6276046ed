"""What the gatekeepers found decides: a quest waits in the queue, is held for the player, or goes to `failed/`."""

from __future__ import annotations

import os
from pathlib import Path

from django.db import transaction

from arena import chronicle
from arena.gate import report as reports
from arena.gate.messages import Answer, state_of
from arena.gate.report import Report
from arena.gate.rules import GateRules
from arena.models import Quest
from arena.queue import files as queue
from realm.quest_names import is_forged_name
from realm.world import World

ALIVE = (Quest.State.INSPECTED, Quest.State.QUEUED, Quest.State.BATTLING, Quest.State.COMPLETED)
"""States in which the same content is not taken a second time."""


def settle(world: World, quest: Quest, answer: Answer, rules: GateRules) -> None:
    """`quest` is the row of the file that was looked at. One that changed meanwhile stays to be looked at again."""
    path = queue.path_of(world, quest)
    if not os.path.lexists(path):
        queue.forget(quest, "its file is gone from the queue")
        return
    if answer.report is None:
        if not answer.seen or tuple(answer.seen) == state_of(path):
            _refuse(world, quest, answer.unreadable, kind=answer.kind or "unreadable")
        return
    if tuple(answer.seen) != state_of(path):
        return
    report, wishes = answer.report, reports.read_wishes(path)
    queue.take_over(quest, report)
    twin = None if wishes.force or wishes.repeated else _twin(world, report.sha256, quest)
    if twin:
        reason = f"the same content as {twin.name}, which is {twin.get_state_display().lower()}"
        _refuse(world, quest, reason, kind="duplicate")
    elif report.fault:
        _refuse(world, quest, report.fault.reason, kind=report.fault.kind, line=report.fault.line)
    else:
        _accept(world, quest, report, held=wishes.hold or _is_held(quest, report, rules))


def refuse_recipe(world: World, quest: Quest, reason: str) -> None:
    """A quest whose own recipe cannot be; mended, it may be retried."""
    _refuse(world, quest, reason, kind="recipe")


def misses_rows(path: Path) -> bool:
    """Whether rows were left out of the quest at `path` for a quest that will never train them either."""
    report = reports.read_report(path)
    owners = set(report.copied_from) if report else set()
    alive = Quest.objects.filter(sha256__in=owners, state__in=ALIVE).values_list("sha256", flat=True)
    return not owners <= set(alive)


def _twin(world: World, sha256: str, quest: Quest) -> Quest | None:
    others = Quest.objects.filter(sha256=sha256, state__in=ALIVE).exclude(pk=quest.pk)
    return next((other for other in others if not _was_taken_away(world, other)), None)


def _was_taken_away(world: World, quest: Quest) -> bool:
    """A waiting file that the player renamed or moved to another lane is no twin of itself."""
    return quest.state in queue.WAITING and not os.path.lexists(queue.path_of(world, quest))


def _is_held(quest: Quest, report: Report, rules: GateRules) -> bool:
    """By the settings; what the guild forges is never held."""
    if is_forged_name(quest.name):
        return False
    return rules.hold == "always" or (rules.hold == "warned" and not report.spotless)


def _refuse(world: World, quest: Quest, reason: str, *, kind: str, line: int = 0) -> None:
    quest.save()  # by its digest a file that was moved just before a kill is found again
    with transaction.atomic():
        queue.fail(world, quest, reason, kind=kind, line=line)
        queue.tell_refusal(quest, line=line)


def _accept(world: World, quest: Quest, report: Report, *, held: bool) -> None:
    quest.state = Quest.State.INSPECTED if held else Quest.State.QUEUED
    held_out = f", {report.held_out} held out" if report.held_out else ""
    refused = f", {report.refused_count} refused" if report.refused_count else ""
    waits = "; it waits for your word" if held else ""
    with transaction.atomic():
        quest.save()
        chronicle.say(
            "quest_arrived",
            f"A quest arrived: {quest.name}, {quest.taken} rows{held_out}{refused}{waits}",
            quest=quest.name,
            id=quest.pk,
            rows=quest.rows,
            taken=quest.taken,
            refused=report.refused_count,
            priority=quest.priority,
            held=held,
        )

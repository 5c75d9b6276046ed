"""Achievements of training: steps, levels, how long and when, and what went wrong on the way."""

from __future__ import annotations

from arena import steps
from arena.models import ChronicleEntry
from arena.protocol import EventKind
from realm.xp_and_gold import GOLD_PER_QUEST, XP_PER_LEVEL
from watchtower.achievements.past import NOTHING, Past, Reading
from watchtower.achievements.record import Proof

_MOST_BATTLES = 20
"""Looked into for the longest one."""
_PATIENT_HOURS, _SPRINT_SECONDS = 6, 300
_NIGHT_ENDS = 5
_NEAR = 0.05


def first_blood(past: Past) -> Reading:
    for battle in past.battles[:_MOST_BATTLES]:
        if len(first := steps.read(steps.path_of(past.world, battle.battle_id), 0, 1)):
            said = f"The first step: loss {float(first['loss'][0]):.4g} in {battle.quest.name}"
            return Reading(value=1, proof=_of_step(first, battle.battle_id, said))
    return NOTHING


def level(past: Past, goal: float) -> Reading:
    """By the entry that told of it; where that is no longer kept, by the oldest checkpoint that is so far."""
    xp = past.xp
    if xp < goal:
        return Reading(value=xp)
    wanted = int(goal) // XP_PER_LEVEL
    told = next((one for one in past.entries("hero_level_up") if one.data.get("level", 0) >= wanted), None)
    if told:
        return Reading(value=xp, proof=past.proof(told))
    row = past.checkpoints.filter(step__gte=goal).first()
    return Reading(value=xp, proof=past.proof_by(row, f"Checkpoint {row.step:,} is level {wanted}") if row else None)


def marathon(past: Past, goal: float) -> Reading:
    longest = 0
    for battle in past.battles.order_by("-total_steps")[:_MOST_BATTLES]:
        path = steps.path_of(past.world, battle.battle_id)
        count = steps.count(path)
        if not len(last := steps.read(path, max(0, count - 1), count)):
            continue
        longest = max(longest, int(last["quest_step"][0]))
        if longest >= goal:
            said = f"{longest:,} steps in {battle.quest.name}"
            return Reading(value=longest, proof=_of_step(last, battle.battle_id, said))
    return Reading(value=longest)


def night_watch(past: Past) -> Reading:
    def at_night(entry: ChronicleEntry) -> bool:
        return entry.time.astimezone().hour < _NIGHT_ENDS

    return past.count(EventKind.CHECKPOINT_SAVED, 1, at_night)


def exorcist(past: Past) -> Reading:
    for fault in past.entries(EventKind.FAULT, data__fault="non_finite"):
        after = {"source": fault.source, "source_seq__gt": fault.source_seq}
        if saved := next(past.entries(EventKind.CHECKPOINT_SAVED, **after), None):
            return Reading(value=1, proof=past.proof(saved))
    return NOTHING


def phoenix(past: Past) -> Reading:
    """By the battle in which it died; older entries do not name it."""
    for died in past.entries("trainer_died", "trainer_hung"):
        same = {"source": battle} if (battle := died.data.get("battle")) else {}
        if risen := next(past.entries(EventKind.BATTLE_RESUMED, time__gte=died.time, **same), None):
            return Reading(value=1, proof=past.proof(risen))
    return NOTHING


def patient(past: Past) -> Reading:
    """By the seconds of its steps: rest is no patience of the hero's."""
    longest = 0.0
    ended = past.battles.filter(state="completed", ended_at__isnull=False).order_by("-total_steps")
    for name, quest, began, end in ended.values_list("battle_id", "quest__name", "started_at", "ended_at"):
        if (end - began).total_seconds() <= longest * 3600:
            continue
        path = steps.path_of(past.world, name)
        records = steps.read(path, 0, steps.count(path))
        longest = max(longest, float(records["step_seconds"].sum(dtype="f8")) / 3600)
        if longest >= _PATIENT_HOURS:
            said = f"{quest} took {longest:.1f} hours of training"
            return Reading(value=longest, proof=_of_step(records[-1:], name, said))
    return Reading(value=round(longest, 2))


def sprinter(past: Past) -> Reading:
    begun: dict[str, float] = {}
    for entry in past.entries(EventKind.BATTLE_STARTED, EventKind.BATTLE_COMPLETED):
        if entry.kind == EventKind.BATTLE_STARTED:
            begun[entry.source] = entry.time.timestamp()
        elif entry.time.timestamp() - begun.get(entry.source, 0.0) < _SPRINT_SECONDS and _is_short(past, entry.source):
            return Reading(value=1, proof=past.proof(entry))
    return NOTHING


def _is_short(past: Past, battle: str) -> bool:
    """By its steps as well: a clock that was set back makes no sprinter."""
    path = steps.path_of(past.world, battle)
    records = steps.read(path, 0, steps.count(path))
    return float(records["step_seconds"].sum(dtype="f8")) < _SPRINT_SECONDS


def quests(past: Past, goal: float) -> Reading:
    return past.count("quest_completed", int(goal))


def gold(past: Past, goal: float) -> Reading:
    found = past.count("quest_completed", int(goal) // GOLD_PER_QUEST)
    return Reading(value=found.value * GOLD_PER_QUEST, proof=found.proof)


def quartermaster(past: Past) -> Reading:
    near = {"data__measured__memory_error__gte": -_NEAR, "data__measured__memory_error__lte": _NEAR}
    told = next(past.entries(EventKind.BATTLE_COMPLETED, **near), None)
    return Reading(value=1, proof=past.proof(told)) if told else NOTHING


def _of_step(record: steps.Records, battle: str, said: str) -> Proof:
    return Proof(at=float(record["time"][0]), said=said, battle=battle, step=int(record["step"][0]))

"""What a quest of the player's taught and what it cost: its held-out loss, levels won before, and earlier quests.

Written into the battle's folder and beside the completed quest, and told once, as soon as all of it is known: where a
host evaluates, that may be long after the battle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import transaction

from arena import chronicle
from arena.daemon import battles
from arena.gate import report as reports
from arena.models import Battle, ChronicleEntry
from arena.protocol import EvaluationSet, EventKind, Order
from arena.queue import files as queue
from guild.curriculum.plan import read_curriculum
from guild.errors import GuildError
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.taught import won_levels
from guild.models import Evaluation, EvaluationTask
from realm.config import RealmConfig
from realm.disk import durable
from realm.quest_names import is_own_name
from realm.strict import BadConfig
from realm.world import World

KIND = "quest_outcome"
PENDING_FILE = "outcome.pending"
"""In the folder of a battle whose outcome is not known yet."""
_KEYS = {"held_out_loss", "levels", "earlier_quests"}
_WAITS = (EvaluationTask.State.WAITING, EvaluationTask.State.ANSWERING)


def levels_to_ask(world: World, config: RealmConfig, quest: str, skill: str) -> tuple[EvaluationSet, ...]:
    """Every level won so far, where the quest is the player's. A guild in trouble costs this, not the battle."""
    if not is_own_name(quest):
        return ()
    try:
        won = won_levels(world, config.hero, read_curriculum(config), fought=skill or None)
    except (GuildError, BadConfig) as error:
        chronicle.say("guild_trouble", str(error))
        return ()
    return tuple(EvaluationSet(**(asdict(file) | {"path": str(file.path)})) for file in won)


def not_evaluated(hero: str, checkpoint: str | None, asked: Iterable[EvaluationSet]) -> tuple[EvaluationSet, ...]:
    """Those that this checkpoint has not answered yet; none where there is no checkpoint."""
    if checkpoint is None:
        return ()
    known = set(Evaluation.objects.filter(hero=hero, checkpoint=checkpoint).values_list("skill", "level"))
    return tuple(one for one in asked if (one.skill, one.level) not in known)


def enqueue(hero: str, checkpoint: str, step: int, asked: Iterable[EvaluationSet], *, branch: str) -> None:
    for one in asked:
        evaluation_queue.enqueue(
            hero=hero, checkpoint=checkpoint, step=step, skill=one.skill, level=one.level, branch=branch
        )


def completed(world: World, battle: Battle) -> None:
    """Settle the outcome of a battle whose completion was just taken in, or note that it is to come."""
    if not is_own_name(battle.quest.name):
        return
    try:
        order = Order.read(battles.order_path(world, battle))
    except (OSError, ValueError):
        return  # without it nobody knows what was to be compared
    done = _entry(battle, EventKind.BATTLE_COMPLETED)
    if order.evaluated_by == "queue" and done.data.get("checkpoint"):
        enqueue(battle.hero, done.data["checkpoint"], done.step, order.outcome_sets, branch=order.branch)
    if not _settle(world, battle, order):
        durable.write_bytes(world.battles / battle.battle_id / PENDING_FILE, b"")


class Outcomes:
    """Those that are not known yet; they are asked for again at each look."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: list[Path] | None = None

    def doubt(self) -> None:
        """Look anew which ones are to come."""
        self._pending = None

    def look(self) -> bool:
        if self._pending is None:
            self._pending = sorted(self._world.battles.glob(f"*/{PENDING_FILE}"))
        settled = [path for path in self._pending if self._is_settled(path)]
        for path in settled:
            path.unlink(missing_ok=True)
            self._pending.remove(path)
        return bool(settled)

    def _is_settled(self, path: Path) -> bool:
        battle = Battle.objects.filter(battle_id=path.parent.name).select_related("quest").first()
        if battle is None or battle.state != Battle.State.COMPLETED:
            return False
        try:
            order = Order.read(battles.order_path(self._world, battle))
        except (OSError, ValueError):
            return True
        with transaction.atomic():
            return _settle(self._world, battle, order)


def _settle(world: World, battle: Battle, order: Order) -> bool:
    """Whether the outcome is told and written; False while an answer is waited for."""
    parent = _entry(battle, EventKind.BATTLE_STARTED).data.get("checkpoint")
    done = _entry(battle, EventKind.BATTLE_COMPLETED)
    last = done.data.get("checkpoint")
    asked = {(one.skill, one.level) for one in order.outcome_sets}
    waits = EvaluationTask.objects.filter(hero=battle.hero, checkpoint__in=(parent, last), state__in=_WAITS)
    if asked & set(waits.values_list("skill", "level")):
        return False
    settled = world.battles / battle.battle_id / reports.OUTCOME
    outcome = _settled(settled)
    if outcome is None:
        losses = _losses(battle, order, early_stop=done.data.get("early_stop"))
        outcome = losses | {"levels": _levels(battle.hero, order, parent, last)}
        durable.write_json(settled, outcome)
    path = queue.path_of(world, battle.quest)
    if battle.quest.file and path.exists():
        durable.write_json(reports.companion(path, reports.OUTCOME), outcome)
    ChronicleEntry.objects.get_or_create(
        source=f"{battle.battle_id}:{KIND}",
        source_seq=done.source_seq,
        defaults={
            "kind": KIND,
            "time": done.time,
            "step": done.step,
            "message": f"{battle.quest.name}: {in_words(outcome)}"[:500],
            "data": outcome | {"quest": battle.quest.name, "battle": battle.battle_id},
        },
    )
    return True


def _settled(path: Path) -> dict[str, Any] | None:
    """What was settled before: a database that was made anew may know less of it. None where it was not."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= _KEYS else None


def _entry(battle: Battle, kind: EventKind) -> ChronicleEntry:
    """The newest of this kind that its trainer said, or one that says nothing."""
    said = ChronicleEntry.objects.filter(source=battle.battle_id, kind=kind)
    return said.order_by("source_seq").last() or ChronicleEntry(source_seq=0, time=battle.started_at, data={})


def _losses(battle: Battle, order: Order, *, early_stop: dict[str, Any] | None) -> dict[str, Any]:
    """A battle that was stopped early leaves the hero as it was at its best step, not as it was scored last."""
    said = ChronicleEntry.objects.filter(source=battle.battle_id, kind=EventKind.VALIDATED).order_by("source_seq")
    scored = [(step, data) for step, data in said.values_list("step", "data") if data.get("losses")]
    first: dict[str, Any] = next((data for _, data in scored if data.get("quest_step") == 0), {})
    kept = [data for step, data in scored if step == early_stop["best_step"]] if early_stop else []
    last: dict[str, Any] = next(iter(kept), next((data for _, data in reversed(scored) if data.get("quest_step")), {}))
    own = {scored.name for scored in order.validation_sets if scored.always}
    before, after, sets = first.get("losses", {}), last.get("losses", {}), last.get("sets", {})
    alike = {
        name: {"before": before[name], "after": after[name], "rows": sets[name]["rows"]}
        for name in before.keys() & after.keys()
        if name.startswith("quest/") and first["sets"][name] == sets[name]
    }
    return {
        "held_out_loss": next((alike[name] for name in own if name in alike), None),
        "earlier_quests": {name.removeprefix("quest/"): alike[name] for name in sorted(alike) if name not in own},
    }


def _levels(hero: str, order: Order, parent: str | None, last: str | None) -> dict[str, dict[str, dict[str, Any]]]:
    rows = Evaluation.objects.filter(hero=hero, checkpoint__in=(parent, last))
    accuracy = {(row.checkpoint, row.skill, row.level): row.accuracy for row in rows}
    levels: dict[str, dict[str, dict[str, Any]]] = {}
    for one in order.outcome_sets:
        levels.setdefault(one.skill, {})[str(one.level)] = {
            "before": accuracy.get((parent or "", one.skill, one.level)),
            "after": accuracy.get((last or "", one.skill, one.level)),
        }
    return levels


def in_words(outcome: dict[str, Any]) -> str:
    """One line: `held-out loss 2.31 → 1.74 on 40 rows; BIN 1 96% → 92%`."""
    own = outcome["held_out_loss"]
    said = [f"held-out loss {_change(own, '.2f')} on {own['rows']} rows"] if own else []
    for skill, levels in outcome["levels"].items():
        said += [f"{skill.upper()} {level} {_change(both, '.0%')}" for level, both in levels.items()]
    said += [f"{name} {_change(both, '.2f')}" for name, both in outcome["earlier_quests"].items()]
    return "; ".join(said) or "nothing to compare: no row is held out of it, and no level was won before"


def _change(both: dict[str, Any], form: str) -> str:
    before, after = (format(value, form) if value is not None else "?" for value in (both["before"], both["after"]))
    return f"{before} → {after}"

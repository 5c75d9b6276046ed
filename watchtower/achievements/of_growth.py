"""Achievements of what the hero became: its stats, champions, levels, data sets and recipes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from arena.models import ChronicleEntry
from arena.protocol import ORDER_FILE, Order
from guild.models import Evaluation
from guild.selectors import curriculum_accuracy
from guild.tasks import state as task_state
from realm.disk.stamps import Stamp, stamp
from vault.models import Checkpoint, HistoryEntry
from watchtower import strength
from watchtower.achievements.past import NOTHING, Past, Reading
from watchtower.achievements.record import Proof

_SMALL_RANK = 4
_LARGE_SET = 20
_MOST_TRIED = 20
"""Checkpoints whose ATK is worked out, among those whose own loss is low enough."""
_MOST_BATTLES = 2000
"""The oldest, whose orders are read for what they were trained with."""
_LABOURS = ("generate_", "sparring_")
"""Tasks that do something for the hero; to look after the machine is no bird's work."""
_BY_A_RULE = ("arena", "taskmaster", "vault")


def attack(past: Past, goal: float) -> Reading:
    """As the card shows it: by the mean loss of the last steps up to a checkpoint."""
    newest = past.newest
    if newest is None:
        return NOTHING
    low = past.checkpoints.filter(train_loss__gt=0, train_loss__lte=100 / goal)[:_MOST_TRIED]
    for row in [*low, newest]:
        if (reached := _attack_at(past, row)) >= goal:
            return Reading(value=reached, proof=past.proof_by(row, f"Checkpoint {row.step:,} has ATK {reached:.1f}"))
    return Reading(value=_attack_at(past, newest))


def _attack_at(past: Past, row: Checkpoint) -> float:
    found = strength.attack(past.world, row)
    return round(100 * (found.inverse or 0.0), 1) if found else 0.0


def defense(past: Past, goal: float) -> Reading:
    scored = past.checkpoints.filter(val_loss__gt=0, val_set__isnull=False)
    row = scored.filter(val_loss__lte=100 / goal).first()
    now = strength.defense(past.world, past.hero)
    value = round(100 * (now.inverse or 0.0), 1) if now else 0.0
    if row is None:
        return Reading(value=value)
    reached = 100 / row.val_loss
    return Reading(value=reached, proof=past.proof_by(row, f"Checkpoint {row.step:,} has DEF {reached:.1f}"))


def accuracy(past: Past, goal: float) -> Reading:
    """The newest evaluation that counts as the hero's ACC; of the past, any of a set that is large enough."""
    now = curriculum_accuracy(past.hero)
    for row in Evaluation.objects.filter(hero=past.hero, total__gte=_LARGE_SET).order_by("evaluated_at", "id"):
        if 100 * row.accuracy >= goal:
            return Reading(value=100 * row.accuracy, proof=_of_evaluation(past, row))
    return Reading(value=round(100 * now[0], 1) if now else 0)


def _of_evaluation(past: Past, row: Evaluation) -> Proof:
    said = f"{row.skill.upper()} level {row.level}: {row.correct} of {row.total} right"
    digest = past.checkpoints.filter(name=row.checkpoint).values_list("sidecar_sha256", flat=True).first()
    return Proof(
        at=row.evaluated_at.timestamp(), said=said, step=row.step, checkpoint=row.checkpoint, sha256=digest or ""
    )


def champions(past: Past, goal: float) -> Reading:
    return past.count("new_champion", int(goal))


def checkpoints(past: Past, goal: float) -> Reading:
    return past.count("checkpoint_saved", int(goal))


def deleted(past: Past, goal: float) -> Reading:
    """By somebody's word; what a rule or a task removes is not counted."""
    name = rf"^[a-z]+_[0-9]+_{past.hero}_[0-9]+-[0-9]+$"
    mine = HistoryEntry.objects.filter(action="delete", asset_id__regex=name).exclude(by__in=_BY_A_RULE)
    rows = list(mine.order_by("seq")[: int(goal)])
    if len(rows) < goal:
        return Reading(value=len(rows))
    last = rows[-1]
    said = f"{last.asset_id} was deleted by {last.by}: line {last.seq} of the vault's chronicle"
    return Reading(value=len(rows), proof=Proof(at=last.time.timestamp(), said=said))


def data_sets(past: Past, goal: float) -> Reading:
    """Of the player's own, told apart by their content."""
    own = past.battles.filter(quest__state="completed", quest__skill="").values_list("battle_id", "quest__sha256")
    content, seen = dict(own), set()
    if len(set(content.values())) < goal:
        return Reading(value=len(set(content.values())))
    for entry in past.entries("quest_completed"):
        seen.add(content.get(str(entry.data.get("battle"))))
        if len(seen - {None}) >= goal:
            return Reading(value=goal, proof=past.proof(entry))
    return Reading(value=len(seen - {None}))


def scheduled(past: Past) -> Reading:
    done = [
        (state.last, name)
        for name, state in task_state.read(past.world).tasks.items()
        if name.startswith(_LABOURS) and state.last and state.last.by == "task master" and state.last.outcome == "ok"
    ]
    if not done:
        return NOTHING
    run, name = min(done, key=lambda each: each[0].ended_at)
    return Reading(value=1, proof=Proof(at=run.ended_at, said=f"The Task Master completed {name}"))


def rates(past: Past, goal: float) -> Reading:
    """Learning rates of the battles' recipes."""
    seen: set[float] = set()
    for battle in past.battles[:_MOST_BATTLES]:
        trained = _trained(past.world.battles / battle.battle_id / ORDER_FILE)
        if trained is None:
            continue
        seen.add(trained.rate)
        if len(seen) >= goal:
            said = f"{battle.quest.name} is trained at {trained.rate:g}, after {len(seen) - 1} other rates"
            at = battle.started_at.timestamp()
            return Reading(value=len(seen), proof=Proof(at=at, said=said, battle=battle.battle_id))
    return Reading(value=len(seen))


def small_adapter(past: Past) -> Reading:
    battles = dict(past.checkpoints.exclude(battle="").values_list("name", "battle"))

    def is_small(entry: ChronicleEntry) -> bool:
        battle = battles.get(str(entry.data.get("name")))
        trained = _trained(past.world.battles / battle / ORDER_FILE) if battle else None
        return bool(trained and trained.mode != "full" and trained.rank <= _SMALL_RANK)

    return past.count("new_champion", 1, is_small)


@dataclass(frozen=True, kw_only=True)
class _Trained:
    rate: float
    mode: str
    rank: int


def _trained(path: Path) -> _Trained | None:
    """What a battle is trained with; its order is written anew as long as nothing was trained."""
    return _read(path, stamp(path))


@cache
def _read(path: Path, written: Stamp | None) -> _Trained | None:
    try:
        recipe = Order.read(path).recipe
    except (OSError, ValueError):
        return None
    return _Trained(rate=recipe.learning_rate, mode=recipe.mode, rank=recipe.lora_rank)

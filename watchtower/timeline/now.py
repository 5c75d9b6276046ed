"""What the realm does at this moment, or why it does nothing, in words that do not change while that lasts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from arena import selectors
from arena import status as arena_status
from arena.models import Battle, ChronicleEntry, Quest
from arena.orders import Wish
from arena.protocol import EventKind
from arena.status import ArenaStatus
from guild.models import EvaluationTask, Run
from guild.tasks.selectors import master_status
from realm import config as realm_config
from realm.config import RealmConfig
from realm.staleness import is_fresh
from realm.strict import BadConfig
from realm.weaver import WeaverError, verbs
from realm.weaver.services import ARENA
from realm.world import World
from vault.models import Job
from watchtower.timeline.spans import Kind

BETWEEN_STEPS_SECONDS = 15.0
"""A battle whose newest step is older does something else: it answers, scores or saves."""
_SLOW_STEPS = 3.0
"""So many times a step's own duration is no pause either."""
_BETWEEN = (EventKind.CHECKPOINT_SAVED, EventKind.VALIDATED, EventKind.ANSWERED)
_GAVE_UP = "the arena's daemon does not run: it ended again and again, and the weaver gave it up; see its log"
_STOPPED = "the arena's daemon does not run: it was stopped"


@dataclass(frozen=True, kw_only=True)
class Activity:
    kind: Kind
    why: str = ""
    quest: str = ""
    battle: str = ""


def look(world: World, config: RealmConfig, now: float | None = None) -> Activity:
    """The one activity that says most: a battle before what is done beside it. Raises DatabaseError, OSError."""
    now = time.time() if now is None else now
    arena = arena_status.read_status(world)
    if not arena.alive:
        return Activity(kind=Kind.OFF, why=_why_off(world, config))
    if arena.starts:
        return Activity(kind=Kind.PREPARING, why="the arena's daemon starts")
    if not is_fresh(arena.time, now):
        return Activity(kind=Kind.HUNG, why="the arena's daemon lives and says nothing", quest=arena.quest or "")
    if arena.state == "training":
        return _in_battle(world, arena, now)
    return _without_battle(world, arena)


def _in_battle(world: World, arena: ArenaStatus, now: float) -> Activity:
    battle = Battle.objects.filter(battle_id=arena.battle or "").first()
    step = selectors.last_step(world, battle) if battle else None
    named = {"quest": arena.quest or "", "battle": arena.battle or ""}
    if step is None or now - step.time <= max(BETWEEN_STEPS_SECONDS, _SLOW_STEPS * step.step_seconds):
        return Activity(kind=Kind.TRAINING, **named)
    newest = ChronicleEntry.objects.filter(source=arena.battle, kind__in=_BETWEEN).order_by("-id").first()
    if newest is not None and newest.time.timestamp() >= step.time:
        return Activity(kind=Kind.EVALUATING, why="between steps: the hero is asked and scored", **named)
    return Activity(kind=Kind.PREPARING, why="a battle is under way and no step comes", **named)


def _at_a_wish(world: World, arena: ArenaStatus) -> Activity | None:
    """None where the arena rests by itself."""
    rest = arena_status.read_rest(world)
    if rest.get("asked") not in (Wish.PAUSE, Wish.STOP) or rest.get("reason"):
        return None
    by = f" by {rest['by']}" if rest.get("by") else ""
    word = "paused" if rest["asked"] == Wish.PAUSE else "ended and told to rest"
    return Activity(kind=Kind.PAUSED, why=f"{word}{by}", quest=arena.quest or "", battle=arena.battle or "")


def _without_battle(world: World, arena: ArenaStatus) -> Activity:
    why = _troubled(arena) or _rests(world, arena)
    if busy := _busy(world):
        return replace(busy, why=f"{busy.why}; {why.why}") if why else busy
    return why or _unready(arena) or _idle(world)


def _busy(world: World) -> Activity | None:
    """What is done all the same, though no battle is fought."""
    if run := Run.objects.filter(state=Run.State.RUNNING).first():
        return Activity(kind=Kind.FORGING if run.kind == Run.Kind.FORGE else Kind.WORKING, why=run.title)
    if asked := EvaluationTask.objects.filter(state=EvaluationTask.State.ANSWERING).first():
        return Activity(kind=Kind.EVALUATING, why=f"{asked.host or 'a host'} answers for step {asked.step:,}")
    if tasks := [str(task.get("title", "")) for task in master_status(world).running]:
        return Activity(kind=Kind.WORKING, why=f"the Task Master: {', '.join(tasks)}")
    if job := Job.objects.filter(state=Job.State.RUNNING).first():
        return Activity(kind=Kind.WORKING, why=f"the vault: {job}")
    return None


def _troubled(arena: ArenaStatus) -> Activity | None:
    """The daemon's own words: a full disk, a missing model, a forging that failed."""
    if not arena.message and not arena.waits:
        return None
    named = {"quest": arena.quest or "", "battle": arena.battle or ""}
    return Activity(kind=Kind.WAITING, why=arena.message or "the battle waits for room on the disk", **named)


def _rests(world: World, arena: ArenaStatus) -> Activity | None:
    if arena.state not in ("paused", "resting"):
        return None
    return _at_a_wish(world, arena) or Activity(kind=Kind.WAITING, why="the arena rests until it is resumed")


def _unready(arena: ArenaStatus) -> Activity | None:
    if Quest.objects.filter(state=Quest.State.ARRIVED).exists():
        return Activity(kind=Kind.INSPECTING, why="the gatekeepers look at quests")
    if arena.state != "preparing":
        return None
    why = f"{arena.quest} begins" if arena.quest else "the trainer starts"
    return Activity(kind=Kind.PREPARING, why=why, quest=arena.quest or "", battle=arena.battle or "")


def _idle(world: World) -> Activity:
    if _autoplays(world):
        return Activity(kind=Kind.FORGING, why="the guild forges the next quest")
    held = Quest.objects.filter(state=Quest.State.INSPECTED).exists()
    waiting = Quest.objects.filter(state=Quest.State.QUEUED).exists()
    if waiting:
        return Activity(kind=Kind.PREPARING, why="the next quest is about to begin")
    what = "the quests that wait are on hold" if held else "no quest waits"
    return Activity(kind=Kind.WAITING, why=f"{what}, and auto-play is off")


def _autoplays(world: World) -> bool:
    try:
        return realm_config.load(world).autoplay
    except BadConfig:
        return False


def _why_off(world: World, config: RealmConfig) -> str:
    try:
        states = {state.name: state for state in verbs.status(world, config)}
    except WeaverError as error:
        return f"the arena's daemon does not run, and the weaver does not answer: {error}"
    return _GAVE_UP if states[ARENA].state in ("FATAL", "BACKOFF") else _STOPPED

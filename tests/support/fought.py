"""Battles that were fought: order, steps and events in their folders, as trainer and daemon leave them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EVENTS_FILE, Event, EventKind, Order
from arena.recipe import Recipe
from realm.world import World
from tests.watchtower import factories

ROWS = {"name": "quest/q", "rows": 40, "sha256": "a" * 64}


def fought(
    world: World,
    name: str = "sums-1",
    *,
    state: str = Battle.State.COMPLETED,
    losses: Sequence[float] = (4.0, 3.0, 2.0, 1.0),
    scores: Sequence[float] = (3.0, 2.0),
    over: dict[str, Any] | None = None,
    sha256: str = "c" * 64,
    checkpoint: str | None = None,
    repeat_of: str = "",
    skill: str = "",
    **recipe: Any,
) -> Battle:
    """`scores` are losses over the rows `over`, the first before the first step and the last behind the last."""
    path = world.recently_completed / f"{name}.jsonl"
    path.write_text('{"prompt": "1+1=", "completion": "2"}\n')
    quest = Quest.objects.create(
        name=name, sha256=sha256, file=path.relative_to(world.queue).as_posix(), arrived_at=datetime.now(UTC),
        state=Quest.State.COMPLETED, rows=10, taken=8, held_out=1, skill=skill,
    )  # fmt: skip
    folder = world.battles / name
    folder.mkdir()
    Order(
        battle=name, battle_folder=str(folder), quest=name, quest_file=str(path), quest_sha256=sha256, hero="DIO",
        hero_folder=str(world.heroes / "DIO"), base_model="base", recipe=Recipe(**recipe), repeat_of=repeat_of,
    ).write()  # fmt: skip
    factories.append_steps(world, name, [factories.record(at, loss=loss) for at, loss in enumerate(losses, 1)])
    _write_events(world, name, state, len(losses), scores, over or ROWS, checkpoint)
    ended = None if state in (Battle.State.TRAINING, Battle.State.PAUSED) else datetime.now(UTC)
    return Battle.objects.create(
        battle_id=name, quest=quest, hero="DIO", state=state, started_at=datetime.now(UTC), ended_at=ended,
        first_step=0, total_steps=len(losses),
    )  # fmt: skip


def _write_events(
    world: World, name: str, state: str, steps: int, scores: Sequence[float], over: dict[str, Any], began: str | None
) -> None:
    told: list[tuple[EventKind, int, dict[str, Any]]] = [
        (
            EventKind.BATTLE_STARTED, 0,
            {"checkpoint": began, "total_steps": steps, "examples": 8, "rehearsed": 0, "certificate": {"holds": True}},
        )
    ]  # fmt: skip
    places = [round(at * steps / max(1, len(scores) - 1)) for at in range(len(scores))]
    for step, loss in zip(places, scores, strict=True):
        data = {"losses": {over["name"]: loss}, "sets": {over["name"]: over}, "quest_step": step}
        told.append((EventKind.VALIDATED, step, data))
    if state == Battle.State.COMPLETED:
        told.append((EventKind.BATTLE_COMPLETED, steps, {}))
    events = [
        Event(seq=seq, time=1_000_000.0 + step, kind=kind, step=step, message=str(kind), data=data)
        for seq, (kind, step, data) in enumerate(told, 1)
    ]
    (world.battles / name / EVENTS_FILE).write_bytes(b"".join(event.to_line() + b"\n" for event in events))


def won(battle: Battle, level: int, *, kind: str = "skill_level_up", skill: str = "bin") -> None:
    """As the daemon tells it; a level that is won names the one that begins."""
    ChronicleEntry.objects.create(
        source=f"{battle.battle_id}:{kind}", source_seq=ChronicleEntry.objects.count() + 1, kind=kind,
        time=datetime.now(UTC), message=kind, data={"skill": skill, "level": level},
    )  # fmt: skip

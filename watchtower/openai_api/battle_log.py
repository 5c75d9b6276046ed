"""What a battle's folder says: its order, its events, its steps."""

from __future__ import annotations

from pathlib import Path

from arena import steps
from arena.gate import held_out
from arena.protocol import EVENTS_FILE, ORDER_FILE, STEPS_FILE, Event, EventKind, Order
from arena.steps import Records
from watchtower.openai_api.records import JobRecord


def events(folder: Path) -> list[Event]:
    """Whole lines, the oldest first; a line that is no event is passed over."""
    try:
        lines = (folder / EVENTS_FILE).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(Event.from_line(line))
        except ValueError:
            continue
    return found


def order(folder: Path) -> Order | None:
    """None where it cannot be read."""
    try:
        return Order.read(folder / ORDER_FILE)
    except (OSError, ValueError):
        return None


def records(folder: Path) -> Records:
    """Every step that stands, the oldest first."""
    path = folder / STEPS_FILE
    return steps.read(path, 0, steps.count(path))


def checkpoints(told: list[Event]) -> list[Event]:
    """Of those that were saved, the oldest first. A run killed behind a save may tell of it twice."""
    saved = {str(event.data.get("name")): event for event in told if event.kind == EventKind.CHECKPOINT_SAVED}
    return list(saved.values())


def valid_losses(told: list[Event], record: JobRecord, order: Order | None) -> dict[int, float]:
    """By step of the hero: the loss over the job's validation file; without one over what was held out of its rows."""
    name = _watched(record, order)
    scored = (event for event in told if event.kind == EventKind.VALIDATED)
    losses = {event.step: event.data.get("losses", {}).get(name) for event in scored}
    return {step: loss for step, loss in losses.items() if isinstance(loss, float)}


def _watched(record: JobRecord, order: Order | None) -> str | None:
    if record.validation_copy:
        return held_out.name_of_file(Path(record.validation_copy))
    sets = order.validation_sets if order else ()
    return next((each.name for each in sets if each.always), None)

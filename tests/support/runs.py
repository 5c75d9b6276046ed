"""Battles run in this process, and what they leave."""

from collections.abc import Callable
from pathlib import Path

from arena.protocol import EVENTS_FILE, Event, Order
from arena.training.control import Control
from arena.training.service import run_order
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders

Digests = dict[str, str]


def run(
    order: Order,
    control: Control | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> list[Event]:
    events: list[Event] = []

    def note(event: Event) -> None:
        events.append(event)
        on_event(event)

    run_order(order, control or Control(), None, note, on_trouble)
    return events


def events_of(order: Order) -> list[Event]:
    return [Event.from_line(line) for line in (Path(order.battle_folder) / EVENTS_FILE).read_bytes().splitlines()]


def newest(order: Order) -> Path:
    return checkpoint_folders(Path(order.hero_folder))[0]


def digests(order: Order) -> Digests:
    """Of everything that training produced; names of checkpoints differ by the minute."""
    files = sidecar.read(newest(order)).files
    return {name: files[name].sha256 for name in sorted(files) if name.endswith(".safetensors")}

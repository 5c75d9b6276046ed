"""Battles of a tiny hero in forked processes, one of whose saves is struck by a fault."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from arena.protocol import EVENTS_FILE, STEPS_FILE, Event, EventKind, Order, StepRecord
from arena.recipe import Recipe
from arena.training.control import Control
from arena.training.saving import checkpoint
from arena.training.service import run_order
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from tests.campaigns.faults import Fault, Strike, calls_in
from tests.support import tiny_hero

ROWS = 120
STRUCK_SAVE = 2
"""The save that faults strike: one before it is whole, and steps follow."""
TIMEOUT_SECONDS = 120.0
SPACE_RETURNS_SECONDS = 0.3
"""How long after the trouble was told the disk has room again."""
TRACE, TALE = "trace.txt", "tale.json"


@dataclass(kw_only=True)
class Tale:
    """What a battle's process saw; times are of the monotonic clock, in seconds."""

    struck_at: float | None = None
    """When the struck save began to be written."""
    lifted_at: float | None = None
    troubles: list[tuple[float, str]] = field(default_factory=list)
    error: str = ""


def in_a_process(work: Callable[[], None]) -> int:
    """Run `work` in a fork of this process; its exit code, negative for a signal.

    This process must not have computed anything with torch before: its threads do not survive a fork.
    """
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(TIMEOUT_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"a battle did not end within {TIMEOUT_SECONDS:.0f} s")
    assert process.exitcode is not None
    return process.exitcode


def make_order(folder: Path, **changes: Any) -> Order:
    folder.mkdir(parents=True)
    recipe: Recipe = replace(tiny_hero.RECIPE, **changes)
    return tiny_hero.make_order(folder, rows=ROWS, recipe=recipe)


def fight(order: Order, fault: Fault | None = None, *, count: bool = False, lift: bool = False) -> int:
    """Run the battle to its end, or to where it dies of the fault; the exit code of its process.

    With `count` the calls of the struck save are written down. With `lift` the fault ends soon after it was told.
    """
    return in_a_process(lambda: _fight(order, fault, strikes=count or fault is not None, lift=lift))


def _fight(order: Order, fault: Fault | None, *, strikes: bool, lift: bool) -> None:
    folder = Path(order.battle_folder).parent
    tale, strike = Tale(), list[Strike]()

    def on_trouble(text: str) -> None:
        tale.troubles.append((time.monotonic(), text))
        if text and lift and strike:
            threading.Timer(SPACE_RETURNS_SECONDS, space_returns).start()

    def space_returns() -> None:
        strike.pop().lift()
        tale.lifted_at = time.monotonic()

    if strikes:
        _strike_save(folder, fault, tale, strike)
    try:
        run_order(order, Control(), None, lambda _: None, on_trouble)
    except Exception as error:  # said to the parent, which judges it
        tale.error = f"{type(error).__name__}: {error}"
    for each in strike:
        each.lift()
    write_tale(folder, tale)


def _strike_save(folder: Path, fault: Fault | None, tale: Tale, strike: list[Strike]) -> None:
    original, begun = checkpoint.write, [0]

    def write(*rest: Any, **named: Any) -> Any:
        begun[0] += 1
        if begun[0] != STRUCK_SAVE:
            return original(*rest, **named)
        strike.append(Strike(fault, trace=folder / TRACE))
        tale.struck_at = time.monotonic()
        return original(*rest, **named)

    checkpoint.write = write


def write_tale(folder: Path, tale: Tale) -> None:
    (folder / TALE).write_text(json.dumps(asdict(tale)))


def tale_of(order: Order) -> Tale:
    said = json.loads((Path(order.battle_folder).parent / TALE).read_text())
    return Tale(**said)


def points(folder: Path) -> list[tuple[str, int]]:
    """Every changing call of one save of an undisturbed battle, as (call, number)."""
    order = make_order(folder)
    if fight(order, count=True) != 0 or ending(order) != EventKind.BATTLE_COMPLETED:
        raise RuntimeError(f"the undisturbed battle did not end well: {tale_of(order).error}")
    counts = calls_in(folder / TRACE)
    return [(call, number) for call in counts for number in range(1, counts[call] + 1)]


def undisturbed(folder: Path) -> dict[str, str]:
    """Digests that an undisturbed battle ends in."""
    order = make_order(folder)
    fight(order)
    return digests(order)


def digests(order: Order) -> dict[str, str]:
    """Of everything that training produced, in the newest checkpoint; names of checkpoints differ by the minute."""
    folders = checkpoint_folders(Path(order.hero_folder))
    files = sidecar.verify(folders[0]).files if folders else {}
    return {name: proof.sha256 for name, proof in files.items() if name.endswith(".safetensors")}


def events_of(order: Order) -> list[Event]:
    path = Path(order.battle_folder) / EVENTS_FILE
    return [Event.from_line(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def ending(order: Order) -> str:
    events = events_of(order)
    return str(events[-1].kind) if events else "nothing"


def forget(order: Order) -> None:
    """Make room: hundreds of battles are fought in a campaign."""
    shutil.rmtree(Path(order.battle_folder).parent)


def steps_of(folder: Path) -> list[StepRecord]:
    """Of the battle of this folder, in order."""
    data, size = (folder / STEPS_FILE).read_bytes(), StepRecord.SIZE
    return [StepRecord.unpack(data[at : at + size]) for at in range(0, len(data) - size + 1, size)]

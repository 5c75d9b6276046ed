"""C1 and C2: a volume that is full, and a disk that refuses to make things last, at every point of a save."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from arena.protocol import EventKind, Order, StepRecord
from arena.training.saving import full_disk
from realm.checkpoints.names import checkpoint_folders
from tests.campaigns import battles, faults, written
from tests.campaigns.battles import Tale
from tests.campaigns.faults import Fault
from tests.campaigns.report import Figure, none_of

POINTS = 50
QUICK_POINTS = 2
VOLUME_BYTES = 64 * 1024**2
PAUSED_WITHIN, GOES_ON_WITHIN = 5.0, 10.0
SPACE_CALLS = ("write", "pwrite64", "writev", "fallocate", "ftruncate", "mkdir", "fsync", "rename", "renameat")
"""System calls that a full disk may refuse; fsync and rename where room is only then looked for."""


@dataclass
class Outcomes:
    """Of many battles that met a full disk."""

    paused: list[float] = field(default_factory=list)
    """Seconds until it was told."""
    went_on: list[float] = field(default_factory=list)
    """Seconds until it went on after there was room again."""
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def blame(self, what: str, which: object) -> None:
        self.wrong.setdefault(what, []).append(str(which))


UNTOLD = "full disks not told with volume and bytes"
EARLY = "told as over while the disk was still full"
DIED = "battles that did not go on by themselves to their end"
TORN = "checkpoints or logs that were cut short"
OTHER = "other final weights than undisturbed"


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    folder.mkdir(exist_ok=True)
    dice, wanted = random.Random(seed), battles.undisturbed(folder / "undisturbed")
    points = battles.points(folder / "count")
    most = count or (QUICK_POINTS if quick else POINTS)
    figures = full_volume(folder / "volume", wanted, levels=most)
    figures += refused_space(folder / "space", wanted, _some(dice, points, SPACE_CALLS, most))
    return figures + failing_disk(
        folder / "dying", wanted, _some(dice, points, ("fsync", "fdatasync"), QUICK_POINTS if quick else 10**6)
    )


def _some(
    dice: random.Random, points: list[tuple[str, int]], calls: tuple[str, ...], most: int
) -> list[tuple[str, int]]:
    found = [point for point in points if point[0] in calls]
    return sorted(dice.sample(found, min(most, len(found))))


def full_volume(folder: Path, wanted: dict[str, str], *, levels: int) -> list[Figure]:
    """A small volume is filled while battles run, to another level each time, and emptied when that was told."""
    outcomes, battle = Outcomes(), -1
    with small_volume(folder) as reason:
        if reason:
            return [Figure(promise="C1", what="small volume", figure=f"not shown: {reason}")]
        for battle in range(levels):
            order = battles.make_order(folder / f"{battle}")
            needed = _bytes_of_a_save(folder.parent / "undisturbed") + full_disk.MARGIN_BYTES
            tale = _fight_while_full(order, leave_bytes=needed * battle // levels)
            _judge(outcomes, f"{needed * battle // levels} bytes left", order, tale, wanted, volume=folder)
            battles.forget(order)
    return _figures("a real volume was filled", outcomes, battle + 1)


def refused_space(folder: Path, wanted: dict[str, str], points: list[tuple[str, int]]) -> list[Figure]:
    """One call of a save after the other is refused for want of space, until that was told."""
    outcomes = Outcomes()
    for number, (call, count) in enumerate(points):
        order = battles.make_order(folder / f"{number}")
        fault = Fault(call=call, number=count, effect="ENOSPC", lasting=True)
        battles.fight(order, fault, lift=True)
        _judge(outcomes, fault, order, battles.tale_of(order), wanted, volume=full_disk.volume_of(folder))
        battles.forget(order)
    return _figures(f"ENOSPC from one call of a save on ({faults.how()})", outcomes, len(points))


def failing_disk(folder: Path, wanted: dict[str, str], points: list[tuple[str, int]]) -> list[Figure]:
    """From one fsync of a save on each fails: that save is declared failed, and the next ones are whole."""
    shown, untold, torn, other = list[str](), list[str](), list[str](), list[str]()
    for number, (call, count) in enumerate(points):
        order = battles.make_order(folder / f"{number}")
        fault = Fault(call=call, number=count, effect="EIO", lasting=True)
        battles.fight(order, fault)
        saved = [event.step for event in battles.events_of(order) if event.kind == EventKind.CHECKPOINT_SAVED]
        struck = order.recipe.save_every * battles.STRUCK_SAVE
        if struck in saved:
            shown.append(str(fault))
        if not any(event.kind == EventKind.CHECKPOINT_FAILED for event in battles.events_of(order)):
            untold.append(f"{fault}: {battles.tale_of(order).error or battles.ending(order)}")
        torn += [f"{fault}: {damage}" for damage in written.unreadable(Path(order.hero_folder))]
        if battles.digests(order) != wanted:
            other.append(f"{fault}: {battles.tale_of(order).error}")
        battles.forget(order)
    return [
        Figure(promise="C2", what="EIO from one fsync of a save on", figure=f"{len(points)} ({faults.how()})"),
        none_of("C2", "failed saves shown as saved", shown, len(points)),
        none_of("C2", "failed saves not told", untold, len(points)),
        none_of("C2", "unreadable checkpoints under a final name", torn, len(points)),
        none_of("C2", OTHER, other, len(points)),
    ]


def _fight_while_full(order: Order, *, leave_bytes: int) -> Tale:
    """In a process of its own; the volume is filled when the first checkpoint is told, emptied after the trouble is."""
    folder = Path(order.battle_folder).parent
    filler = folder.parent / "filler"

    def fight() -> None:
        from arena.protocol import Event
        from arena.training.control import Control
        from arena.training.service import run_order

        tale = Tale()

        def on_event(event: Event) -> None:
            if event.kind == EventKind.CHECKPOINT_SAVED and tale.struck_at is None:
                fill(filler, leave_bytes)
                tale.struck_at = time.monotonic()

        def on_trouble(text: str) -> None:
            tale.troubles.append((time.monotonic(), text))
            if text:
                time.sleep(battles.SPACE_RETURNS_SECONDS)
                filler.unlink(missing_ok=True)
                tale.lifted_at = time.monotonic()

        try:
            run_order(order, Control(), None, on_event, on_trouble)
        except Exception as error:  # said to the parent, which judges it
            tale.error = f"{type(error).__name__}: {error}"
        filler.unlink(missing_ok=True)
        battles.write_tale(folder, tale)

    battles.in_a_process(fight)
    return battles.tale_of(order)


def fill(filler: Path, leave_bytes: int) -> None:
    size = full_disk.free_bytes(filler.parent) - leave_bytes
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, size))


def _judge(
    outcomes: Outcomes, which: object, order: Order, tale: Tale, wanted: dict[str, str], *, volume: Path
) -> None:
    told = [(moment, text) for moment, text in tale.troubles if text]
    if not told or tale.struck_at is None or not all(_names(text, volume) for _, text in told):
        outcomes.blame(UNTOLD, f"{which}: {[text for _, text in told] or tale.error or 'nothing was told'}")
    else:
        outcomes.paused.append(told[0][0] - tale.struck_at)
        over = [moment for moment, text in tale.troubles if not text]
        if over and tale.lifted_at is not None and over[-1] < tale.lifted_at:
            outcomes.blame(EARLY, which)
        elif over and tale.lifted_at is not None:
            outcomes.went_on.append(over[-1] - tale.lifted_at)
    if battles.ending(order) != EventKind.BATTLE_COMPLETED:
        outcomes.blame(DIED, f"{which}: {tale.error or battles.ending(order)}")
    for damage in [*written.unreadable(Path(order.hero_folder)), *_torn_logs(order)]:
        outcomes.blame(TORN, f"{which}: {damage}")
    if battles.digests(order) != wanted:
        outcomes.blame(OTHER, which)


def _names(text: str, volume: Path) -> bool:
    return str(volume) in text and " MB are needed" in text and " are free" in text


def _torn_logs(order: Order) -> list[str]:
    folder = Path(order.battle_folder)
    torn = []
    if (folder / "steps.bin").stat().st_size % StepRecord.SIZE:
        torn.append("steps.bin")
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        try:
            json.loads(line)
        except ValueError:
            torn.append("events.jsonl")
    return torn


def _figures(how: str, outcomes: Outcomes, battles_fought: int) -> list[Figure]:
    paused, went_on = max(outcomes.paused, default=0.0), max(outcomes.went_on, default=0.0)
    return [
        Figure(promise="C1", what=how, figure=battles_fought),
        Figure(
            promise="C1",
            what="slowest pause, with volume and bytes named",
            figure=f"{paused:.2f} s of {len(outcomes.paused)}",
            wanted=f"{PAUSED_WITHIN:.0f} s",
            kept=bool(outcomes.paused) and paused <= PAUSED_WITHIN,
            timed=True,
        ),
        Figure(
            promise="C1",
            what="slowest going on after space returned",
            figure=f"{went_on:.2f} s of {len(outcomes.went_on)}",
            wanted=f"{GOES_ON_WITHIN:.0f} s",
            kept=bool(outcomes.went_on) and went_on <= GOES_ON_WITHIN,
            timed=True,
        ),
        *(
            none_of("C1", what, outcomes.wrong.get(what, []), battles_fought)
            for what in (UNTOLD, EARLY, DIED, TORN, OTHER)
        ),
    ]


def _bytes_of_a_save(folder: Path) -> int:
    newest = checkpoint_folders(folder / "hero")[0]
    return sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())


@contextmanager
def small_volume(folder: Path) -> Iterator[str]:
    """Mounts one of VOLUME_BYTES; yields the reason where that is not possible, else an empty text."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
        reason = mounted.stderr.strip() if mounted.returncode else ""
    except FileNotFoundError as error:
        reason = str(error)
    try:
        yield reason
    finally:
        if not reason:
            subprocess.run(["umount", str(folder)], check=True)

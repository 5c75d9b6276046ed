"""Battles in processes of their own and what their step records say; the peer likewise. Imports no torch, no Django."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from arena.protocol import EVENTS_FILE, STEP_DTYPE, STEPS_FILE, Event, EventKind, Order
from arena.recipe import Recipe
from realm.checkpoints import sidecar

WARMUP_STEPS = 5


@dataclass(frozen=True)
class Battle:
    """What one run left; `steps` are records of STEP_DTYPE."""

    order: Order
    steps: npt.NDArray[Any]
    events: list[Event]

    @property
    def timed(self) -> npt.NDArray[Any]:
        return self.steps[WARMUP_STEPS:]

    @property
    def rate(self) -> float:
        """Trained tokens a second."""
        return float(self.timed["trained_tokens"].sum() / self.timed["step_seconds"].sum())

    @property
    def all_rate(self) -> float:
        """Tokens a second, prompts included."""
        return float(self.timed["tokens"].sum() / self.timed["step_seconds"].sum())

    def first(self, kind: EventKind) -> Event | None:
        return next((event for event in self.events if event.kind == kind), None)


def fight(
    folder: Path, base: Path, quest: Path, recipe: Recipe, *, train: Callable[[Order], None] | None = None, **more: Any
) -> Battle:
    """One battle in `folder`: by the trainer's own command line, or by `train`."""
    folder.mkdir(parents=True, exist_ok=True)
    order = Order(
        battle="bench",
        battle_folder=str(folder),
        quest="bench",
        quest_file=str(quest),
        quest_sha256=sidecar.digest(quest),
        hero="bench",
        hero_folder=str(folder / "hero"),
        base_model=str(base),
        recipe=recipe,
        **more,
    )
    (train or by_its_command)(order)
    return read(order)


def read(order: Order) -> Battle:
    """What the battle's folder tells."""
    folder = Path(order.battle_folder)
    lines = (folder / EVENTS_FILE).read_bytes().splitlines()
    return Battle(order, np.fromfile(folder / STEPS_FILE, dtype=STEP_DTYPE), [Event.from_line(line) for line in lines])


def by_its_command(order: Order, *launcher: str) -> None:
    """`launcher` is what starts several of it."""
    subprocess.run(_command(order, *launcher), check=True, stdout=subprocess.DEVNULL)


def killed_after_a_checkpoint(order: Order) -> None:
    """Ended by SIGKILL as soon as the first checkpoint is told; else when it ends by itself."""
    events, told = Path(order.battle_folder) / EVENTS_FILE, EventKind.CHECKPOINT_SAVED.encode()
    with subprocess.Popen(_command(order), stdout=subprocess.DEVNULL) as trainer:
        try:
            while trainer.poll() is None and not (events.exists() and told in events.read_bytes()):
                time.sleep(0.002)
        finally:
            trainer.send_signal(signal.SIGKILL)


def _command(order: Order, *launcher: str) -> list[str]:
    return [sys.executable, *launcher, "-m", "arena.training", "--order", str(order.write())]


def peer(base: Path, quest: Path, **settings: Any) -> dict[str, Any]:
    """What TRL measured of itself; see peer_trl.py for the settings."""
    command = [sys.executable, "-m", "scripts.bench.peer_trl", str(base), str(quest), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the peer ended with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def has_trl() -> bool:
    return "trl" in versions("trl")


def versions(*packages: str) -> dict[str, str]:
    found = {}
    for name in packages or ("torch", "transformers", "trl"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def row(
    name: str, ours: float | None, peer: float | None, unit: str, *, lower: bool = False, **details: Any
) -> dict[str, Any]:
    """One row; the ratio is above 1 where ours is better, also where `lower` figures are better."""
    ratio = None
    if ours and peer and min(ours, peer) > 0:
        ratio = round(peer / ours if lower else ours / peer, 2)
    return {"id": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit, **details, "cores": os.cpu_count()}


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def percentiles(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(values, share)), digits) for share in (50, 95, 99)}


def stalls_ms(ends: Sequence[float], saved_after: Sequence[int]) -> list[float]:
    """Milliseconds that training waited for each save: what the next step ended later than a median step does.

    `ends` are the seconds at which steps 1, 2, … ended. From outside, so all that a save holds up is in it.
    """
    took = np.diff(np.asarray(ends, dtype=np.float64))
    after = np.array([step - 1 for step in saved_after if WARMUP_STEPS < step < len(ends)], dtype=np.int64)
    plain = np.delete(took, after)[WARMUP_STEPS:]
    return [float(value) for value in (took[after] - np.median(plain)) * 1e3]


def stalls_of(battle: Battle) -> list[float]:
    """Without the save at the battle's end, which is waited for on purpose."""
    saved = [event.step for event in battle.events if event.kind == EventKind.CHECKPOINT_SAVED]
    began = battle.first(EventKind.BATTLE_STARTED)
    on_gpu = began is not None and str(began.data.get("device", "")).startswith("cuda")
    # Records of a GPU are read late, but the seconds in them are the device's own, from one step's end to the next's.
    ends = np.cumsum(battle.steps["step_seconds"].astype(np.float64)) if on_gpu else battle.steps["time"]
    return stalls_ms(ends.tolist(), saved[:-1])


def stalls_told(battle: Battle) -> list[float]:
    events = [event for event in battle.events if event.kind == EventKind.CHECKPOINT_SAVED]
    return [event.data["stall_seconds"] * 1e3 for event in events if "stall_seconds" in event.data]


def peak_mb() -> int:
    """The most memory that this process has ever held."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1000)


def timed(do: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began

"""Promise H2: a world that an earlier state of the realm has played opens with this one and goes on byte for byte.

The fixture was packed in mid-battle: one quest won, one refused, one half fought and paused at step 75, one waiting.
What the state that wrote it made of it on the machine below stands here.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
import torch

from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from tests.support.live_arena import LiveArena

FIXTURES = Path(__file__).parents[2] / "fixtures"
STEP, TRAIN_LOSS = 433, 1.8889172878310394
WEIGHTS = "6084962d107a1fd4a0f33f4f7e40f1bb2d46e380e919274b3d4198df40918cc4"
OPTIMIZER = "a900b2598ac2c3fb262ea70aaccc79d439ed30f15279a2f4d2d261852cf8ccb9"
MADE_ON = ("2.13.0", "AMD EPYC", "25", "17")
"""torch, and the processor: on another one sums may be rounded otherwise."""
CPU_FACTS = ("model name", "cpu family", "model")


def this_machine() -> tuple[str, ...]:
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return (torch.__version__.partition("+")[0], *(facts.get(key, "") for key in CPU_FACTS))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_world_of_before_the_rooms_goes_on(tmp_path: Path) -> None:
    with tarfile.open(FIXTURES / "world-before-rooms.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    arena = LiveArena(tmp_path / "world", None, OMP_NUM_THREADS="1")
    settings = (tmp_path / "world" / "config.yaml").read_bytes()
    arena.start()
    try:
        arena.manage("battle", "resume")
        arena.wait_for(lambda: arena.completed() == {"first.jsonl", "second.jsonl", "third.jsonl"}, "all are won")
    finally:
        arena.stop()
    assert sorted(os.listdir(arena.world.failed)) == sorted(f"refused.jsonl{end}" for end in REFUSED)
    assert (tmp_path / "world" / "config.yaml").read_bytes() == settings
    newest = sidecar.verify(checkpoint_folders(arena.world.heroes / "DIO")[0])
    assert newest.step == STEP
    assert newest.train_loss == pytest.approx(TRAIN_LOSS, abs=1e-5)
    if this_machine() == MADE_ON:
        assert newest.files["model.safetensors"].sha256 == WEIGHTS
        assert newest.files["optimizer.safetensors"].sha256 == OPTIMIZER


REFUSED = ("", ".hashes.npy", ".quarantine", ".reason.json", ".report.json", ".rows.npy")

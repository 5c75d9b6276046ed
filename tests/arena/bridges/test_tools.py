"""What was carried is read back by the tools themselves, each in a process of its own; none reaches for the network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arena.bridges import tensorboard, trackio, wandb
from arena.bridges.carrying import TOOLS, tool_of
from arena.bridges.contract import MissingTool
from realm.world import CHECKOUT, World

EXPECTED = [[step, float(step if step <= 15 else 99)] for step in range(1, 26)]
CARRY = """
import json, socket, sys
from pathlib import Path
connect = socket.socket.connect
def connect_here(sock, address):
    if not isinstance(address, str) and address[0] not in ("127.0.0.1", "::1"):
        sys.exit(f"it reached for the network: {address}")
    return connect(sock, address)
socket.socket.connect = connect_here
from arena.bridges.carrying import Carrier, tool_of
from realm.world import World
from tests.arena.bridges.fake_battle import FakeBattle
world, out = World(Path(sys.argv[1])), Path(sys.argv[2])
battle, tool = FakeBattle(world), tool_of(sys.argv[3], out)
def carry():
    with Carrier(world, tool, out) as carrier:
        carrier.carry("q-1")
battle.steps(1, 20)
battle.validated(10, 0.5)
carry()
battle.cut_after(15)
battle.steps(16, 25, loss=99.0)
carry()
"""
READ = {
    "tensorboard": """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
read = EventAccumulator(str(out / "q-1"))
read.Reload()
losses = [(event.step, event.value) for event in read.Scalars("train/loss")]
scores = [(event.step, event.value) for event in read.Scalars("val/loss")]
recipe = read.Tensors("recipe")[0].tensor_proto.string_val[0].decode()
""",
    "trackio": """
import trackio
run = trackio.Api().runs("realm-of-training")[0]
from trackio.sqlite_storage import SQLiteStorage
logs = SQLiteStorage.get_logs("realm-of-training", run.name, run_id="q-1")
losses = [(log["step"], log["train/loss"]) for log in logs if "train/loss" in log]
scores = [(log["step"], log["val/loss"]) for log in logs if "val/loss" in log]
recipe = json.dumps(run.config)
""",
    "wandb": """
import struct
from wandb.proto import wandb_internal_pb2
(path,) = (out / "wandb").glob("offline-run-*/*.wandb")
data, records, at, parts = path.read_bytes(), [], 7, b""
while at + 7 <= len(data):  # a log of leveldb's: blocks of 32 KB, each record in one piece or several
    left = 32768 - at % 32768
    if left < 7:
        at += left
        continue
    _, size, kind = struct.unpack("<IHB", data[at:at + 7])
    parts, at = parts + data[at + 7:at + 7 + size], at + 7 + size
    if kind in (1, 4):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(parts)
        records, parts = [*records, record], b""
def values(record):
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
logs = [values(record) for record in records if record.HasField("history")]
losses = [(log["hero_step"], log["train/loss"]) for log in logs if "train/loss" in log]
scores = [(log["hero_step"], log["val/loss"]) for log in logs if "val/loss" in log]
recipe = str([record.run for record in records if record.HasField("run")])
""",
}


def read_back(tool: str, world: World, out: Path) -> Any:
    told = "print('READ', json.dumps({'losses': losses, 'scores': scores, 'recipe': recipe}))"
    done = subprocess.run(
        [sys.executable, "-c", CARRY + READ[tool] + told, world.home, out, tool],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.rpartition("READ ")[2].splitlines()[0])


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_reads_what_stands(tool: str, world: World, tmp_path: Path) -> None:
    read = read_back(tool, world, tmp_path / "out")
    assert read["losses"] == EXPECTED
    assert read["scores"] == [[10, 0.5]]
    assert "learning_rate" in read["recipe"]


@pytest.mark.parametrize(
    ("module", "cls", "package"),
    [
        (tensorboard, "TensorBoard", "tensorboard.compat.proto"), (trackio, "Trackio", "trackio.sqlite_storage"),
        (wandb, "WeightsAndBiases", "wandb"),
    ],
)  # fmt: skip
def test_a_tool_that_is_missing_is_a_sentence(
    module: Any, cls: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.setenv("WANDB_MODE", "")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingTool, match=r"is not installed: .*pip install"):
        tool_of(next(name for name, (_, known) in TOOLS.items() if known == cls), tmp_path)

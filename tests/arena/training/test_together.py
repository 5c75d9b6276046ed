"""Two processes under `accelerate launch` train as one does, and each goes on from the other's checkpoint."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arena.protocol import STEP_DTYPE, EvaluationSet, Event, EventKind, Order
from arena.training.control import Control, Request
from realm.checkpoints import sidecar
from realm.world import CHECKOUT
from tests.support import tiny_hero
from tests.support.runs import newest, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RECIPE = replace(tiny_hero.RECIPE, rows_per_micro_batch=1, validate_every=5)
DDP = ("--multi_gpu",)
FSDP2 = ("--use_fsdp", "--fsdp_version", "2")


def launch(order: Order, *kind: str) -> None:
    """Port 0 lets the launcher choose a free one."""
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", *kind, "--num_processes", "2"]
    fixed = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    program = ["-m", "arena.training", "--order", str(Path(order.battle_folder) / "order.json")]
    done = subprocess.run(
        [*accelerate, *fixed, "--num_cpu_threads_per_process", "1", *program],
        cwd=CHECKOUT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def steps(order: Order) -> np.ndarray:
    return np.fromfile(Path(order.battle_folder) / "steps.bin", dtype=STEP_DTYPE)


def events(order: Order) -> list[Event]:
    return [Event.from_line(line) for line in (Path(order.battle_folder) / "events.jsonl").read_bytes().splitlines()]


def make(folder: Path, **overrides: object) -> Order:
    folder.mkdir()
    problems = folder / "problems.jsonl"
    problems.write_text('{"prompt": "1+1", "answer": "2"}\n')
    evaluation = EvaluationSet(skill="bin", level=1, path=str(problems), max_new_tokens=2)
    validation = tiny_hero.validation(folder, 10, seed=5)
    fields = {"recipe": RECIPE, "evaluation_sets": (evaluation,), "validation_sets": validation}
    return tiny_hero.make_order(folder, **(fields | overrides))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Order:
    order = make(tmp_path_factory.mktemp("alone") / "order")
    run(order)
    return order


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Order:
    order = make(tmp_path_factory.mktemp("sharded") / "order")
    launch(order, *FSDP2)
    return order


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Order:
    order = make(tmp_path_factory.mktemp("replicated") / "order")
    launch(order, *DDP)
    return order


@pytest.mark.parametrize("kind", ["replicated", "sharded"])
def test_two_processes_train_as_one(kind: str, alone: Order, request: pytest.FixtureRequest) -> None:
    together: Order = request.getfixturevalue(kind)
    assert np.abs(steps(together)["loss"] - steps(alone)["loss"]).max() <= 1e-5
    assert list(steps(together)["trained_tokens"]) == list(steps(alone)["trained_tokens"])
    # In any order: when a checkpoint has reached the disk depends on the disk.
    assert sorted(event.kind for event in events(together)) == sorted(event.kind for event in events(alone))
    mine, theirs = sidecar.verify(newest(together)), sidecar.verify(newest(alone))
    assert mine.cursor == theirs.cursor
    assert mine.val_loss == pytest.approx(theirs.val_loss, abs=1e-5)
    assert mine.train_loss == pytest.approx(theirs.train_loss, abs=1e-5)
    assert {name: proof.size_bytes for name, proof in mine.files.items() if name.endswith("safetensors")} == {
        name: proof.size_bytes for name, proof in theirs.files.items() if name.endswith("safetensors")
    }


def pause_after_one_step(order: Order) -> None:
    control = Control()
    control.request(Request.PAUSE)
    assert run(order, control)[-1].kind == EventKind.BATTLE_PAUSED
    assert sidecar.read(newest(order)).step == 1


@pytest.mark.parametrize("kind", [pytest.param(DDP, marks=pytest.mark.large), FSDP2], ids=["ddp", "fsdp2"])
def test_two_go_on_from_the_checkpoint_of_one(kind: tuple[str, ...], alone: Order, tmp_path: Path) -> None:
    order = make(tmp_path / "together")
    pause_after_one_step(order)
    launch(order, *kind)
    assert events(order)[-1].kind == EventKind.BATTLE_COMPLETED
    assert np.abs(steps(order)["loss"] - steps(alone)["loss"]).max() <= 1e-5


def test_one_goes_on_from_the_checkpoint_of_two(sharded: Order, alone: Order) -> None:
    """Two sharded processes trained a first quest, one trains a second; beside it one trains both."""
    outcomes = []
    for first in (sharded, alone):
        folder = Path(first.battle_folder).parent
        (folder / "second").mkdir()
        quest = tiny_hero.write_quest(folder / "second.jsonl", 40, seed=3)
        fields = {"battle": "second", "battle_folder": str(folder / "second"), "quest_file": str(quest)}
        second = replace(first, **fields, quest_sha256=sidecar.digest(quest))  # type: ignore[arg-type]
        second.write()
        assert run(second)[-1].kind == EventKind.BATTLE_COMPLETED
        outcomes.append(steps(second)["loss"])
    assert np.abs(outcomes[0] - outcomes[1]).max() <= 1e-5


def test_gradients_that_are_not_brought_together_train_otherwise(alone: Order, tmp_path: Path) -> None:
    """The twin: each of two ranks updates by its own half of the step."""
    import torch

    from arena.hero import model as heroes
    from arena.training import optimizer
    from arena.training.data import PackedQuest, load_quest
    from arena.training.ranks import Ranks
    from arena.training.start import Trainee
    from arena.training.train import optimizer_step

    hero = heroes.load(alone.base_model, RECIPE, checkpoint=None, device=torch.device("cpu"))
    examples = load_quest(Path(alone.quest_file), hero.mask, RECIPE).examples
    quest = PackedQuest(examples, RECIPE, quest_sha256=alone.quest_sha256)
    trainee = Trainee(alone, hero, optimizer.build(hero, RECIPE), None, 0)

    class Deaf(Ranks):
        def sum(self, value: torch.Tensor) -> torch.Tensor:
            return value * self.count

    losses = [optimizer_step(trainee, quest.step(0, at), RECIPE, ranks=Deaf(0, 2))[0].item() for at in range(4)]
    assert np.abs(np.array(losses) - steps(alone)["loss"][:4]).max() > 1e-3

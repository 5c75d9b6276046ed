"""What a checkpoint's event says of coverage, memory and work; and where a step that was not finite went wrong."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from arena.hero.model import Hero
from arena.protocol import Event, EventKind, Order
from arena.statistics import of_battle
from arena.training import train
from arena.training.batch import Batch
from arena.training.reporting import coverage, non_finite
from arena.training.reporting.non_finite import NotFinite
from arena.training.saving import saver
from arena.training.start import load_trainee, ready_quest
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow


def saved(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == EventKind.CHECKPOINT_SAVED]


def half_frozen(patch: pytest.MonkeyPatch) -> None:
    """Rows of the embedding that stay as they are, and a rate that is so small that some weights do, too."""
    original = train.optimizer_step

    def kept(trainee: train.Trainee, *rest: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = trainee.hero.causal_lm.get_input_embeddings().weight
        before = embedding.detach()[::3].clone()
        done = original(trainee, *rest, **named)  # type: ignore[arg-type]
        with torch.no_grad():
            embedding[::3] = before
        return done

    patch.setattr(train, "optimizer_step", kept)


def by_brute_force(order: Order) -> dict[str, float]:
    before = load_file(Path(order.base_model) / "model.safetensors")
    after = load_file(newest(order) / "model.safetensors")
    moved = {name: after[name] != before[name] for name in after}
    distance = sum(float(((after[name].astype(float) - before[name]) ** 2).sum()) for name in after)
    norm = sum(float((before[name].astype(float) ** 2).sum()) for name in after)
    return {
        "weights": sum(int(one.sum()) for one in moved.values()) / sum(one.size for one in moved.values()),
        "change": (distance / norm) ** 0.5,
        "vocabulary_rows": float(moved["model.embed_tokens.weight"].any(axis=1).mean()),
    }


@pytest.fixture(scope="module")
def fought(tmp_path_factory: pytest.TempPathFactory) -> tuple[Order, list[Event]]:
    """A battle over, with rows of the embedding that never moved."""
    order = tiny_hero.make_order(tmp_path_factory.mktemp("fought"), rows=30)
    with pytest.MonkeyPatch.context() as patch:
        half_frozen(patch)
        return order, run(order)


def assert_as_by_brute_force(order: Order, told: dict[str, float]) -> None:
    for name, value in by_brute_force(order).items():
        assert told[name] == pytest.approx(value), name


def test_coverage_is_what_the_files_say(fought: tuple[Order, list[Event]]) -> None:
    order, events = fought
    told = saved(events)[-1].data
    assert_as_by_brute_force(order, told["coverage"])
    assert 0.5 < told["coverage"]["vocabulary_rows"] < 0.9
    covered = of_battle(Path(order.battle_folder)).update_coverage
    assert covered is not None
    assert covered.vocabulary_rows == told["coverage"]["vocabulary_rows"]


def test_memory_and_work_are_told(fought: tuple[Order, list[Event]]) -> None:
    told = saved(fought[1])[-1].data
    assert set(told["memory"]) == {"weights", "gradients", "optimizer", "copies"}
    assert told["memory"]["optimizer"] > 1.9 * told["memory"]["gradients"]
    assert told["work"]["steps"] > 0
    assert told["work"]["forward_backward_seconds"] > 0
    assert min(told["wait_seconds"], told["write_seconds"]) > 0, "the last checkpoint is waited for"


def compared(order: Order, *, began_from: str | None = None) -> dict[str, float]:
    """The newest checkpoint's weights held against what a battle began with."""
    hero = load_trainee(order, None, None, train.ALONE).hero
    _, quest = ready_quest(order, hero, lambda: None)
    weights = {name: torch.from_numpy(one) for name, one in load_file(newest(order) / "model.safetensors").items()}
    return coverage.UpdateCoverage(order, hero, quest.examples, began_from=began_from).of(weights)


def test_twin_that_shifts_what_is_compared(fought: tuple[Order, list[Event]], monkeypatch: pytest.MonkeyPatch) -> None:
    exact = coverage._moved
    monkeypatch.setattr(coverage, "_moved", lambda now, stored, by_row: exact(now + 1, stored, by_row=by_row))
    with pytest.raises(AssertionError):
        assert_as_by_brute_force(fought[0], compared(fought[0]))


def test_a_battle_is_held_against_its_own_beginning(fought: tuple[Order, list[Event]]) -> None:
    order, _ = fought
    assert compared(order)["change"] > 0
    assert compared(order, began_from=newest(order).name)["weights"] == 0
    assert compared(order, began_from="checkpoint-1-20260101-0000") == {}, "which has made room since"


def test_measuring_changes_no_bit(
    fought: tuple[Order, list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_frozen(monkeypatch)
    monkeypatch.setattr(train, "coverage_of", lambda run: None)
    monkeypatch.setattr(train.WorkMeter, "take", lambda self: {})
    order = tiny_hero.make_order(tmp_path, rows=30)
    assert saved(run(order))[-1].data["coverage"] == {}
    assert digests(order) == digests(fought[0])


def fights_though_nothing_can_be_measured(order: Order, patch: pytest.MonkeyPatch) -> bool:
    def broken(*_: object) -> object:
        raise RuntimeError("no such operation")

    patch.setattr(coverage.UpdateCoverage, "_compared", broken)
    events = run(order)
    return events[-1].kind == EventKind.BATTLE_COMPLETED and "coverage" not in saved(events)[-1].data


def test_a_checkpoint_that_cannot_be_measured_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fights_though_nothing_can_be_measured(tiny_hero.make_order(tmp_path, rows=6), monkeypatch)


def test_twin_whose_measuring_fails_the_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saver, "_measured", lambda draft: draft.measure(draft.captured))
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with pytest.raises(AssertionError):
        fights_though_nothing_can_be_measured(tiny_hero.make_order(tmp_path, rows=6), monkeypatch)


def test_an_adapter_that_begins_is_held_against_nothing(fought: tuple[Order, list[Event]]) -> None:
    order = replace(fought[0], recipe=replace(tiny_hero.RECIPE, mode="lora"))
    hero = load_trainee(order, None, None, train.ALONE).hero
    weights = {name: one.detach().clone() for name, one in hero.trainable.items()}
    next(one for name, one in weights.items() if ".lora_B." in name)[0] = 1.0
    told = coverage.UpdateCoverage(order, hero, ready_quest(order, hero, lambda: None)[1].examples, began_from=None)
    matrices = [one for name, one in weights.items() if ".lora_B." in name]
    share = sum(int((one != 0).sum()) for one in matrices) / sum(one.numel() for one in matrices)
    assert told.of(weights) == {"weights": share, "change": None, "most_changed": None, "rows_in_data": 19}
    assert 0 < share < 1


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[train.Trainee, list[Batch]]:
    """A trainee and the batches of its first step."""
    order = tiny_hero.make_order(tmp_path_factory.mktemp("begun"), rows=12)
    trainee = load_trainee(order, None, None, train.ALONE)
    _, quest = ready_quest(order, trainee.hero, lambda: None)
    return trainee, quest.step(0, 0)


def weight(hero: Hero, name: str) -> torch.Tensor:
    return dict(hero.model.named_parameters())[name].data


@pytest.mark.parametrize(
    ("name", "at", "value", "seen"),
    [
        ("model.layers.1.mlp.up_proj.weight", (3, 5), torch.nan, ("weight", "model.layers.1.mlp.up_proj.weight")),
        ("model.layers.0.self_attn.o_proj.weight", (0, 7), 3e38, ("output", "model.layers.0.self_attn.o_proj")),
    ],
)
def test_the_first_number_that_is_none_is_named(
    begun: tuple[train.Trainee, list[Batch]], name: str, at: tuple[int, int], value: float, seen: tuple[str, str]
) -> None:
    trainee, batches = begun
    tensor = weight(trainee.hero, name)
    kept = tensor.clone()
    try:
        tensor[at] = value
        if value == 3e38:
            tensor[:] = value
        found = non_finite.find(trainee, batches, trainee.order.recipe)
    finally:
        tensor.copy_(kept)
    assert found is not None
    assert (found.kind, found.tensor) == seen
    if found.kind == "weight":
        assert (found.index, found.value) == (at, "nan")
    assert non_finite.find(trainee, batches, trainee.order.recipe) is None
    assert all(one.grad is None for one in trainee.hero.trainable.values())


def test_a_gradient_that_is_none_is_named(
    begun: tuple[train.Trainee, list[Batch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainee, batches = begun
    name = "model.layers.1.mlp.down_proj.weight"
    parameter = trainee.hero.trainable[name]

    def spoiled(gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.clone()
        gradient[2, 9] = torch.inf
        return gradient

    hook = parameter.register_hook(spoiled)
    found = non_finite.find(trainee, batches, trainee.order.recipe)
    hook.remove()
    assert found == NotFinite(kind="gradient", tensor=name, index=(2, 9), value="inf")


def test_the_fault_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = tiny_hero.make_order(tmp_path, rows=30)
    original, spoiled = train.take_step, list[int]()

    def spoil(some: train.Run) -> bool:
        if some.trainee.step == 2 and not spoiled:
            spoiled.append(3)
            weight(some.trainee.hero, "model.norm.weight")[4] = torch.nan
        return original(some)

    monkeypatch.setattr(train, "take_step", spoil)
    (fault,) = (event for event in run(order) if event.kind == EventKind.FAULT)
    place = {"kind": "weight", "tensor": "model.norm.weight", "index": [4], "value": "nan"}
    assert fault.data["not_finite"] == place
    assert "the first that is not finite is weight model.norm.weight [4]: nan" in fault.message
    (anomaly,) = of_battle(Path(order.battle_folder)).anomalies
    assert (anomaly.step, anomaly.tensor, anomaly.index) == (3, "model.norm.weight", (4,))
    assert anomaly.lines == tuple(fault.data["lines"])

"""Faults planted in a step: what is undone, written down and told, and when the battle stops trying."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.hero.model import Hero
from arena.protocol import Event, EventKind, Order, StepRecord
from arena.training import service, train
from arena.training.batch import Batch
from arena.training.faults import Fault, FaultHistory
from arena.training.start import Trainee
from realm.checkpoints import sidecar
from realm.world import CHECKOUT
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow

Planted = Callable[[int, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""From the hero's step, its loss and gradient norm to those that the planted fault makes of them."""


def plant(patch: pytest.MonkeyPatch, planted: Planted) -> None:
    """Spoil what a step measures, after the fact: the guard against a bad update is tested where it is."""
    original = train.optimizer_step

    def spoiled(trainee: Trainee, *rest: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        loss, norm = original(trainee, *rest, **named)  # type: ignore[arg-type]
        return planted(trainee.step + 1, loss, norm)

    patch.setattr(train, "optimizer_step", spoiled)


def flagged(tmp_path: Path) -> list[dict[str, object]]:
    files = sorted((tmp_path / "flagged").iterdir())
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def faults_of(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == EventKind.FAULT]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return tiny_hero.make_order(tmp_path, rows=160, flagged_folder=str(tmp_path / "flagged"))


@pytest.fixture
def undisturbed(tmp_path: Path, order: Order) -> dict[str, str]:
    """What the same order ends in when nothing goes wrong."""
    (tmp_path / "undisturbed").mkdir()
    twin = tiny_hero.make_order(tmp_path / "undisturbed", rows=160)
    assert twin.quest_sha256 == order.quest_sha256
    run(twin)
    return digests(twin)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda loss, norm: (loss * torch.nan, norm),
        lambda loss, norm: (loss, norm * torch.inf),
    ],
    ids=["nan-loss", "inf-gradient"],
)
@pytest.mark.parametrize("at", [1, 6, 8])
def test_a_step_that_is_not_finite_once_costs_nothing_but_time(
    order: Order,
    undisturbed: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    at: int,
) -> None:
    """Step 1 has no checkpoint behind it, 6 follows one that is not on the disk yet, 8 lies between."""
    spoiled: list[int] = []

    def once(step: int, loss: torch.Tensor, norm: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if step != at or spoiled:
            return loss, norm
        spoiled.append(step)
        return spoil(loss, norm)

    plant(monkeypatch, once)
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == undisturbed
    (fault,) = faults_of(events)
    assert fault.data["fault"] == Fault.NON_FINITE
    assert fault.data["quest_step"] == at
    assert sorted(row["line"] for row in flagged(tmp_path)) == sorted(fault.data["lines"])  # type: ignore[type-var]
    assert flagged(tmp_path)[0]["row"] == tiny_hero.row_of(order, int(str(flagged(tmp_path)[0]["line"])))
    assert sidecar.read(newest(order)).faults == {"non_finite": 1}
    steps = [record.step for record in records(order)]
    assert steps == list(range(1, len(steps) + 1))


def records(order: Order) -> list[StepRecord]:
    data = (Path(order.battle_folder) / "steps.bin").read_bytes()
    return [StepRecord.unpack(data[at : at + StepRecord.SIZE]) for at in range(0, len(data), StepRecord.SIZE)]


def test_without_going_back_the_weights_end_otherwise(
    order: Order, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the spoiled step is passed over as if it had been done."""

    def at_eight(step: int, loss: torch.Tensor, norm: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (loss * torch.nan, norm) if step == 8 else (loss, norm)

    def blind(run: train.Run, measured: list[StepRecord]) -> None:
        for record in measured:
            run.log.add_step(record, total_steps=run.quest.total_steps)

    original = train.optimizer.step_if
    count = iter(range(1, 10_000))
    monkeypatch.setattr(
        train.optimizer,
        "step_if",
        lambda adamw, allowed: original(adamw, allowed if next(count) != 8 else torch.tensor(False)),
    )
    plant(monkeypatch, at_eight)
    monkeypatch.setattr(train, "watch", blind)
    run(order)
    assert digests(order) != undisturbed


def always_at(at: int) -> Planted:
    return lambda step, loss, norm: (loss * torch.nan, norm) if step == at else (loss, norm)


def test_a_step_that_goes_wrong_again_and_again_makes_the_battle_rest_and_say_why(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, always_at(7))
    events = run(order)
    assert len(faults_of(events)) == order.recipe.most_faults
    last = events[-1]
    assert (last.kind, last.data["asked"]) == (EventKind.BATTLE_PAUSED, "faults")
    assert "step 7 of the quest went wrong 3 times" in last.data["reason"]
    assert sidecar.read(newest(order)).step == 5

    again = run(order)  # resumed by the player: one more try, then it rests again
    assert [event.kind for event in again][-2:] == [EventKind.FAULT, EventKind.BATTLE_PAUSED]


def test_resumed_when_the_trouble_is_gone_it_ends_as_if_nothing_had_been(
    order: Order, undisturbed: dict[str, str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch, always_at(7))
        run(order)
    assert run(order)[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == undisturbed


def test_faults_at_more_than_one_step_in_a_hundred_make_the_battle_rest(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled: set[int] = set()

    def each_once(step: int, loss: torch.Tensor, norm: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if step % 2 or step in spoiled:
            return loss, norm
        spoiled.add(step)
        return loss * torch.nan, norm

    plant(monkeypatch, each_once)
    events = run(order)
    assert events[-1].data["asked"] == "faults"
    assert "3 of the last 6 steps went wrong, more than 1%" in events[-1].data["reason"]


def told(*faults: tuple[str, int]) -> FaultHistory:
    return FaultHistory(
        tuple(
            Event(seq=seq, time=0, kind=EventKind.FAULT, step=at, message="", data={"fault": fault, "quest_step": at})
            for seq, (fault, at) in enumerate(faults, start=1)
        )
    )


def test_the_error_rate_counts_the_last_thousand_steps() -> None:
    long_ago = [(Fault.NON_FINITE, step) for step in (10, 20, 30)]
    assert told(*long_ago, (Fault.NON_FINITE, 2000)).why_pause(2000, 3) is None
    many = [(Fault.NON_FINITE, 2000 + step) for step in range(11)]
    assert told(*many[:10]).why_pause(2010, 3) is None
    assert "11 of the last 1000 steps" in str(told(*many).why_pause(2010, 3))


def test_a_divergence_goes_back_to_before_it_and_halves_the_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(tiny_hero.RECIPE, epochs=8, warmup_steps=0)
    order = tiny_hero.make_order(tmp_path, rows=80, recipe=recipe, flagged_folder=str(tmp_path / "flagged"))
    seen: list[int] = []

    def rising(step: int, loss: torch.Tensor, norm: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(step)
        gone_back = seen != sorted(seen)
        return (loss if gone_back else loss + max(0, step - 30) * 2), norm

    plant(monkeypatch, rising)
    events = run(order)
    (fault,) = faults_of(events)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert fault.data["fault"] == Fault.DIVERGENCE
    assert int(fault.data["checkpoint"].split("-")[1]) <= 35 < fault.step
    assert list(Path(order.hero_folder).glob("diverged-checkpoint-*"))
    by_step = {record.step: record.learning_rate for record in records(order)}
    assert by_step[5] == pytest.approx(recipe.learning_rate)
    assert by_step[max(by_step)] == pytest.approx(recipe.learning_rate / 2)
    assert sidecar.read(newest(order)).faults == {"divergence": 1}


def test_out_of_memory_halves_the_micro_batch_and_goes_on(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    original = train.token_losses

    def short_of_memory(hero: Hero, batch: Batch) -> torch.Tensor:
        if batch.tokens > 64:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(hero, batch)

    monkeypatch.setattr(train, "token_losses", short_of_memory)
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    (fault,) = faults_of(events)
    assert (fault.data["fault"], fault.data["rows_per_micro_batch"]) == (Fault.OUT_OF_MEMORY, 1)
    assert sidecar.read(newest(order)).faults == {"out_of_memory": 1}
    assert all(record.tokens > 64 for record in records(order)[:-1])  # the step itself is as large as ever


def test_without_halving_the_battle_dies(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: nothing knows the exception."""

    def short_of_memory(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(train, "token_losses", short_of_memory)
    monkeypatch.setattr(train, "is_out_of_memory", lambda error: False)
    monkeypatch.setattr(service, "is_out_of_memory", lambda error: False)
    with pytest.raises(torch.OutOfMemoryError):
        run(order)


def test_where_not_one_row_fits_the_hero_is_to_blame_and_the_sentence_says_what_to_do(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_memory(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(train, "token_losses", short_of_memory)
    last = run(order)[-1]
    assert (last.kind, last.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")
    assert "lower max_length" in last.message


def test_memory_that_is_really_short_is_known_as_such(tmp_path: Path) -> None:
    """The CPU's allocator says it in other words than CUDA; asked in a process that may have little."""
    source = (
        "import resource, torch\n"
        "from arena.training.faults import is_out_of_memory\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({64 << 30}, resource.RLIM_INFINITY))\n"
        "try:\n    torch.empty(1 << 46, dtype=torch.uint8)\n"
        "except Exception as error:\n    print(is_out_of_memory(error))\n"
        "print(is_out_of_memory(RuntimeError('shapes differ')))\n"
    )
    assert resource.RLIMIT_AS
    done = subprocess.run([sys.executable, "-c", source], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "False"], done.stderr

"""Memory that runs out elsewhere than in a step's micro-batches, or in one of several processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arena.hero import model as heroes
from arena.hero.model import Hero
from arena.protocol import STEP_DTYPE, STEPS_FILE, EventKind, Order
from arena.recipe import Recipe
from arena.training import optimizer, packing_certificate, scoring, train
from arena.training.faults import is_out_of_memory
from realm.world import CHECKOUT
from tests.support import tiny_hero
from tests.support.runs import events_of, run


def no_room(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(("module", "name"), [(heroes, "load"), (packing_certificate, "certify"), (train, "mean_loss")])
def test_the_quest_is_not_to_blame_where_it_was_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    monkeypatch.setattr(module, name, no_room)
    last = run(tiny_hero.make_order(tmp_path, rows=20))[-1]
    assert (last.kind, last.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")
    assert "lower max_length or rows_per_micro_batch" in last.message


def test_without_knowing_it_the_process_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: then the daemon counts a death of the quest."""
    monkeypatch.setattr(packing_certificate, "certify", no_room)
    monkeypatch.setattr("arena.training.service.is_out_of_memory", lambda _: False)
    with pytest.raises(torch.OutOfMemoryError):
        run(tiny_hero.make_order(tmp_path, rows=20))


def rows_of_scores(folder: Path, patch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each score of a battle has computed at once that ran short of memory at its third step."""
    rows, step, score = list[int](), train.optimizer_step, scoring.score
    short = iter([False, False, True])

    def short_once(*arguments: Any, **named: Any) -> Any:
        return no_room() if next(short, False) else step(*arguments, **named)

    def noting(hero: Hero, recipe: Recipe, *rest: Any) -> Any:
        rows.append(recipe.rows_per_micro_batch)
        return score(hero, recipe, *rest)

    patch.setattr(train, "optimizer_step", short_once)
    patch.setattr(scoring, "score", noting)
    sets = tiny_hero.validation(folder, 4)
    run(tiny_hero.make_order(folder, rows=40, recipe=replace(tiny_hero.RECIPE, validate_every=2), validation_sets=sets))
    return rows


@pytest.mark.slow
def test_scores_take_no_more_rows_at_once_than_memory_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *later = rows_of_scores(tmp_path, monkeypatch)
    assert (first, set(later)) == (2, {1})


@pytest.mark.slow
def test_twin_by_the_recipe_alone_they_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "rows_at_once", lambda run: run.order.recipe.rows_per_micro_batch)
    assert set(rows_of_scores(tmp_path, monkeypatch)) == {2}


def test_the_moments_are_there_before_the_first_step(hero: Hero) -> None:
    """Made within it, a shortage would leave some of them half-made; one without a gradient would have none to save."""
    adamw = optimizer.build(hero, tiny_hero.RECIPE)
    assert all(
        set(adamw.state[parameter]) == {"step", "exp_avg", "exp_avg_sq"} for parameter in hero.trainable.values()
    )
    torchs_own = torch.optim.AdamW(hero.trainable.values(), fused=True)
    for parameter in hero.trainable.values():
        parameter.grad = torch.ones_like(parameter)
    torchs_own.step()
    for parameter in hero.trainable.values():
        mine, theirs = adamw.state[parameter], torchs_own.state[parameter]
        assert {key: (value.dtype, value.shape, value.device) for key, value in mine.items()} == {
            key: (value.dtype, value.shape, value.device) for key, value in theirs.items()
        }


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("CUDA error: out of memory\nCUDA kernel errors might be reported asynchronously", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_what_cuda_says_in_text_is_known(text: str, short: bool) -> None:
    assert is_out_of_memory(RuntimeError(text)) == short


PROGRAM = """
import os, sys, torch
from arena.training import train
original, calls = train.token_losses, []

def short_of_memory(*args):
    calls.append(1)
    if os.environ["RANK"] == "1" and len(calls) == 4:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return original(*args)

train.token_losses = short_of_memory
from arena.training.__main__ import main
sys.exit(main())
"""


def launch(order: Order, *program: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    fixed = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    threads = ["--num_cpu_threads_per_process", "1"]
    return subprocess.run(
        [*launcher, *fixed, *threads, *program, "--order", f"{order.battle_folder}/order.json"],
        cwd=CHECKOUT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.large
@pytest.mark.timeout(300)
def test_what_one_process_of_several_is_short_of_shrinks_the_part_of_each(tmp_path: Path) -> None:
    """Its own alone would overlap with the others', silently; so all of them end, and all begin again."""
    for name in ("calm", "short"):
        (tmp_path / name).mkdir()
    recipe = replace(tiny_hero.RECIPE, rows_per_micro_batch=2)
    calm, order = (tiny_hero.make_order(tmp_path / name, rows=40, recipe=recipe) for name in ("calm", "short"))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    short = launch(order, str(program))
    assert short.returncode != 0
    assert "out of memory in rank 1 of 2" in short.stderr
    assert EventKind.BATTLE_COMPLETED not in [event.kind for event in events_of(order)]

    again = launch(order, "-m", "arena.training")
    assert again.returncode == 0, again.stderr[-3000:]
    told = [event for event in events_of(order) if event.kind == EventKind.FAULT]
    assert [event.data["rows_per_micro_batch"] for event in told] == [1]
    assert told[0].data["reason"].startswith("rank 1 of 2: CUDA out of memory")
    assert events_of(order)[-1].kind == EventKind.BATTLE_COMPLETED
    run(calm)
    mine, theirs = (np.fromfile(Path(each.battle_folder) / STEPS_FILE, dtype=STEP_DTYPE) for each in (order, calm))
    assert list(mine["trained_tokens"]) == list(theirs["trained_tokens"])  # all rows of each step, each once
    assert np.abs(mine["loss"] - theirs["loss"]).max() <= 1e-5

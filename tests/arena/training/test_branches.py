"""A battle goes on from its branch: exactly as the hero did from there before, whatever lies on other branches."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from arena.protocol import EventKind, Order
from arena.training.control import Control
from arena.training.saving import checkpoint
from arena.training.service import run_order
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero
from tests.support.runs import Digests, run

pytestmark = pytest.mark.slow


def next_battle(order: Order, folder: Path, name: str, *, seed: int = 3, **overrides: object) -> Order:
    (folder / name).mkdir()
    quest = tiny_hero.write_quest(folder / f"{name}.jsonl", 24, seed=seed)
    fields = {"battle": name, "battle_folder": str(folder / name), "quest": name, "quest_file": str(quest)}
    order = replace(order, **fields, quest_sha256=sidecar.digest(quest), **overrides)  # type: ignore[arg-type]
    order.write()
    return order


def saved_by(order: Order) -> tuple[sidecar.Sidecar, Digests]:
    """The battle's last checkpoint, and the digests of all that training produced."""
    mine = [sidecar.read(folder) for folder in checkpoint_folders(Path(order.hero_folder))]
    newest = next(one for one in mine if one.battle == order.battle)
    return newest, {name: newest.files[name].sha256 for name in newest.files if name.endswith(".safetensors")}


@pytest.fixture(scope="module")
def hero(tmp_path_factory: pytest.TempPathFactory) -> tuple[Order, Path]:
    """A hero that has fought one quest, then another; the folder."""
    folder = tmp_path_factory.mktemp("line")
    first = tiny_hero.make_order(folder, rows=24)
    run(first)
    run(next_battle(first, folder, "second"))
    return first, folder


@pytest.fixture
def copied(hero: tuple[Order, Path], tmp_path: Path) -> tuple[Order, Path]:
    order, folder = hero
    for name in ("hero", "base"):
        shutil.copytree(folder / name, tmp_path / name)
    return replace(order, hero_folder=str(tmp_path / "hero"), base_model=str(tmp_path / "base")), tmp_path


def go_on_from(order: Order, battle: str | None) -> str:
    start = saved_by(replace(order, battle=battle))[0] if battle else None
    return branches.go_on_from(Path(order.hero_folder), start, moment=datetime.now().astimezone()).active


def test_from_the_same_checkpoint_the_same_quest_gives_the_same_weights(
    copied: tuple[Order, Path],
) -> None:
    order, folder = copied
    branch = go_on_from(order, "battle")
    again = next_battle(order, folder, "again", branch=branch)
    run(again)
    old, old_digests = saved_by(replace(order, battle="second"))
    new, new_digests = saved_by(again)
    assert new_digests == old_digests
    assert (new.step, new.branch, old.branch) == (old.step, "2", "")
    assert new.name != old.name


def test_twin_without_the_line_it_would_go_on_from_the_newest(
    copied: tuple[Order, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    order, folder = copied
    branch = go_on_from(order, "battle")
    monkeypatch.setattr(branches, "line_folders", lambda folder, branch=None: checkpoint_folders(folder))
    again = next_battle(order, folder, "again", branch=branch)
    run(again)
    assert saved_by(again)[1] != saved_by(replace(order, battle="second"))[1]


def test_a_warm_trainer_notices_and_base_begins_anew(copied: tuple[Order, Path]) -> None:
    order, folder = copied
    warm = run_order(next_battle(order, folder, "third", seed=5), Control(), None, lambda _: None)
    branch = go_on_from(order, None)
    fresh = next_battle(order, folder, "fresh", branch=branch)
    run_order(fresh, Control(), warm, lambda _: None)
    saved, digests = saved_by(fresh)
    alone = next_battle(replace(order, hero_folder=str(folder / "alone")), folder, "alone-battle")
    run(alone)
    assert (saved.step, saved.parent) == (saved_by(alone)[0].step, None)
    assert digests == saved_by(alone)[1]


def test_a_damaged_checkpoint_of_the_branch_is_refused_and_others_are_not_touched(
    copied: tuple[Order, Path],
) -> None:
    order, folder = copied
    branch = go_on_from(order, "battle")
    left = saved_by(replace(order, battle="second"))[0].name
    again = next_battle(order, folder, "again", branch=branch)
    run(again)
    mine = Path(order.hero_folder) / saved_by(again)[0].name
    (mine / "model.safetensors").write_bytes(b"damage")
    events = run(next_battle(order, folder, "onwards", seed=7, branch=branch))
    assert next(event.kind for event in events) == EventKind.CHECKPOINT_REFUSED
    assert not mine.exists()
    assert (Path(order.hero_folder) / left).exists()
    before = len(checkpoint_folders(Path(order.hero_folder)))
    checkpoint.drop_after(Path(order.hero_folder), 0, branch)
    kept = branches.line_folders(Path(order.hero_folder), branch)
    assert {branches.branch_of(folder) for folder in kept} == {""}
    assert len(checkpoint_folders(Path(order.hero_folder))) < before
    assert (Path(order.hero_folder) / left).exists()

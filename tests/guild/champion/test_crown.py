"""The champion of a world: read from sidecars and answers, remembered beside the checkpoints."""

from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone

from guild.champion import candidates, crown
from guild.models import Evaluation, EvaluationTask
from realm.checkpoints import branches, names, sidecar
from realm.checkpoints.sidecar import MeasuredOver
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.treasury import apply
from vault.index import scan
from vault.ledger import get_ledger

pytestmark = pytest.mark.django_db
TAUGHT = MeasuredOver(name="taught", rows=60, sha256="a" * 64)


def save(world: World, step: int, loss: float, answers: dict[int, int] | None = None, **facts: Any) -> str:
    """A checkpoint that answered so many of 25 problems of BIN's levels."""
    name = make_checkpoint(world.heroes, step, val_loss=loss, val_set=TAUGHT, **facts).name
    for level, correct in (answers or {}).items():
        Evaluation.objects.create(
            hero="DIO", checkpoint=name, step=step, skill="bin", level=level, correct=correct, total=25,
            evaluated_at=timezone.now(),
        )  # fmt: skip
    scan(world)
    return name


def test_a_level_that_was_not_asked_counts_as_it_was_known_last(world: World) -> None:
    save(world, 1, 0.9, {1: 25})
    asked = save(world, 2, 0.8, {1: 25, 2: 25})
    save(world, 3, 0.1, {2: 25, 1: 0})
    lost = save(world, 4, 0.1, {2: 25})  # level 1 not asked: it is lost since step 3
    assert crown.best(world, "DIO", "levels") == asked
    regained = save(world, 5, 0.7, {1: 25})
    assert crown.best(world, "DIO", "levels") == regained
    assert lost


def test_the_ledger_knows_every_metric(world: World) -> None:
    first = save(world, 1, 0.9, {1: 25}, train_loss=0.2)
    second = save(world, 2, 0.8, {1: 25, 2: 20}, train_loss=0.3)
    third = save(world, 3, 0.1, {1: 0}, train_loss=0.4)
    best = {metric: get_ledger().get_best(metric) for metric in ("levels", "train_loss", "val_loss", "accuracy")}
    names = {metric: entry.canonical_name for metric, entry in best.items() if entry}
    assert names == {"levels": second, "train_loss": first, "val_loss": third, "accuracy": first}
    assert get_ledger().get_best("bin/7") is None


def test_the_champion_is_remembered_and_room_is_not_made_of_it(world: World) -> None:
    first = save(world, 1, 0.1, {1: 25, 2: 25}, train_loss=9.0)
    for step in range(2, 5):
        save(world, step, 0.2 - step / 100, {1: 0}, train_loss=1 / step)
    champion = crown.crown(world, "DIO", "levels")
    assert champion
    assert (champion.name, crown.crowned(world, "DIO")) == (first, {first})
    assert first not in apply(world, 2).deleted
    assert (world.heroes / "DIO" / first).is_dir()


def test_twin_without_the_memory_the_champion_makes_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crown, "crowned", lambda world, hero: set())
    first = save(world, 1, 0.9, {1: 25, 2: 25}, train_loss=9.0)
    for step in range(2, 5):
        save(world, step, 0.2, {1: 0}, train_loss=1 / step)
    assert first in apply(world, 2).deleted


def test_who_is_yet_to_be_asked_waits(world: World) -> None:
    first = save(world, 1, 0.9)
    second = save(world, 2, 0.1)
    task = EvaluationTask.objects.create(hero="DIO", checkpoint=second, step=2, skill="bin", level=1)
    assert crown.crown(world, "DIO", "levels").name == first  # type: ignore[union-attr]
    task.state = EvaluationTask.State.DONE
    task.save()
    champion = crown.crown(world, "DIO", "levels")
    assert champion
    assert (champion.name, champion.previous) == (second, first)


def test_another_metric_chooses_anew(world: World) -> None:
    save(world, 1, 0.9, train_loss=0.1)
    crown.crown(world, "DIO", "levels")
    second = save(world, 2, 0.1, train_loss=0.2)
    assert crown.crown(world, "DIO", "val_loss").name == second  # type: ignore[union-attr]
    assert crown.crown(world, "DIO", "train_loss").step == 1  # type: ignore[union-attr]


def gone_back(world: World) -> tuple[str, str]:
    """The first checkpoint, from which the hero goes on as a branch, and the champion that it leaves behind."""
    first = save(world, 1, 0.9, {1: 25})
    left = save(world, 2, 0.1, {1: 25, 2: 25})
    crown.crown(world, "DIO", "levels")
    start = sidecar.read(world.heroes / "DIO" / first)
    branches.go_on_from(world.heroes / "DIO", start, moment=timezone.now())
    return first, left


def test_a_champion_is_of_the_line_that_the_hero_goes_on_from(world: World) -> None:
    first, left = gone_back(world)
    assert crown.champion(world, "DIO", "levels").name == first  # type: ignore[union-attr]
    crown.crown(world, "DIO", "levels")
    assert crown.crowned(world, "DIO") == {first, left}, "the branch that was left keeps its own"


def test_a_battle_of_a_left_branch_crowns_there(world: World) -> None:
    """As when a lost database is made anew: its events come first, and the active branch has not answered again yet."""
    first, left = gone_back(world)
    crown.crown(world, "DIO", "levels")
    unasked = save(world, 2, 0.1, branch="2", name="checkpoint-2-20260101-1240")
    Evaluation.objects.all().delete()
    crown.crown(world, "DIO", "levels", branch="", until=2)
    assert crown.crowned(world, "DIO") == {first, left}
    crown.crown(world, "DIO", "levels", until=2)  # the twin
    assert crown.crowned(world, "DIO") == {unasked, left}


def test_twin_without_lines_the_left_one_would_be_champion(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, left = gone_back(world)
    folders = lambda folder, branch=None: names.checkpoint_folders(folder)  # noqa: E731
    monkeypatch.setattr(branches, "line_folders", folders)
    monkeypatch.setattr(candidates, "on_line", lambda hero, branch: Q())
    assert crown.best(world, "DIO", "levels") == left != first


def test_of_many_that_nobody_judged_a_page_names_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = [save(world, step, 1 / step, {1: 25}) for step in (1, 2, 3)]
    judged = []
    read = candidates.read_candidates
    monkeypatch.setattr(crown, "read_candidates", lambda *args, **kwargs: judged.append(args) or read(*args, **kwargs))
    monkeypatch.setattr(crown, "MOST_JUDGED", 2)
    assert crown.quick_champion(world, "DIO", "levels") is None
    assert not judged
    assert (crowned := crown.crown(world, "DIO", "levels")) is not None
    assert crown.quick_champion(world, "DIO", "levels") == crowned
    assert crowned.name in saved
    monkeypatch.setattr(crown, "MOST_JUDGED", 200)
    (world.heroes / "DIO" / crown.FILE).unlink()
    assert crown.quick_champion(world, "DIO", "levels") == crowned

"""When a battle validates and saves: at the steps that the recipe names, and at its end."""

from dataclasses import replace
from pathlib import Path

import pytest

from arena.protocol import Event, EventKind, Order
from arena.training import train
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero
from tests.support.runs import run

pytestmark = pytest.mark.slow

VALIDATION_ROWS = 2


def make(folder: Path, **changes: int | bool | str) -> Order:
    folder.mkdir()
    validation = tiny_hero.validation(folder, VALIDATION_ROWS, seed=5)
    recipe = replace(tiny_hero.RECIPE, **changes)  # type: ignore[arg-type]
    return tiny_hero.make_order(folder, rows=110, recipe=recipe, validation_sets=validation)


def steps_of(events: list[Event], kind: EventKind) -> list[int]:
    return [event.step for event in events if event.kind == kind]


@pytest.mark.parametrize(("every", "expected"), [(0, [0, 5, 10, 12]), (4, [0, 4, 8, 12]), (7, [0, 7, 12])])
def test_validates_first_at_its_own_interval_and_at_the_end(tmp_path: Path, every: int, expected: list[int]) -> None:
    order = make(tmp_path / "quest", validate_every=every)
    events = run(order)
    assert steps_of(events, EventKind.VALIDATED) == expected
    assert steps_of(events, EventKind.CHECKPOINT_SAVED) == [5, 10, 12]
    losses = {event.step: event.data["val_loss"] for event in events if event.kind == EventKind.VALIDATED}
    for folder in checkpoint_folders(Path(order.hero_folder)):
        entry = sidecar.read(folder)
        assert entry.val_loss == losses.get(entry.step)


def test_slow_steps_are_saved_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the test goes on by ten seconds with each look."""
    order = make(tmp_path / "quest", save_every=1000, save_seconds=60)
    now = iter(range(0, 1_000_000, 10))
    monkeypatch.setattr(train, "monotonic", lambda: next(now))
    saved = steps_of(run(order), EventKind.CHECKPOINT_SAVED)
    assert saved[-1] == 12
    assert len(saved) > 1
    assert all(later - earlier <= 6 for earlier, later in zip([0, *saved], saved, strict=False))


def test_by_default_quick_steps_are_not(tmp_path: Path) -> None:
    assert steps_of(run(make(tmp_path / "quest", save_every=1000)), EventKind.CHECKPOINT_SAVED) == [12]


def test_computing_activations_again_trains_the_same(tmp_path: Path) -> None:
    """Gradient checkpointing is the same sum, computed twice."""
    outcomes = []
    for name, again in (("kept", False), ("again", True)):
        order = make(tmp_path / name, gradient_checkpointing=again)
        events = run(order)
        outcomes.append([event.data["val_loss"] for event in events if event.kind == EventKind.VALIDATED])
    assert outcomes[0] == pytest.approx(outcomes[1], abs=1e-5)

"""Label, note and tags of a battle: kept in its folder, found by its row, and found again in a new database."""

from __future__ import annotations

import threading

import pytest

from arena.daemon import recovery
from arena.history import finding, notes
from arena.history.finding import Search
from arena.history.notes import BadNotes, Notes
from arena.models import Battle, Quest
from realm.world import World
from tests.support.fought import fought

pytestmark = pytest.mark.django_db


def found(**search: str) -> list[str]:
    return [battle.battle_id for battle in finding.battles(Search(**search))]


def test_they_are_found_by_every_word_that_stands_anywhere(world: World) -> None:
    first, second = fought(world, "sums-1", skill="bin"), fought(world, "words-2", state=Battle.State.STOPPED)
    notes.change(world, first, label="Too hot", note="the rate was wrong", tags=["good", "lower-rate"])
    notes.change(world, second, add=["good"])
    assert found() == ["words-2", "sums-1"]
    for text in ("hot", "RATE wrong", "sums", "bin", "completed", "lower-rate", "dio too"):
        assert "sums-1" in found(text=text), text
    assert found(text="hot words") == []
    assert found(tag="good") == ["words-2", "sums-1"]
    assert found(tag="goo") == []
    assert found(state="stopped") == ["words-2"]
    assert found(skill="bin") == ["sums-1"]
    with pytest.raises(ValueError, match="none of training"):
        Search(state="nonsense")


def test_what_is_left_out_stays_and_tags_come_once(world: World) -> None:
    battle = fought(world)
    notes.change(world, battle, label="a", note="b", tags=["Good"])
    changed = notes.change(world, battle, add=["good", "new"], remove=["nothing"])
    assert changed == Notes(label="a", note="b", tags=("Good", "new")) == notes.read(world, battle.battle_id)


@pytest.mark.parametrize(
    ("field", "value"),
    [("label", "x" * 121), ("label", "two\nlines"), ("note", "x" * 4001), ("tags", ["<b>"]), ("tags", ["x"] * 1 + [
        f"t{number}" for number in range(12)])],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_its_field(world: World, field: str, value: object) -> None:
    battle = fought(world)
    with pytest.raises(BadNotes, match=f"^{field}: "):
        notes.change(world, battle, **{field: value})  # type: ignore[arg-type]
    assert notes.read(world, battle.battle_id) == notes.NO_NOTES


def test_a_new_database_finds_them_again(world: World) -> None:
    battle = fought(world)
    notes.change(world, battle, label="kept", tags=["good"])
    Battle.objects.all().delete()
    Quest.objects.all().delete()
    assert found() == []
    recovery._align_files(world)
    assert found(tag="good", text="kept") == ["sums-1"]


def test_twin_without_the_file_they_are_lost(world: World) -> None:
    battle = fought(world)
    notes.change(world, battle, label="kept", tags=["good"])
    (world.battles / "sums-1" / notes.FILE).unlink()
    Battle.objects.all().delete()
    Quest.objects.all().delete()
    recovery._align_files(world)
    assert found() == ["sums-1"]
    assert found(tag="good") == []


def test_the_daemon_saving_its_row_keeps_them(world: World) -> None:
    """The daemon holds a battle's row in memory and writes all of it; the notes have a row of their own."""
    battle = fought(world, state=Battle.State.TRAINING)
    held = Battle.objects.get(pk=battle.pk)
    notes.change(world, battle, note="mine")
    held.save()
    assert found(text="mine") == ["sums-1"]


def test_one_who_writes_waits_for_the_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read and write are one: the file is locked meanwhile, so that no tag of another is lost."""
    battle = fought(world)
    seen = []
    real = notes.index
    monkeypatch.setattr(notes, "index", lambda *of: (seen.append(_is_locked(world)), real(*of)))
    notes.change(world, battle, add=["a"])
    assert seen == [True]
    assert not _is_locked(world)


def _is_locked(world: World) -> bool:
    answers: list[bool] = []

    def ask() -> None:
        try:
            with notes.held(world.control / "notes.lock", seconds=0):
                answers.append(False)
        except Exception:
            answers.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0]

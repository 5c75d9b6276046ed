"""Which checkpoints a hero has come from, once it went back to an older one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from realm.checkpoints import branches, sidecar
from realm.checkpoints.branches import AmbiguousStep, at_step, go_on_from, line_folders, tip
from realm.checkpoints.names import canonical_name, checkpoint_folders, free_name, step_of
from tests.support.checkpoints import make_checkpoint

MOMENT = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


def save(heroes: Path, step: int, *, branch: str = "", minute: int = 30) -> Path:
    name = canonical_name(step, datetime(2026, 1, 1, 12, minute, tzinfo=UTC))
    return make_checkpoint(heroes, step, branch=branch, name=name, created_at=f"2026-01-01T12:{minute}:00+00:00")


def go(hero: Path, start: Path | None) -> str:
    return go_on_from(hero, sidecar.read(start) if start else None, moment=MOMENT).active


def steps(hero: Path, branch: str | None = None) -> list[int | None]:
    return [step_of(folder.name) for folder in line_folders(hero, branch)]


@pytest.fixture
def hero(tmp_path: Path) -> Path:
    """Steps 1 to 3 on the first branch; from 2 on a second one with its own 3; from its base a third one with a 1."""
    first = [save(tmp_path, step) for step in (1, 2, 3)]
    hero = tmp_path / "DIO"
    assert go(hero, first[1]) == "2"
    save(tmp_path, 3, branch="2", minute=40)
    assert go(hero, None) == "3"
    save(tmp_path, 1, branch="3", minute=50)
    return hero


def test_a_line_is_the_branch_and_what_is_before_its_start(hero: Path) -> None:
    assert (steps(hero), steps(hero, "2"), steps(hero, "")) == ([1], [3, 2, 1], [3, 2, 1])
    assert [folder.name[-4:] for folder in line_folders(hero, "2")] == ["1240", "1230", "1230"]
    assert len(checkpoint_folders(hero)) == 5


def sidecars_read_for_the_newest(hero: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    asked, read = [], branches._sidecar_of

    def count(folder: Path) -> sidecar.Sidecar | None:
        asked.append(folder.name)
        return read(folder)

    monkeypatch.setattr(branches, "_sidecar_of", count)
    assert tip(hero, "2") == canonical_name(3, datetime(2026, 1, 1, 12, 40, tzinfo=UTC))
    return len(asked)


def test_the_newest_of_a_line_is_found_without_reading_the_older_ones(
    hero: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sidecars_read_for_the_newest(hero, monkeypatch) == 1


def test_twin_a_whole_line_reads_them_all(hero: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = branches.walk_line
    monkeypatch.setattr(branches, "walk_line", lambda folder, branch=None: iter(list(walk(folder, branch))))
    assert sidecars_read_for_the_newest(hero, monkeypatch) == 5


def test_without_a_file_there_is_one_branch_of_all(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    assert steps(tmp_path / "DIO") == [2, 1]
    assert steps(tmp_path / "nobody") == []


def test_going_back_and_forth_makes_no_more_branches(hero: Path) -> None:
    newest_of_first = line_folders(hero, "")[0]
    assert go(hero, newest_of_first) == ""
    assert go(hero, newest_of_first) == ""
    assert branches.read(hero).changes == 3
    assert go(hero, line_folders(hero, "2")[0]) == "2"
    assert steps(hero) == [3, 2, 1]


def test_a_branch_of_a_branch_goes_on_from_that_one(hero: Path) -> None:
    assert go(hero, line_folders(hero, "2")[0]) == "2"
    save(hero.parent, 5, branch="2", minute=41)
    assert go(hero, line_folders(hero, "2")[1]) == "4"
    assert steps(hero) == [3, 2, 1]
    assert tip(hero) == "checkpoint-3-20260101-1240"


def test_a_step_means_the_active_branch_and_is_ambiguous_elsewhere(hero: Path) -> None:
    assert at_step(hero, 1) == hero / "checkpoint-1-20260101-1250"
    assert at_step(hero, 2) == hero / "checkpoint-2-20260101-1230"
    assert at_step(hero, 9) is None
    with pytest.raises(AmbiguousStep, match=r"checkpoint-3-20260101-1240 \(branch 2\).*1230 \(branch 1\)"):
        at_step(hero, 3)


def test_twin_without_branches_the_newest_name_would_be_taken(hero: Path) -> None:
    (hero / branches.FILE).unlink()
    assert at_step(hero, 3) == hero / "checkpoint-3-20260101-1240"


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"active": "9"}', b'{"active": "", "more": 1}', b"\xff"])
def test_a_damaged_file_is_made_up_for_by_what_the_checkpoints_say(hero: Path, damage: bytes) -> None:
    lines = [steps(hero, name) for name in ("", "2", "3")]
    (hero / branches.FILE).write_bytes(damage)
    found = branches.read(hero)
    assert found.active == "3"  # whose checkpoint is the youngest
    assert found.starts == {"checkpoint-2-20260101-1230"} or found.branches["2"].start is None
    assert steps(hero) == lines[2]
    assert "by what its checkpoints say, DIO is on branch 3" in branches.mend(hero)
    assert (branches.mend(hero), branches.read(hero)) == ("", found)
    assert len(list(hero.glob(f"{branches.FILE}.damaged-*"))) == 1


def test_a_checkpoint_that_cannot_be_read_is_the_branchs_own_where_its_step_allows_it(hero: Path) -> None:
    for folder in checkpoint_folders(hero):
        (folder / sidecar.SIDECAR).write_bytes(b"{")
    assert steps(hero) == [3, 3, 2, 1, 1]
    assert steps(hero, "2") == [3, 3]


def test_names_of_one_step_and_minute_differ(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        names.append(free_name(tmp_path, 7, MOMENT.replace(hour=23, minute=59)))
        (tmp_path / names[-1]).mkdir()
    assert names == ["checkpoint-7-20260102-2359", "checkpoint-7-20260103-0000", "checkpoint-7-20260103-0001"]


def test_the_file_is_read_as_it_was_written(hero: Path) -> None:
    value = json.loads((hero / branches.FILE).read_bytes())
    assert value["active"] == "3"
    assert value["branches"]["2"]["start"] == "checkpoint-2-20260101-1230"
    assert value["branches"]["3"]["start"] is None

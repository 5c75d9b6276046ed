import shutil
from pathlib import Path

import pytest

from realm.disk.ballast import ROOM_FACTOR, SIZE_BYTES, Ballast


def test_it_holds_real_blocks_and_gives_them_back(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "b")
    assert ballast.hold()
    assert (tmp_path / "b").stat().st_blocks * 512 >= SIZE_BYTES, "a hole would hold no room"
    assert ballast.held
    assert ballast.drop()
    assert not ballast.held
    assert not ballast.drop()


def test_one_that_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"half")
    assert Ballast(tmp_path / "b", 8192).hold()
    assert (tmp_path / "b").stat().st_size == 8192


@pytest.mark.parametrize(("free", "held"), [(ROOM_FACTOR * 8192 - 1, False), (ROOM_FACTOR * 8192, True)])
def test_it_takes_only_what_is_to_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, held: bool) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    assert Ballast(tmp_path / "b", 8192).hold() is held
    assert (tmp_path / "b").exists() is held


def test_where_nothing_can_be_written_it_holds_nothing(tmp_path: Path) -> None:
    assert not Ballast(tmp_path / "gone" / "b").hold()

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realm import durable


class Recorder:
    """Writes down each fsync and rename with the names it was about, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, ...]] = []
        fsync, rename, replace = os.fsync, os.rename, os.replace

        def record_fsync(handle: int) -> None:
            self.calls.append(("fsync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
            fsync(handle)

        def recorded(real: Callable[..., None]) -> Callable[..., None]:
            def record_rename(source: Path, target: Path) -> None:
                self.calls.append(("rename", Path(source).name, Path(target).name))
                real(source, target)

            return record_rename

        monkeypatch.setattr(os, "fsync", record_fsync)
        monkeypatch.setattr(os, "rename", recorded(rename))
        monkeypatch.setattr(os, "replace", recorded(replace))

    def check_written_whole(self, final: str, folder: str, *inside: str) -> None:
        """Every file's fsync comes before the rename, the folder's after it, and nothing has the final name before."""
        (rename,) = [call for call in self.calls if call[0] == "rename" and call[2] == final]
        place = self.calls.index(rename)
        temp = rename[1]
        assert temp.startswith(durable.TEMP_PREFIX), "written under the final name"
        before = {call[1] for call in self.calls[:place] if call[0] == "fsync"}
        assert before >= ({temp} | set(inside)), f"not synced before the rename: {({temp} | set(inside)) - before}"
        assert ("fsync", folder) in self.calls[place + 1 :], "the folder was not synced after the rename"


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_plain(folder: Path) -> None:
    durable.write_bytes(folder / "final", b"new")


def write_json(folder: Path) -> None:
    durable.write_json(folder / "final", {"key": "⓪"})


def copy(folder: Path) -> None:
    source = folder.parent / "source"
    source.write_bytes(b"new")
    durable.copy(source, folder / "final")


def write_folder(folder: Path) -> None:
    with durable.new_folder(folder / "final") as fresh:
        (fresh / "one").write_bytes(b"1")
        (fresh / "sub").mkdir()
        (fresh / "sub" / "two").write_bytes(b"2")


WRITES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "write_bytes": (write_plain, ()),
    "write_json": (write_json, ()),
    "copy": (copy, ()),
    "new_folder": (write_folder, ("one", "sub", "two")),
}


@pytest.mark.parametrize("name", WRITES)
def test_synced_then_renamed_then_the_folder_synced(name: str, folder: Path, recorder: Recorder) -> None:
    write, inside = WRITES[name]
    write(folder)
    recorder.check_written_whole("final", "folder", *inside)
    assert names(folder) == ["final"]


@pytest.mark.parametrize("name", WRITES)
def test_twin_without_fsync_the_check_fails(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    write, inside = WRITES[name]
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    write(folder)
    with pytest.raises(AssertionError, match="not synced before the rename"):
        recorder.check_written_whole("final", "folder", *inside)


@pytest.mark.parametrize("name", WRITES)
def test_twin_without_the_folder_sync_the_check_fails(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    write, inside = WRITES[name]
    sync_folder = durable.sync_folder
    monkeypatch.setattr(durable, "sync_folder", lambda path: None if path == folder else sync_folder(path))
    write(folder)
    with pytest.raises(AssertionError, match="the folder was not synced after the rename"):
        recorder.check_written_whole("final", "folder", *inside)


@pytest.mark.parametrize("name", ["write_bytes", "write_json", "copy"])
def test_twin_straight_to_the_final_name_the_check_fails(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    monkeypatch.setattr(durable, "_temp_beside", lambda path: path)
    WRITES[name][0](folder)
    with pytest.raises(AssertionError, match="written under the final name"):
        recorder.check_written_whole("final", "folder")


@pytest.mark.parametrize("name", ["write_bytes", "write_json", "copy"])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_leaves_the_old_file_and_no_temp(
    name: str, call: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "final").write_bytes(b"old")

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        WRITES[name][0](folder)
    assert names(folder) == ["final"]
    assert (folder / "final").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_an_error_leaves_no_half_folder(call: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_folder(folder)
    assert names(folder) == []


def test_a_folder_whose_writer_fails_is_gone(folder: Path) -> None:
    def fail_half_way() -> None:
        with durable.new_folder(folder / "final") as fresh:
            (fresh / "one").write_bytes(b"1")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert names(folder) == []


def test_the_final_folder_is_absent_until_it_is_whole(folder: Path) -> None:
    with durable.new_folder(folder / "final") as fresh:
        (fresh / "one").write_bytes(b"1")
        assert not (folder / "final").exists()
    assert (folder / "final" / "one").read_bytes() == b"1"


def test_a_new_folder_never_replaces_one(folder: Path) -> None:
    write_folder(folder)
    (folder / "final" / "one").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="final exists already"):
        write_folder(folder)
    assert names(folder) == ["final"]
    assert (folder / "final" / "one").read_bytes() == b"mine"


def test_json_is_readable_utf8_and_never_holds_nan(folder: Path) -> None:
    path = folder / "value.json"
    durable.write_json(path, {"prompt": "NOT ⓪"})
    assert "⓪" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_bytes()) == {"prompt": "NOT ⓪"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        durable.write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_bytes()) == {"prompt": "NOT ⓪"}


def test_the_mode_holds_from_the_first_byte(folder: Path) -> None:
    durable.write_bytes(folder / "secret", b"s", mode=0o600)
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600


def test_a_view_is_replaced_whole_without_waiting_for_the_disk(folder: Path, recorder: Recorder) -> None:
    durable.write_json(folder / "status.json", {}, sync=False)
    assert [call[0] for call in recorder.calls] == ["rename"]


def test_a_move_syncs_both_folders(folder: Path, recorder: Recorder) -> None:
    (folder / "a").touch()
    other = folder.parent / "other"
    other.mkdir()
    durable.move(folder / "a", other / "b")
    assert recorder.calls == [("rename", "a", "b"), ("fsync", "other"), ("fsync", "folder")]
    assert (names(folder), names(other)) == ([], ["b"])


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_move_never_overwrites(kind: str, folder: Path) -> None:
    (folder / "source").write_bytes(b"new")
    target = folder / "target"
    match kind:
        case "file":
            target.write_bytes(b"old")
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")
    with pytest.raises(FileExistsError, match="target exists already"):
        durable.move(folder / "source", target)
    assert (folder / "source").read_bytes() == b"new"
    assert kind != "file" or target.read_bytes() == b"old"


def test_lines_are_appended_whole_and_synced(folder: Path, recorder: Recorder) -> None:
    path = folder / "events.jsonl"
    durable.append_line(path, b"one")
    durable.append_line(path, b"two")
    assert path.read_bytes() == b"one\ntwo\n"
    assert recorder.calls == [("fsync", "events.jsonl")] * 2
    with pytest.raises(ValueError, match="a line holds no newline"):
        durable.append_line(path, b"three\nfour")
    assert path.read_bytes() == b"one\ntwo\n"


def test_temps_of_a_killed_writer_are_swept(folder: Path) -> None:
    (folder / ".tmp-final-ab12").mkdir()
    (folder / ".tmp-final-ab12" / "one").touch()
    (folder / ".tmp-file-cd34").touch()
    (folder / ".tmp-link-ef56").symlink_to(folder.parent)
    (folder / "final").touch()
    assert len(durable.sweep_temps(folder)) == 3
    assert names(folder) == ["final"]
    assert folder.parent.exists()

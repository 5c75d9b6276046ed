import errno
import json
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from realm.disk import durable


class Recorder:
    """Writes down each fsync and rename with the names it was about, in order; a link counts as a rename."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, ...]] = []
        fsync, rename, replace, link = os.fsync, os.rename, os.replace, os.link

        def record_fsync(handle: int) -> None:
            self.calls.append(("fsync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
            fsync(handle)

        def recorded(real: Callable[..., None]) -> Callable[..., None]:
            def record_rename(source: Path, target: Path, **how: bool) -> None:
                self.calls.append(("rename", Path(source).name, Path(target).name))
                real(source, target, **how)

            return record_rename

        monkeypatch.setattr(os, "fsync", record_fsync)
        monkeypatch.setattr(os, "rename", recorded(rename))
        monkeypatch.setattr(os, "replace", recorded(replace))
        monkeypatch.setattr(os, "link", recorded(link))
        moved = durable._rename_without_replacing
        monkeypatch.setattr(durable, "_rename_without_replacing", recorded(moved))

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


@pytest.mark.parametrize("name", ["write_bytes", "write_json"])
def test_twin_straight_to_the_final_name_the_check_fails(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    monkeypatch.setattr(durable, "_temp_beside", lambda path: path)
    WRITES[name][0](folder)
    with pytest.raises(AssertionError, match="written under the final name"):
        recorder.check_written_whole("final", "folder")


@pytest.mark.parametrize("name", ["write_bytes", "write_json"])
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


def copy_straight(source: Path, target: Path) -> None:
    """As `durable.copy` would be without its temp file."""
    target.write_bytes(source.read_bytes())
    durable.sync_file(target)
    os.rename(target, target)
    durable.sync_folder(target.parent)


def test_twin_a_copy_straight_to_the_final_name_the_check_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    monkeypatch.setattr(durable, "copy", copy_straight)
    copy(folder)
    with pytest.raises(AssertionError, match="written under the final name"):
        recorder.check_written_whole("final", "folder")


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_an_error_leaves_no_half_copy(call: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        copy(folder)
    assert names(folder) == []


KINDS = ["file", "folder", "dangling link"]


def put(target: Path, kind: str) -> None:
    match kind:
        case "file":
            target.write_bytes(b"old")
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")


def refuse_hard_links(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)


def check_nothing_is_overwritten(folder: Path, kind: str) -> None:
    put(folder / "final", kind)
    before = (folder / "final").lstat()
    with pytest.raises(FileExistsError, match="final"):
        copy(folder)
    after = (folder / "final").lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert names(folder) == ["final"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_never_overwrites(kind: str, folder: Path) -> None:
    check_nothing_is_overwritten(folder, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_nor_does_it_where_there_are_no_hard_links(
    code: int, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_hard_links(monkeypatch, code)
    check_nothing_is_overwritten(folder, kind)


@pytest.mark.parametrize("kind", ["file", "dangling link"])
@pytest.mark.parametrize("links", [True, False])
def test_twin_with_a_plain_rename_the_copy_overwrites(
    links: bool, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if links:
        monkeypatch.setattr(durable, "_name_finally", os.replace)
    else:
        refuse_hard_links(monkeypatch, errno.EPERM)
        monkeypatch.setattr(durable, "_rename_without_replacing", os.replace)
    put(folder / "final", kind)
    copy(folder)
    assert (folder / "final").read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_without_hard_links_a_copy_arrives_all_the_same(
    code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_hard_links(monkeypatch, code)
    copy(folder)
    assert names(folder) == ["final"]
    assert (folder / "final").read_bytes() == b"new"


def test_a_copy_is_a_file_of_its_own(folder: Path) -> None:
    copy(folder)
    (folder.parent / "source").write_bytes(b"newer")
    assert (folder / "final").read_bytes() == b"new"
    assert (folder / "final").stat().st_nlink == 1


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


def test_a_folder_whose_name_could_not_be_synced_can_be_written_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the second try would find its name taken, by what the first one said was not written."""
    real = durable.sync_folder

    def fail_once(path: Path) -> None:
        if path == folder:
            monkeypatch.setattr(durable, "sync_folder", real)
            raise OSError(errno.EIO, "Input/output error")
        real(path)

    monkeypatch.setattr(durable, "sync_folder", fail_once)
    with pytest.raises(OSError, match="Input/output error"):
        write_folder(folder)
    assert names(folder) == []
    write_folder(folder)
    assert names(folder) == ["final"]


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


def test_where_the_kernel_cannot_rename_without_replacing_it_is_looked_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(source: Path, target: Path) -> None:
        raise OSError(errno.EINVAL, "no such flag")

    monkeypatch.setattr(durable, "_rename_without_replacing", cannot)
    (folder / "a").write_bytes(b"new")
    (folder / "b").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        durable.rename(folder / "a", folder / "b")
    durable.rename(folder / "a", folder / "c")
    assert (folder / "c").read_bytes() == b"new"


@pytest.mark.parametrize("kind", KINDS)
def test_a_move_never_overwrites(kind: str, folder: Path) -> None:
    (folder / "source").write_bytes(b"new")
    target = folder / "target"
    put(target, kind)
    with pytest.raises(FileExistsError, match="exists"):
        durable.move(folder / "source", target)
    assert (folder / "source").read_bytes() == b"new"
    assert kind != "file" or target.read_bytes() == b"old"


def test_lines_are_appended_whole_and_synced(folder: Path, recorder: Recorder) -> None:
    path = folder / "events.jsonl"
    durable.append_line(path, b"one")
    durable.append_line(path, b"two")
    assert path.read_bytes() == b"one\ntwo\n"
    assert recorder.calls == [("fsync", "events.jsonl"), ("fsync", "folder"), ("fsync", "events.jsonl")]
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


NOW = 1_800_000_000.0


@pytest.fixture
def aged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file and a folder under temp names, two hours old, ten minutes old, and from a future of two hours."""
    monkeypatch.setattr(durable.time, "time", lambda: NOW)
    for name, age in {"old": 7200, "young": 600, "future": -7200}.items():
        (folder / f".tmp-{name}-file").touch()
        (folder / f".tmp-{name}-folder").mkdir()
        for kind in ("file", "folder"):
            os.utime(folder / f".tmp-{name}-{kind}", (NOW - age, NOW - age))
    return folder


def test_what_a_writer_may_be_at_work_on_is_spared(aged: Path) -> None:
    swept = durable.sweep_temps(aged, older_than_seconds=3600)
    assert sorted(path.name for path in swept) == [".tmp-old-file", ".tmp-old-folder"]
    assert names(aged) == [
        ".tmp-future-file",
        ".tmp-future-folder",
        ".tmp-young-file",
        ".tmp-young-folder",
    ]


def test_folders_are_spared_where_only_files_are_asked_for(aged: Path) -> None:
    swept = durable.sweep_temps(aged, older_than_seconds=3600, files_only=True)
    assert [path.name for path in swept] == [".tmp-old-file"]
    assert (aged / ".tmp-old-folder").is_dir()


def test_by_default_all_of_them_go_whatever_the_clock_says(aged: Path) -> None:
    assert len(durable.sweep_temps(aged)) == 6
    assert names(aged) == []


def test_twin_by_the_distance_in_time_the_future_would_be_swept(aged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age = durable._age_seconds
    monkeypatch.setattr(durable, "_age_seconds", lambda path: abs(age(path)))
    durable.sweep_temps(aged, older_than_seconds=3600)
    assert ".tmp-future-file" not in names(aged)


def test_a_link_is_a_file_and_is_judged_by_its_own_age(aged: Path) -> None:
    link = aged / ".tmp-link"
    link.symlink_to(aged.parent, target_is_directory=True)
    os.utime(link, (NOW - 7200, NOW - 7200), follow_symlinks=False)
    os.utime(aged.parent, (NOW, NOW))
    assert link in durable.sweep_temps(aged, older_than_seconds=3600, files_only=True)
    assert aged.parent.exists()


def test_a_temp_that_gets_its_final_name_meanwhile_is_not_missed(aged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lstat = Path.lstat

    def finish_first(path: Path) -> os.stat_result:
        if path.name == ".tmp-old-file":
            os.rename(path, path.with_name("final"))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", finish_first)
    assert [path.name for path in durable.sweep_temps(aged, older_than_seconds=3600)] == [".tmp-old-folder"]


def _fill_up_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room for `count` more bytes: as the kernel, it takes what fits and fails at the next write."""
    left = count

    def write_all(file: FileIO, data: bytes) -> None:
        nonlocal left
        fits, left = data[:left], left - len(data[:left])
        file.write(fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable, "_write_all", write_all)


@pytest.mark.parametrize("room", range(6))
def test_a_line_that_no_longer_fits_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    path = tmp_path / "events.jsonl"
    durable.append_line(path, b"one")
    with monkeypatch.context() as full:
        _fill_up_after(room, full)
        with pytest.raises(OSError, match="No space left"):
            durable.append_line(path, b"twice")
    durable.append_line(path, b"three")
    assert path.read_bytes() == b"one\nthree\n"


class _Uncut(FileIO):
    """What `open` gives, but it cannot be cut back."""

    def __init__(self, path: Path, mode: str, buffering: int) -> None:
        super().__init__(path, mode)

    def truncate(self, size: int | None = None, /) -> int:
        return self.tell()


def test_without_the_cut_a_half_line_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    with monkeypatch.context() as full:
        _fill_up_after(3, full)
        full.setattr(durable, "open", _Uncut, raising=False)
        with pytest.raises(OSError, match="No space left"):
            durable.append_line(path, b"twice")
    durable.append_line(path, b"three")
    assert path.read_bytes() == b"twithree\n"


def test_a_line_whose_sync_failed_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    durable.append_line(path, b"one")

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            durable.append_line(path, b"two")
    assert path.read_bytes() == b"one\n"

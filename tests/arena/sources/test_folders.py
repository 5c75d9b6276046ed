"""The player's folders: which are taken, what of them is listed, and that no name leads out of them."""

from __future__ import annotations

import json
import os
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from arena.sources import folders
from arena.sources.folders import BadSource
from realm.disk import durable
from realm.world import World

ROW = '{"prompt": "what is two", "completion": "it is 2"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`data`, with a file that may be read, and beside it one that may not."""
    path = tmp_path / "data"
    (path / "talks" / "deep").mkdir(parents=True)
    for name in ("a.jsonl", "talks/b.jsonl.gz", "talks/deep/c.JSONL.zst", "notes.txt", ".hidden.jsonl"):
        (path / name).write_text(ROW)
    (tmp_path / "secret.jsonl").write_text(ROW)
    return path


def names(path: Path, **options: Path) -> list[str]:
    return [file.name for file in folders.files_in(path, **options).found]


def test_registered_folders_are_kept_by_name(world: World, folder: Path) -> None:
    assert folders.folders(world) == {}
    assert folders.register(world, "my-data", str(folder)) == folder
    assert folders.folders(world) == {"my-data": folder}
    assert json.loads((world.home / "sources.json").read_text()) == {"folders": {"my-data": str(folder)}}
    assert folders.remove(world, "my-data") == folder
    assert folders.folders(world) == {}
    assert names(folder) == ["a.jsonl", "talks/b.jsonl.gz", "talks/deep/c.JSONL.zst"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "-x", "é", "x" * 41, "inbox", "Queue", "skills", "<b>", "a\n", "a\0"]
)
def test_a_name_that_cannot_be_is_refused(world: World, folder: Path, name: str) -> None:
    with pytest.raises(BadSource, match="name"):
        folders.register(world, name, str(folder))
    assert folders.folders(world) == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "full path"),
        ("  ", "full path"),
        ("data", "must begin with /"),
        ("{folder}/nowhere", "does not exist"),
        ("{folder}/a.jsonl", "is a file"),
        ("{folder}\0", "full path"),
        ("{world}", "part of this world"),
        ("{world}/queue", "part of this world"),
        ("{world}/../world/battles", "part of this world"),
    ],
)
def test_what_is_no_folder_gets_a_sentence(world: World, folder: Path, given: str, says: str) -> None:
    with pytest.raises(BadSource, match=says):
        folders.register(world, "mine", given.format(folder=folder, world=world.home))


def test_a_folder_that_may_not_be_read_gets_a_sentence(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(BadSource, match="cannot be read: Permission denied"):
        folders.register(world, "mine", str(folder))


def test_name_and_folder_are_taken_once(world: World, folder: Path, tmp_path: Path) -> None:
    folders.register(world, "mine", str(folder))
    (tmp_path / "way").symlink_to(folder)
    for name, path, says in (
        ("MINE", tmp_path, "already"), ("other", folder, "as mine"), ("other", tmp_path / "way", "as mine"),
    ):  # fmt: skip
        with pytest.raises(BadSource, match=says):
            folders.register(world, name, str(path))
    with pytest.raises(BadSource, match="no source 'other'"):
        folders.remove(world, "other")
    assert list(folders.folders(world)) == ["mine"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"folders": {"a": 1}}', '{"folder": {}}', "\xff"])
def test_a_damaged_registry_is_told_and_not_overwritten(world: World, folder: Path, text: str) -> None:
    registry = world.home / "sources.json"
    registry.write_bytes(text.encode("latin-1"))
    for act in (lambda: folders.folders(world), lambda: folders.register(world, "mine", str(folder))):
        with pytest.raises(BadSource, match="cannot be read"):
            act()
    assert registry.read_bytes() == text.encode("latin-1")


def test_writers_at_the_same_time_lose_nothing(world: World, tmp_path: Path) -> None:
    assert _registered_by_many(world, tmp_path) == 8


def test_twin_without_the_lock_they_lose_some(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders.locks, "held", lambda path: nullcontext())
    meet = threading.Barrier(8)
    write = durable.write_json
    monkeypatch.setattr(durable, "write_json", lambda *given: (meet.wait(10), write(*given)))
    assert _registered_by_many(world, tmp_path) < 8


def _registered_by_many(world: World, tmp_path: Path) -> int:
    for number in range(8):
        (tmp_path / f"f{number}").mkdir()
    writers = [
        threading.Thread(target=folders.register, args=(world, f"n{number}", str(tmp_path / f"f{number}")))
        for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return len(folders.folders(world))


def test_a_folder_that_is_gone_stays_registered(world: World, folder: Path) -> None:
    folders.register(world, "mine", str(folder))
    folder.rename(folder.with_name("elsewhere"))
    assert folders.folders(world) == {"mine": folder}
    assert not folders.is_there(folder)
    found = folders.files_in(folder)
    assert (found.found, found.unread) == ((), (".",))


def test_links_pipes_and_hidden_files_are_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "out.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "talks" / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.jsonl").write_text(ROW)
    Path(os.fsdecode(bytes(folder) + b"/\xff.jsonl")).write_text(ROW)
    found = folders.files_in(folder)
    assert [file.name for file in found.found] == ["a.jsonl", "talks/b.jsonl.gz", "talks/deep/c.JSONL.zst"]
    assert (found.links, found.misnamed, found.whole) == (3, 1, True)
    assert found.size_bytes == 3 * len(ROW)


def test_twin_without_the_guard_a_link_leads_out(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "talks" / "up").symlink_to(tmp_path)
    real = os.scandir

    class Blind:
        """An entry that does not tell that it is a link."""

        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self.path, self.stat = entry.name, entry.path, entry.stat
            self.is_symlink = lambda: False
            self.is_dir = lambda **_: entry.is_dir() and entry.name != "data"
            self.is_file = lambda **_: entry.is_file()

    class Scan:
        def __init__(self, path: Path) -> None:
            self._entries = real(path)

        def __enter__(self) -> object:
            return iter([Blind(entry) for entry in self._entries])

        def __exit__(self, *error: object) -> None:
            self._entries.close()

    monkeypatch.setattr(os, "scandir", Scan)
    assert "talks/up/secret.jsonl" in names(folder)


def test_the_world_inside_a_folder_is_left_out(world: World, folder: Path, tmp_path: Path) -> None:
    (world.inbox / "waits.jsonl").write_text(ROW)
    assert names(tmp_path, without=world.home) == [
        "secret.jsonl", "data/a.jsonl", "data/talks/b.jsonl.gz", "data/talks/deep/c.JSONL.zst",
    ]  # fmt: skip
    assert "world/inbox/waits.jsonl" in names(tmp_path)


def test_no_more_is_looked_through_than_agreed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_ENTRIES", 4)
    found = folders.files_in(folder)
    assert not found.whole
    assert len(found.found) < 3


@pytest.mark.parametrize("name", ["a.jsonl", "talks/b.jsonl.gz", "talks/deep/c.JSONL.zst"])
def test_a_listed_file_is_found(folder: Path, name: str) -> None:
    file = folders.find(folder, name)
    assert file.path == folder / name
    assert file in folders.files_in(folder).found


OUTSIDE = [
    "../secret.jsonl", "talks/../../secret.jsonl", "talks/../a.jsonl", "./a.jsonl", "/etc/passwd.jsonl", "//a.jsonl",
    "{outside}/secret.jsonl", "talks//b.jsonl.gz", "a.jsonl/", "a.jsonl/x.jsonl", "..%2fsecret.jsonl",
    "%2e%2e/secret.jsonl", "..\\secret.jsonl", "~/secret.jsonl", "out.jsonl", "up/secret.jsonl", ".hidden.jsonl",
    "notes.txt", "talks", "", ".", "..", "a.jsonl\0", "\0.jsonl", "pipe.jsonl", "none.jsonl", "x" * 5000 + ".jsonl",
    "\udcff.jsonl", "a.jsonl\n", "talks/./b.jsonl.gz",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_spelling_leads_out_of_the_folder(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "out.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jsonl")
    with pytest.raises(BadSource):
        folders.find(folder, name.replace("{outside}", str(tmp_path)))


@pytest.mark.parametrize("name", ["out.jsonl", "up/secret.jsonl"])
def test_twin_where_links_are_not_seen_they_lead_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (folder / "out.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "up").symlink_to(tmp_path)
    monkeypatch.setattr(Path, "lstat", Path.stat)
    assert folders.find(folder, name).path.samefile(tmp_path / "secret.jsonl")

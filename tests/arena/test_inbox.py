import os
import time
from pathlib import Path

import pytest

from arena import inbox


def put(path: Path, text: str = "x\n", *, age_seconds: float = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = time.time() - age_seconds
    os.utime(path, (moment, moment))
    return path


def test_whole_files_are_found_oldest_first_and_in_subfolders(tmp_path: Path) -> None:
    young, old = put(tmp_path / "b.jsonl", age_seconds=5), put(tmp_path / "deep" / "er" / "a.jsonl", age_seconds=9)
    put(tmp_path / "notes.txt")
    put(tmp_path / ".hidden.jsonl")
    put(tmp_path / ".tmp-c.jsonl-1234")
    assert inbox.look(tmp_path) == inbox.Arrivals([old, young], unsettled=False)


def test_a_file_that_is_open_for_writing_is_never_taken(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl")
    with open(path, "a") as writer:
        writer.write("half")
        writer.flush()
        os.utime(path, (1, 1))  # however old it looks
        assert inbox.look(tmp_path) == inbox.Arrivals([], unsettled=True)
    os.utime(path, (1, 1))
    assert inbox.look(tmp_path).whole == [path]


def test_without_the_look_for_writers_the_open_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the guard is what keeps it out."""
    monkeypatch.setattr(inbox, "_has_writer", lambda path: False)
    path = put(tmp_path / "a.jsonl")
    with open(path, "a") as writer:
        writer.write("half")
        writer.flush()
        os.utime(path, (1, 1))
        assert inbox.look(tmp_path).whole == [path]


def test_a_file_just_closed_settles_first(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", age_seconds=-1000)
    assert inbox.look(tmp_path).whole == [path], "a clock that went back does not hold a file for ever"
    put(path, age_seconds=inbox.SETTLE_SECONDS / 1000)
    assert inbox.look(tmp_path).unsettled or inbox.look(tmp_path).whole == [path]


def test_where_writers_cannot_be_seen_a_longer_rest_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_has_writer", lambda path: None)
    path = put(tmp_path / "a.jsonl", age_seconds=inbox.UNWATCHED_SETTLE_SECONDS - 1.5)
    assert inbox.look(tmp_path) == inbox.Arrivals([], unsettled=True)
    put(path, age_seconds=inbox.UNWATCHED_SETTLE_SECONDS + 1)
    assert inbox.look(tmp_path).whole == [path]


def test_links_and_pipes_are_handed_to_the_gatekeeper(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "link.jsonl").symlink_to("/etc/hostname")
    assert {path.name for path in inbox.look(tmp_path).whole} == {"pipe.jsonl", "link.jsonl"}

import os
import time
from pathlib import Path

import pytest

from arena.queue import inbox, network_mounts


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


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("server_is_ahead", [-3600, 0, 3600])
def test_on_a_file_server_a_file_must_lie_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_is_ahead: int
) -> None:
    """Neither leases nor the server's clock tell whether another machine still writes it."""
    monkeypatch.setattr(network_mounts, "is_remote", lambda device: True)
    clock = Clock()
    stillness = inbox.Stillness(clock)
    path = tmp_path / "a.jsonl"
    for part in range(4):
        put(path, "x\n" * (part + 1), age_seconds=-server_is_ahead - part)
        clock.now += inbox.UNWATCHED_SETTLE_SECONDS - 0.5
        assert inbox.look(tmp_path, stillness) == inbox.Arrivals([], unsettled=True)
    clock.now += inbox.UNWATCHED_SETTLE_SECONDS
    assert inbox.look(tmp_path, stillness).whole == [path]


def test_the_kernels_list_of_mounts_tells_which_lie_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = os.stat(tmp_path).st_dev
    assert not network_mounts.is_remote(device)
    listed = tmp_path / "mountinfo"
    numbers = f"{os.major(device)}:{os.minor(device)}"
    listed.write_text(f"36 35 {numbers} / /mnt/nas rw,noatime shared:1 - nfs4 nas:/quests rw\n")
    monkeypatch.setattr(network_mounts, "_MOUNTS", listed)
    assert network_mounts.is_remote(device)
    monkeypatch.setattr(network_mounts, "_MOUNTS", tmp_path / "nowhere")
    assert not network_mounts.is_remote(device)


def test_a_folder_in_the_inbox_may_say_the_priority(tmp_path: Path) -> None:
    named = {
        name: inbox.priority_of(tmp_path, tmp_path / name) for name in ("a.jsonl", "high/a.jsonl", "x/low/a.jsonl")
    }
    assert named == {"a.jsonl": "normal", "high/a.jsonl": "high", "x/low/a.jsonl": "normal"}


def test_what_is_left_lying_is_said_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path / "table.csv")
    put(tmp_path / ".hidden.jsonl")
    put(tmp_path / ".tmp-own.jsonl-1")
    put(tmp_path / "deep" / "a.jsonl")
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("x")
    lying = {left.name: left.why for left in inbox.left_lying(tmp_path)}
    assert set(lying) == {"table.csv", ".hidden.jsonl", "deep/a.jsonl", "\\xff.txt"}
    assert "does not end in .jsonl, .jsonl.gz, .jsonl.zst" in lying["table.csv"]
    assert len(inbox.left_lying(tmp_path, most=2)) == 2


def test_links_and_pipes_are_handed_to_the_gatekeeper(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "link.jsonl").symlink_to("/etc/hostname")
    assert {path.name for path in inbox.look(tmp_path).whole} == {"pipe.jsonl", "link.jsonl"}


class TickingClock:
    """Each reading of it takes `step` seconds."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 1000.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def by_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST_AT_ONCE", 2)


def old_files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.jsonl" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text("x\n")
        os.utime(path, (1000 + number, 1000 + number))
    return paths


@pytest.mark.usefixtures("by_twos")
def test_many_files_are_taken_in_parts_and_the_inbox_is_read_once_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, readings, candidates = old_files(tmp_path, 5), list[Path](), inbox._candidates
    monkeypatch.setattr(inbox, "_candidates", lambda folder: readings.append(folder) or candidates(folder))
    stillness = inbox.Stillness(TickingClock())
    for part in (paths[:2], paths[2:4], paths[4:]):
        assert inbox.look(tmp_path, stillness).whole == part
        for path in part:
            path.unlink()
    assert len(readings) == 1
    assert inbox.look(tmp_path, stillness).whole == []
    assert len(readings) == 2


def taken_although_opened_since(folder: Path) -> bool:
    """Whether a file is taken that was whole when the inbox was read, and is written again when its turn comes."""
    paths = old_files(folder, 3)
    stillness = inbox.Stillness(TickingClock())
    assert inbox.look(folder, stillness).whole == paths[:2]
    with open(paths[2], "ab"):
        return inbox.look(folder, stillness).whole == paths[2:]


@pytest.mark.usefixtures("by_twos")
def test_a_file_is_judged_when_its_turn_comes(tmp_path: Path) -> None:
    assert not taken_although_opened_since(tmp_path)


@pytest.mark.usefixtures("by_twos")
def test_without_the_look_for_writers_it_would_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_has_writer", lambda path: False)
    assert taken_although_opened_since(tmp_path)


@pytest.mark.usefixtures("by_twos")
def test_a_file_taken_away_before_its_turn_hinders_no_other(tmp_path: Path) -> None:
    paths = old_files(tmp_path, 4)
    stillness = inbox.Stillness(TickingClock())
    assert inbox.look(tmp_path, stillness).whole == paths[:2]
    paths[2].unlink()
    assert inbox.look(tmp_path, stillness).whole == paths[3:]


def test_an_inbox_that_takes_long_to_read_is_given_a_rest(tmp_path: Path) -> None:
    clock = TickingClock(step=1.0)
    stillness = inbox.Stillness(clock)
    assert inbox.look(tmp_path, stillness).whole == []
    (path,) = old_files(tmp_path, 1)
    assert inbox.look(tmp_path, stillness).whole == []
    clock.now += inbox.LOOKING_SHARE
    assert inbox.look(tmp_path, stillness).whole == [path]


def test_one_that_is_read_in_no_time_is_not(tmp_path: Path) -> None:
    stillness = inbox.Stillness(TickingClock())
    assert inbox.look(tmp_path, stillness).whole == []
    (path,) = old_files(tmp_path, 1)
    assert inbox.look(tmp_path, stillness).whole == [path]

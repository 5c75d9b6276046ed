"""The end of a log, what came before and what comes next, whoever wrote it and whatever rotates meanwhile."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from realm.logs import reading
from realm.logs.daily_file import DailyFile
from realm.logs.line import parse
from realm.logs.reading import Follower, Wanted, follow, tail
from realm.logs.sources import NoSuchLog, sources
from realm.world import World

DAYS = ("2026-03-01", "2026-03-02", "2026-03-03")


def write(lines: DailyFile, number: int, *, day: str = DAYS[0], level: str = "info") -> None:
    value = {
        "time": f"{day}T00:00:{number % 60:02}.000+00:00",
        "level": level,
        "event": "e",
        "message": f"line {number}",
    }
    lines.append(json.dumps(value | {"n": number}).encode(), day=day)


@pytest.fixture
def lines(world: World) -> DailyFile:
    return DailyFile(world.logs / "arena", "arena")


@pytest.fixture
def three_days(lines: DailyFile) -> DailyFile:
    for number in range(30):
        write(lines, number, day=DAYS[number // 10], level="error" if number % 7 == 0 else "info")
    return lines


def numbers(page: reading.Page) -> list[int]:
    return [line.fields["n"] for line in page.lines]


def test_pages_go_back_over_every_file(world: World, three_days: DailyFile) -> None:
    found, before, pages = list[int](), "", 0
    while True:
        page = tail(world, "arena", limit=7, before=before)
        found, before, pages = numbers(page) + found, page.older, pages + 1
        if not before:
            break
    assert (found, pages) == (list(range(30)), 5)


def test_level_text_and_time_choose(world: World, three_days: DailyFile) -> None:
    assert numbers(tail(world, "arena", level="warning")) == [0, 7, 14, 21, 28]
    assert numbers(tail(world, "arena", text="LINE 2")) == [2, *range(20, 30)]
    assert numbers(tail(world, "arena", since=f"{DAYS[2]}T00:00:25.000+00:00")) == list(range(25, 30))
    assert numbers(tail(world, "arena", level="warning", limit=2)) == [21, 28]


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_any_size_show_the_same(
    world: World, three_days: DailyFile, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    whole = tail(world, "arena", limit=25)
    monkeypatch.setattr(reading, "BLOCK_BYTES", block)
    assert tail(world, "arena", limit=25) == whole


def bytes_read(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    """By the page of the last three lines of a gigabyte."""
    path = world.logs / "arena" / "arena.jsonl"
    path.parent.mkdir()
    path.touch()
    os.truncate(path, 2**30)
    with open(path, "ab") as file:
        file.write(b'\n{"message": "x", "n": 1}' * 4 + b"\n")
    read = []
    parse = reading._lines_backward
    monkeypatch.setattr(reading, "_lines_backward", lambda file, end: (read.append(x) or x for x in parse(file, end)))
    assert numbers(tail(world, "arena", limit=3)) == [1, 1, 1]
    return len(read)


def test_the_end_of_a_gigabyte_costs_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bytes_read(world, monkeypatch) == 4


HOSTILE = [
    json.dumps({"message": 'Grüße "von"\n mir', "level": "error", "n": [1, 2]}, ensure_ascii=ascii).encode()
    for ascii in (False, True)
] + [b"2026-03-01 00:00:00,000 CRIT uncaptured", b"2026-03-01 00:00:00,000 WARN GR\xff", b"\xff{}", b'{"message":"x"}']


def missed(wanted: Wanted) -> list[bytes]:
    return [data for data in HOSTILE if wanted(parse(data, "1-0")) and not wanted.may_be(data)]


@pytest.mark.parametrize("text", ["", "grüße", "GRÜ", '"von"\n', "\\", "1, 2", '"n": [1', "uncap", "gr\ufffd", "E"])
@pytest.mark.parametrize("level", ["", "info", "warning", "error", "critical"])
def test_a_look_at_the_bytes_misses_no_line(level: str, text: str) -> None:
    assert not missed(Wanted(level=level, text=text))
    assert not Wanted(text="zzz").may_be(HOSTILE[0])


def test_twin_the_whole_text_is_not_in_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wanted, "_word", property(lambda wanted: wanted.text.lower().encode()))
    assert missed(Wanted(text='"von"\n'))


def test_a_half_written_line_is_none_yet_and_hostile_ones_are_shown(world: World) -> None:
    folder = world.logs / "arena"
    folder.mkdir()
    odd = [b"\xff\x00\x1b[2J", b'{"message": 3}', b"[" * 100_000, b'{"message": "x", "level": [], "time": 5}', b""]
    (folder / "arena.jsonl").write_bytes(b"\n".join(odd) + b'\n{"message": "ha')
    page = tail(world, "arena")
    assert len(page.lines) == len(odd)
    assert [line.level for line in page.lines] == ["info"] * len(odd)


def test_what_a_console_said_is_read_where_there_are_no_json_lines(world: World) -> None:
    folder = world.logs / "weaver"
    folder.mkdir()
    (folder / "weaver.log.1").write_text("2026-03-01 10:00:00,123 WARN exited: tavern\n")
    (folder / "weaver.log").write_text("2026-03-01 10:00:01,123 ERROR arena.x: bad\nTraceback\n")
    page = tail(world, "weaver")
    assert [(line.level, line.logger, line.message) for line in page.lines] == [
        ("warning", "", "exited: tavern"), ("error", "arena.x", "bad"), ("info", "", "Traceback")
    ]  # fmt: skip
    assert page.lines[0].time.endswith("+00:00")


def test_services_are_those_that_logged(world: World, three_days: DailyFile) -> None:
    (world.logs / "tasks").mkdir()
    (world.logs / "tasks" / "backup.log").write_text("x\n")
    (world.logs / "fetching.log").write_text("x\n")
    assert list(sources(world)) == ["arena", "fetching", "tasks.backup"]
    for name in ("../arena", "", "nobody"):
        with pytest.raises(NoSuchLog):
            tail(world, name)
    with pytest.raises(ValueError, match="no place in a log"):
        tail(world, "arena", before="12-x")


def followed_over_midnights(world: World, lines: DailyFile) -> list[int]:
    """What a follower reads, call by call, while files are rotated behind and before it; half-written lines wait."""
    write(lines, 0)
    follower = Follower(world, "arena")
    found = []
    for number in range(1, 30):
        write(lines, number, day=DAYS[number // 10])
        if number % 4 == 0:
            found += follower.read()
    path = world.logs / "arena" / "arena.jsonl"
    with open(path, "ab", buffering=0) as file:
        file.write(b'{"message": "x",')
        found += follower.read()
        file.write(b' "n": 30}\n')
    found += follower.read()
    follower.close()
    return [line.fields["n"] for line in found]


def linked(world: World, outside: Path) -> set[str]:
    """Services after links to a file outside were laid among the logs."""
    outside.write_text("secret\n")
    (world.logs / "own").mkdir(parents=True)
    for link in (world.logs / "top.log", world.logs / "own/own.jsonl", world.logs / "own/other.log"):
        link.symlink_to(outside)
    return set(sources(world))


def test_no_link_leads_out_of_the_logs(world: World, three_days: DailyFile, tmp_path: Path) -> None:
    assert linked(world, tmp_path / "secret") == {"arena"}
    newest = world.logs / "arena/arena.jsonl"
    newest.unlink()
    newest.symlink_to(tmp_path / "secret")
    assert "secret" not in [line.message for line in tail(world, "arena").lines]


def test_twin_as_files_they_would(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realm.logs.sources._is_log", Path.is_file)
    assert linked(world, tmp_path / "secret") == {"top", "own", "own.other"}


def test_a_follower_misses_nothing_and_has_nothing_twice(world: World, lines: DailyFile) -> None:
    assert followed_over_midnights(world, lines) == list(range(1, 31))


def test_one_that_stays_with_its_file_misses_the_next_day(
    world: World, lines: DailyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    monkeypatch.setattr(Follower, "_go_on", Follower._was_cut)
    assert followed_over_midnights(world, lines) == list(range(1, 10))


def test_one_goes_on_behind_the_line_that_another_read_last(world: World, three_days: DailyFile) -> None:
    last = tail(world, "arena", limit=100).lines[4].cursor
    with Follower(world, "arena", after=last, level="error") as follower:
        assert [line.fields["n"] for line in follower.read(limit=2)] == [7, 14]
        assert [line.fields["n"] for line in follower.read()] == [21, 28]
        assert follower.read() == []


def test_a_file_that_is_gone_or_was_cut_is_begun_anew(world: World, three_days: DailyFile) -> None:
    with Follower(world, "arena", after="1-0") as follower:
        assert len(follower.read()) == 30
        path = world.logs / "arena" / "arena.jsonl"
        path.write_bytes(b'{"message": "short", "n": 99}\n')
        assert [line.fields["n"] for line in follower.read()] == [99]


def test_a_line_longer_than_may_be_is_cut_and_the_next_is_whole(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 50)
    folder = world.logs / "arena"
    folder.mkdir()
    (folder / "arena.jsonl").write_bytes(b"a" * 1000 + b'\n{"message": "next"}\n')
    assert [line.message for line in tail(world, "arena").lines] == ["a" * 50, "next"]
    with Follower(world, "arena", after="1-0") as follower:
        assert [line.message for line in follower.read()] == ["a" * 50, "next"]


def test_to_follow_is_to_wait_when_nothing_came(world: World, lines: DailyFile) -> None:
    write(lines, 0)
    waits = list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        write(lines, len(waits))

    following = follow(Follower(world, "arena"), wait=wait)
    assert [next(following).fields["n"] for _ in range(3)] == [1, 2, 3]
    following.close()
    assert len(waits) == 3

"""Whatever is logged is one line of JSON; a full disk, several writers and midnight lose none that has room."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realm.logs import daily_file, json_lines
from realm.logs.configuration import _uncaught, of_process
from realm.logs.daily_file import DailyFile, rotated_files
from realm.logs.handler import JsonLinesHandler
from realm.logs.json_lines import JsonLines, PlainLines
from realm.world import World

DAY = "2026-03-01"


@pytest.fixture
def logger(world: World) -> Iterator[logging.Logger]:
    """One of a service called `oracle`, and of nobody else's."""
    handler = JsonLinesHandler(str(world.home), "oracle")
    handler.setFormatter(JsonLines())
    log = logging.Logger("arena.test", logging.DEBUG)
    log.addHandler(handler)
    yield log
    handler.close()


def read(world: World) -> list[dict[str, Any]]:
    data = (world.logs / "oracle" / "oracle.jsonl").read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line, parse_constant=pytest.fail) for line in data.splitlines()]


def log_hostile(logger: logging.Logger) -> None:
    self_containing: dict[str, Any] = {}
    self_containing["it"] = self_containing
    extra = {
        "event": "odd", "nan": float("nan"), "big": 10**5000, "bytes": b"\xff", "deep": self_containing,
        "many": [1] * 9999, "time": "never", "level": "none",
    }  # fmt: skip
    logger.info("a\nb\r\x1b[2J\x9b2J\udc80 %s", "é" * 10**6, extra=extra)


def test_a_line_has_time_level_event_and_fields(world: World, logger: logging.Logger) -> None:
    logger.warning("%s of %s", 3, 4, extra={"event": "counted", "n": 3})
    try:
        raise LookupError("gone")
    except LookupError:
        logger.exception("it broke")
    first, second = read(world)
    assert first["time"][10] == "T"
    assert first["time"].endswith("+00:00")
    assert (first["level"], first["event"], first["message"], first["n"]) == ("warning", "counted", "3 of 4", 3)
    assert (second["level"], second["exception"]["type"]) == ("error", "LookupError")
    assert second["event"] == "test_writing.test_a_line_has_time_level_event_and_fields"
    assert (world.logs / "oracle" / "oracle.jsonl").stat().st_mode & 0o777 == 0o600


def test_whatever_is_in_it_a_record_is_one_bounded_line(world: World, logger: logging.Logger) -> None:
    log_hostile(logger)
    (line,) = read(world)
    assert (line["level"], line["nan"], len(line["many"])) == ("info", None, 100)
    assert "\x9b" not in line["message"]
    assert (world.logs / "oracle" / "oracle.jsonl").stat().st_size < json_lines.LARGEST_LINE


def test_without_the_bounds_it_is_not(
    world: World, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The twin: the library writes what it is given, or fails."""
    monkeypatch.setattr(json_lines, "bounded", lambda value: value)
    log_hostile(logger)
    assert "Logging error" in capsys.readouterr().err
    assert not (world.logs / "oracle" / "oracle.jsonl").exists()


def test_what_is_logged_does_not_drive_a_console() -> None:
    record = logging.LogRecord("arena", logging.INFO, "f.py", 1, "a\x1b[2J\x9b\tb\n", None, None)
    assert PlainLines("%(message)s").format(record) == "a\\x1b[2J\\x9b\tb\n"


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(daily_file.os, "write", write)


def test_a_full_disk_costs_lines_and_they_are_counted(world: World, logger: logging.Logger) -> None:
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        logger.info("lost")
        logger.info("lost, too")
    logger.info("there is room")
    told, line = read(world)
    assert (told["event"], told["count"], line["message"]) == ("lines_lost", 2, "there is room")


def test_a_full_disk_is_an_error_to_who_does_not_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the file itself raises."""
    full_disk(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        DailyFile(world.logs / "oracle", "oracle").append(b"{}", day=DAY)


def test_a_line_that_was_torn_spoils_no_other(world: World) -> None:
    folder = world.logs / "oracle"
    folder.mkdir()
    (folder / "oracle.jsonl").write_bytes(b'{"time": "2026-03-01T00:00:00", "mess')
    DailyFile(folder, "oracle").append(b'{"whole": 1}', day=DAY)
    assert (folder / "oracle.jsonl").read_bytes().splitlines()[1] == b'{"whole": 1}'


def append(folder: Path, name: str, count: int) -> None:
    lines = DailyFile(folder, "oracle")
    for number in range(count):
        lines.append(f'{{"time": "{DAY}", "who": "{name} {number}"}}'.encode(), day=DAY)


def all_lines(folder: Path) -> list[bytes]:
    files = [*rotated_files(folder, "oracle"), folder / "oracle.jsonl"]
    return [line for path in files for line in path.read_bytes().splitlines()]


def test_two_processes_lose_nothing_while_the_file_is_rotated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_file, "LARGEST_BYTES", 3000)
    folder = world.logs / "oracle"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append, args=(folder, name, 400)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = all_lines(folder)
    assert len(rotated_files(folder, "oracle")) > 5
    assert {json.loads(line)["who"] for line in found} == {f"{name} {number}" for name in "ab" for number in range(400)}
    assert len(found) == 800


def rotate_by_another(folder: Path) -> DailyFile:
    """Two have the file open; one begins a new day and deletes the old one, as is done after KEEP_DAYS."""
    one, other = DailyFile(folder, "oracle"), DailyFile(folder, "oracle")
    one.append(b'{"time": "2026-03-01T23:59:59"}', day=DAY)
    other.append(b'{"time": "2026-03-01T23:59:59"}', day=DAY)
    other.append(b'{"time": "2026-03-02T00:00:00"}', day="2026-03-02")
    (rotated,) = rotated_files(folder, "oracle")
    assert rotated.name == "oracle.2026-03-01.0001.jsonl"
    rotated.unlink()
    return one


def test_who_had_the_file_open_writes_into_the_new_one(world: World) -> None:
    rotate_by_another(world.logs / "oracle").append(b'{"last": 1}', day=DAY)
    assert all_lines(world.logs / "oracle")[-1] == b'{"last": 1}'


def test_without_the_look_its_lines_would_be_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: nobody asks whether the name belongs to another file."""
    one = rotate_by_another(world.logs / "oracle")
    monkeypatch.setattr(daily_file, "_is_file", lambda path, found: True)
    one.append(b'{"last": 1}', day=DAY)
    assert b'{"last": 1}' not in all_lines(world.logs / "oracle")


def test_a_file_of_yesterday_is_put_aside_at_the_first_line_and_old_ones_go(world: World) -> None:
    folder = world.logs / "oracle"
    folder.mkdir()
    for day in ("2026-01-01", "2026-02-25"):
        (folder / f"oracle.{day}.0001.jsonl").write_text("{}\n")
    (folder / "oracle.jsonl").write_text('{"time": "2026-02-28T10:00:00"}\n')
    DailyFile(folder, "oracle").append(b'{"time": "2026-03-01T00:00:00"}', day=DAY)
    assert [path.name for path in rotated_files(folder, "oracle")] == [
        "oracle.2026-02-25.0001.jsonl", "oracle.2026-02-28.0001.jsonl"
    ]  # fmt: skip
    assert all_lines(folder)[-1] == b'{"time": "2026-03-01T00:00:00"}'


def test_what_ends_a_process_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("the end")
    _uncaught(RuntimeError, error, None)
    assert [(record.levelname, getattr(record, "event", "")) for record in caplog.records] == [("CRITICAL", "uncaught")]


def test_only_a_process_with_a_name_writes_lines(world: World) -> None:
    assert "lines" not in of_process(world, "", level="info")["handlers"]
    assert "lines" in of_process(world, "oracle", level="info")["handlers"]


def test_a_world_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    handler = JsonLinesHandler(str(tmp_path / "gone"), "oracle")
    handler.setFormatter(JsonLines())
    handler.handle(logging.LogRecord("arena", logging.INFO, "f.py", 1, "x", None, None))
    assert os.listdir(tmp_path) == []

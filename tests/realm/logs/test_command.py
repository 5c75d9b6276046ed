"""`manage.py logs`: what services logged, followed until Ctrl+C; nothing that was logged drives the terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from realm.logs import shown
from realm.logs.daily_file import DailyFile
from realm.logs.levels import chosen_levels
from realm.logs.reading import Follower
from realm.management.commands import logs as command
from realm.world import World

DAY = "2026-03-01"
HOSTILE = "a\x1b[2J\x9b2J\n2026-03-01 00:00:00 ERROR forged"


@pytest.fixture
def lines(world: World) -> DailyFile:
    return DailyFile(world.logs / "arena", "arena")


def write(lines: DailyFile, message: str, level: str = "info", hour: int = 0) -> None:
    value = {"time": f"{DAY}T{hour:02}:00:00.000+00:00", "level": level, "event": "told", "message": message}
    lines.append(json.dumps(value).encode(), day=DAY)


def printed(*words: str) -> str:
    out = io.StringIO()
    call_command("logs", *words, stdout=out, no_color=True)
    return out.getvalue()


def test_it_shows_the_newest_that_match(lines: DailyFile) -> None:
    for hour, (message, level) in enumerate(
        [("one", "info"), ("two", "error"), ("three", "warning"), ("four", "info")]
    ):
        write(lines, message, level, hour)
    assert [line.rpartition(" ")[2] for line in printed("arena", "-n", "3").splitlines()] == ["two", "three", "four"]
    assert "told: two" in printed("arena", "--level", "error")
    assert printed("arena", "--search", "FOU").count("\n") == 1
    assert printed("arena", "--since", f"{DAY}T02:00:00+00:00").count("\n") == 2
    assert printed("arena", "--since", "10m") == ""
    assert [line["message"] for line in json.loads(printed("arena", "--json", "--level", "warning"))] == [
        "two",
        "three",
    ]


def test_services_are_listed_with_level_and_last_line(lines: DailyFile) -> None:
    write(lines, "hello")
    assert printed().split()[:2] == ["arena", "info"]
    assert "hello" in printed()
    (told,) = json.loads(printed("--json"))
    assert (told["service"], told["last"]["message"]) == ("arena", "hello")


def test_hostile_lines_are_shown_as_what_they_are(lines: DailyFile) -> None:
    write(lines, HOSTILE)
    first, second = printed("arena").splitlines()
    assert first.endswith("a\\x1b[2J\\x9b2J")
    assert second == "    2026-03-01 00:00:00 ERROR forged"


def test_without_the_care_they_would_drive_the_terminal(lines: DailyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(shown, "harmless", lambda text: text)
    write(lines, HOSTILE)
    assert "\x1b[2J" in printed("arena")


def test_a_level_is_set_and_given_back(world: World) -> None:
    assert printed("arena", "--set-level", "debug") == "arena logs debug from now on.\n"
    assert chosen_levels(world) == {"arena": "debug"}
    assert printed("arena", "--set-level", "default") == "arena logs info from now on.\n"
    assert chosen_levels(world) == {}


@pytest.mark.parametrize("words", [("nobody",), ("--set-level", "info"), ("../arena",), ("arena", "-n", "-1")])
def test_what_cannot_be_is_one_sentence(lines: DailyFile, words: tuple[str, ...]) -> None:
    write(lines, "hello")
    with pytest.raises(CommandError, match=r"not logged|no service's name|not allowed"):
        printed(*words)


def test_it_follows_until_ctrl_c(world: World, lines: DailyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write(lines, "before")

    def follow(follower: Follower) -> Iterator[object]:
        write(lines, "after")
        yield from follower.read()
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "follow", follow)
    assert [line.rpartition(" ")[2] for line in printed("arena", "-f").splitlines()] == ["before", "after"]

"""How much a service logs changes while it runs, without a signal to it."""

from __future__ import annotations

import logging

import pytest

from realm import config
from realm.logs import levels
from realm.logs.configuration import level_of
from realm.logs.levels import LevelFilter, chosen_levels, set_level
from realm.strict import BadConfig
from realm.world import World

DEBUG = logging.LogRecord("arena", logging.DEBUG, "f.py", 1, "x", None, None)
INFO = logging.LogRecord("arena", logging.INFO, "f.py", 1, "x", None, None)


@pytest.fixture
def filtered(world: World, monkeypatch: pytest.MonkeyPatch) -> LevelFilter:
    monkeypatch.setattr(levels, "LOOK_SECONDS", 0.0)
    return LevelFilter(str(levels.path_of(world)), "arena", "info")


def is_heeded(world: World, filtered: LevelFilter) -> bool:
    before = filtered.filter(DEBUG)
    set_level(world, "arena", "debug")
    return not before and filtered.filter(DEBUG)


def test_a_level_is_heeded_at_the_next_record(world: World, filtered: LevelFilter) -> None:
    assert is_heeded(world, filtered)
    set_level(world, "arena", "error")
    set_level(world, "oracle", "debug")
    assert not filtered.filter(INFO)
    set_level(world, "arena", "")
    assert (filtered.filter(INFO), filtered.filter(DEBUG)) == (True, False)
    assert chosen_levels(world) == {"oracle": "debug"}


def test_who_never_looks_heeds_nothing(world: World, filtered: LevelFilter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(LevelFilter, "_look", lambda self: None)
    assert not is_heeded(world, filtered)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"arena": "loud"}', '{"arena": 3}', "\x00"])
def test_a_damaged_choice_chooses_nothing(world: World, filtered: LevelFilter, text: str) -> None:
    levels.path_of(world).write_text(text)
    assert (filtered.filter(INFO), filtered.filter(DEBUG)) == (True, False)


@pytest.mark.parametrize(("service", "level"), [("arena", "loud"), ("", "info"), ("a\x1b", "info"), ("x" * 81, "info")])
def test_what_cannot_be_is_refused(world: World, service: str, level: str) -> None:
    with pytest.raises(ValueError, match=r"level|service"):
        set_level(world, service, level)


def test_the_setting_decides_first_and_its_variable_over_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.home / "config.yaml").write_text("log_level: warning\n")
    assert level_of(world) == "warning"
    monkeypatch.setenv("REALM_LOG_LEVEL", "debug")
    assert level_of(world) == "debug"
    monkeypatch.setenv("REALM_LOG_LEVEL", "loud")
    assert level_of(world) == "info"
    with pytest.raises(BadConfig, match=r"REALM_LOG_LEVEL.*allowed"):
        config.load(world)


def test_no_choice_makes_the_file_longer_than_is_read(world: World) -> None:
    for number in range(levels.MOST_CHOSEN):
        levels.set_level(world, f"{number:080}", "debug")
    with pytest.raises(ValueError, match="chosen already"):
        levels.set_level(world, "one more", "debug")
    assert len(levels.chosen_levels(world)) == levels.MOST_CHOSEN
    levels.set_level(world, f"{0:080}", "")
    levels.set_level(world, "one more", "debug")

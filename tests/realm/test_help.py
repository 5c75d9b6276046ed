"""`manage.py help` names each command of ours first, by place, with a line that says what it does."""

from __future__ import annotations

import re

import pytest
from django.core.management import load_command_class

from realm.management import command_line
from realm.management.command_line import RealmCommandLine, own_commands, summary


def shown(columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = RealmCommandLine(["manage.py", "help"]).main_help_text()
    return re.sub("\x1b\\[[0-9;]*m", "", text).splitlines()


def check_ours(lines: list[str]) -> None:
    """Each once, under its place, before Django's."""
    djangos = lines.index("[Django's]")
    for place, names in own_commands().items():
        begin = lines.index(f"[{place}]")
        assert begin < djangos
        for name in names:
            (at,) = [number for number, line in enumerate(lines) if line.split()[:1] == [name]]
            assert begin < at < djangos
            assert " ".join(" ".join(lines[at : at + 3]).split()).startswith(f"{name} {summary(place, name)}")


def test_ours_come_first_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(80, monkeypatch)
    check_ours(lines)
    assert max(map(len, lines)) <= 80
    assert "migrate" in " ".join(lines[lines.index("[Django's]") :])
    assert max(map(len, shown(40, monkeypatch))) <= 40


def test_twin_djangos_own_list_has_no_such_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RealmCommandLine, "main_help_text", command_line.ManagementUtility.main_help_text)
    with pytest.raises(ValueError, match="Django's"):
        check_ours(shown(80, monkeypatch))


def test_each_says_what_it_does_in_whole_words() -> None:
    for place, names in own_commands().items():
        for name in names:
            said = summary(place, name)
            assert said, name
            assert not said.endswith((".", "…", ",")), name
            assert load_command_class(place, name).help.startswith(said), name


def check_no_page_is_loaded() -> None:
    line = RealmCommandLine(["manage.py"])
    for names in own_commands().values():
        assert not any(line.fetch_command(name).requires_system_checks for name in names)


def test_our_commands_load_no_page() -> None:
    """A daemon would keep them in memory as long as it lives."""
    check_no_page_is_loaded()
    assert RealmCommandLine(["manage.py"]).fetch_command("makemigrations").requires_system_checks


def test_twin_djangos_own_way_loads_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RealmCommandLine, "fetch_command")
    with pytest.raises(AssertionError):
        check_no_page_is_loaded()

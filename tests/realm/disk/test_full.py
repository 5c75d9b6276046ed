"""A start on a full disk is one sentence, with the volume and its bytes."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from django.db import OperationalError

import manage
from realm.disk import failing, full
from realm.web import secret_key
from realm.world import World

USAGE = namedtuple("USAGE", ["total", "used", "free"])


def of_database(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = code
    error = OperationalError("database or disk is full")
    error.__cause__ = cause
    return error


FULL = [OSError(errno.ENOSPC, "no"), OSError(errno.EDQUOT, "no"), of_database(sqlite3.SQLITE_FULL)]
OTHER = [OSError(errno.EACCES, "no"), of_database(sqlite3.SQLITE_BUSY), ValueError()]


@pytest.mark.parametrize(("error", "is_full"), [(each, True) for each in FULL] + [(each, False) for each in OTHER])
def test_a_full_disk_is_known_by_its_errors(error: Exception, is_full: bool) -> None:
    assert full.is_full(error) is is_full


def test_the_volume_is_named_with_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: USAGE(6_000_000, 0, 1_234))
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
    said = full.sentence(tmp_path / "not" / "made")
    assert said.startswith(f"{tmp_path} is full: 1,234 of its 6,000,000 bytes are free. Make room")


@pytest.mark.parametrize("error", FULL)
def test_a_command_ends_with_the_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["manage.py", "weave", "--daemon"])
    monkeypatch.setattr(manage, "execute_from_command_line", fail)
    with pytest.raises(SystemExit, match=r"is full: .* bytes are free"):
        manage.execute()


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS])
def test_a_command_whose_disk_fails_ends_with_a_sentence_and_its_twin_with_a_traceback(
    code: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: list[str]) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(sys, "argv", ["manage.py", "weave", "--daemon"])
    monkeypatch.setattr(manage, "execute_from_command_line", fail)
    with pytest.raises(SystemExit, match=f"{os.strerror(code)}. It is not done, and what was there before stays"):
        manage.execute()
    monkeypatch.setattr(failing, "is_failing", lambda error: False)
    with pytest.raises(OSError, match=os.strerror(code)):
        manage.execute()


def test_twin_without_the_look_at_the_error_it_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> None:
        raise FULL[0]

    monkeypatch.setattr(manage, "execute_from_command_line", fail)
    monkeypatch.setattr(full, "is_full", lambda error: False)
    with pytest.raises(OSError, match="no"):
        manage.execute()


def test_a_key_that_found_no_room_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise FULL[0]

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no"):
        secret_key.load_or_create(world)
    assert list(world.secrets.iterdir()) == []

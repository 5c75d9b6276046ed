"""A page that could not write says that nothing was done: EIO and a full disk, to the player and to strangers."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from realm.world import World
from tavern.disk_trouble import DiskTrouble

pytestmark = pytest.mark.django_db


def fail_every_fsync(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fsync(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize(("code", "word"), [(errno.EIO, "Input/output error"), (errno.ENOSPC, "bytes are free")])
def test_an_order_that_was_not_written_is_told_so(
    code: int, word: str, world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_every_fsync(monkeypatch, code)
    answer = client.post("/battle/pause")
    assert answer.status_code == 507
    assert "is not done" in answer.content.decode()
    assert word in answer.content.decode()
    assert not list(world.control.glob("*.command.json"))


def test_twin_without_the_middleware_it_is_an_error_of_the_program(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_every_fsync(monkeypatch, errno.EIO)
    monkeypatch.setattr(DiskTrouble, "process_exception", lambda *_: None)
    with pytest.raises(OSError, match="Input/output error"):
        client.post("/battle/pause")


def test_what_else_goes_wrong_is_left_alone_and_a_stranger_hears_of_no_folder(
    world: World, rf: RequestFactory, settings: Settings
) -> None:
    middleware, error = DiskTrouble(lambda request: HttpResponse()), OSError(errno.EIO, "Input/output error")
    assert middleware.process_exception(rf.get("/"), OSError(errno.EACCES, "no")) is None
    shown = [middleware.process_exception(rf.get("/login"), error)]
    settings.REALM = replace(settings.REALM, public_origins=("https://realm.example.org",))
    shown.append(middleware.process_exception(rf.get("/login"), error))
    assert [str(world.home).encode() in page.content for page in shown if page] == [True, False]

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from arena.confined.process import CHILDREN
from realm.logs.configuration import OWN
from realm.world import World
from tests.support import reaper
from tests.support.database_servers import DATABASE_VARIABLE
from tests.support.servers import SHARED_VARIABLE
from tests.support.where_time_goes import TimeTable

hypothesis_settings.register_profile("same examples each time", derandomize=True, deadline=None)
hypothesis_settings.load_profile("same examples each time")

LEAVING_SECONDS = 5.0
"""A process that a test has ended may take so long to be gone."""

_REAPER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """In the process that leads the run, before there are workers: all that they start bears the mark of this run."""
    os.environ["OMP_NUM_THREADS"] = "1"  # two workers share two cores
    if hasattr(config, "workerinput"):
        return
    config.stash[_REAPER] = reaper.start()
    os.environ[SHARED_VARIABLE] = tempfile.mkdtemp(prefix="realm-tests-")
    config.pluginmanager.register(TimeTable())


def pytest_collection_finish() -> None:
    """What was imported, and ten thousand tests, stay to the end: no collection of garbage looks at them again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    if watching := config.stash.get(_REAPER, None):
        watching.communicate()
        shutil.rmtree(os.environ[SHARED_VARIABLE], ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that leaves processes behind has failed. Confined children stay warm until their process ends."""
    CHILDREN.end()
    if _REAPER not in session.config.stash:
        return
    _, left = psutil.wait_procs(reaper.marked(os.environ[reaper.VARIABLE]), timeout=LEAVING_SECONDS)
    for process in left:
        print(f"\nleft behind: {process}", flush=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with slow tests first: at the end of a run no worker then waits for another's long file.

    Large forms are run only where they are asked for, by `-m large`. On a server's database only those run that ask it.
    """
    if "large" not in config.option.markexpr:
        large = [item for item in items if item.get_closest_marker("large")]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]
    on_server = DATABASE_VARIABLE in os.environ
    other = "sqlite" if on_server else "postgresql"
    items[:] = [item for item in items if not item.get_closest_marker(other) and (asks_database(item) or not on_server)]
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def asks_database(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("django_db")) or "db" in getattr(item, "fixturenames", ())


@pytest.fixture(autouse=True)
def _process_is_left_as_it_was() -> Iterator[None]:
    """A logger that a test made silent, or a signal whose handler it took, would stay so in the next test, too, which
    only another order brings to light."""
    before = _own_levels(), _handlers()
    yield
    assert (_own_levels(), _handlers()) == before


def _own_levels() -> dict[str, int]:
    loggers = logging.root.manager.loggerDict.items()
    return {name: one.level for name, one in loggers if name.startswith(OWN) and getattr(one, "level", 0)}


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    """A fresh world in the test's own folder; `settings.WORLD` is this one while the test runs."""
    fresh = World(tmp_path / "world")
    fresh.create()
    settings.WORLD = fresh
    settings.REALM = settings.REALM  # a change of hero, by a page or by the daemon, ends with the test
    return fresh


@pytest.fixture
def skills_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The skills of this process: BIN with three levels, and what a test adds; see tests/support/small_skills.py."""
    from guild.skills import registry  # here, because tests of training alone do without the guild
    from tests.support.small_skills import write_skill

    folder = tmp_path_factory.mktemp("skills")
    write_skill(folder)
    monkeypatch.setattr(registry, "SKILLS_FOLDER", folder)
    return folder

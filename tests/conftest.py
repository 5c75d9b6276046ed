from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from realm.world import World

hypothesis_settings.register_profile("same examples each time", derandomize=True, deadline=None)
hypothesis_settings.load_profile("same examples each time")


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    """A fresh world in the test's own folder; `settings.WORLD` is this one while the test runs."""
    fresh = World(tmp_path / "world")
    fresh.create()
    settings.WORLD = fresh
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

from pathlib import Path

import pytest
from pytest_django import Settings

from realm.world import World


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    """A fresh world in the test's own folder; `settings.WORLD` is this one while the test runs."""
    fresh = World(tmp_path / "world")
    fresh.create()
    settings.WORLD = fresh
    return fresh

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arena.recipe import Recipe
from tests.support import tiny_hero

if TYPE_CHECKING:
    from arena.hero.model import Hero


@pytest.fixture(autouse=True)
def _few_levels(skills_folder: Path) -> None:
    """A daemon makes held-out problems of every level of every skill."""


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hero.make_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def hero(tiny_base: Path) -> Hero:
    import torch  # here, because most tests of the arena do without it

    from arena.hero import model

    return model.load(str(tiny_base), tiny_hero.RECIPE, checkpoint=None, device=torch.device("cpu"))


@pytest.fixture
def recipe() -> Recipe:
    return tiny_hero.RECIPE

from pathlib import Path

import pytest
import torch

from arena.hero import model as heroes
from arena.hero.model import Hero
from arena.protocol import Recipe
from tests import tiny_hero


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hero.make_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def hero(tiny_base: Path) -> Hero:
    return heroes.load(str(tiny_base), tiny_hero.RECIPE, checkpoint=None, device=torch.device("cpu"))


@pytest.fixture
def recipe() -> Recipe:
    return tiny_hero.RECIPE

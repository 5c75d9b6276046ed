from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _few_levels(skills_folder: Path) -> None:
    """A daemon makes held-out problems of every level of every skill."""

"""Settings broken at random, in small."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from realm import yaml_files
from tests.campaigns import settings

pytestmark = pytest.mark.slow

SEED = 3


def test_the_small_form_keeps_its_promises(tmp_path: Path) -> None:
    figures = settings.run(tmp_path, seed=SEED, quick=True)
    assert [figure for figure in figures if not figure.kept] == []


def test_without_the_sentence_of_a_yaml_error_it_ends_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    monkeypatch.setattr(yaml_files, "UNREADABLE", ())
    assert settings.broken_files(tmp_path, 5, random.Random(SEED)).crashed

import json
from pathlib import Path
from typing import Any

import pytest

from tavern import formatting

CASES = json.loads((Path(__file__).parent / "number_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "value", "expected"), [(name, *case) for name, cases in CASES.items() for case in cases]
)
def test_number_reads(name: str, value: Any, expected: str) -> None:
    assert getattr(formatting, name)(value) == expected


@pytest.mark.parametrize("name", list(CASES))
def test_what_is_not_finite_is_spelled_out(name: str) -> None:
    read = getattr(formatting, name)
    assert [read(float("nan")), read(float("inf")), read(float("-inf"))] == ["NaN", "∞", "-∞"]

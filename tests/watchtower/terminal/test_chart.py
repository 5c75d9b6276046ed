"""The curve in characters: its ends, its spikes, and what cannot be drawn."""

from __future__ import annotations

import math

import pytest

from watchtower.terminal import chart


@pytest.mark.parametrize("ascii_only", [False, True])
def test_it_falls_from_the_left_top_to_the_right_bottom(ascii_only: bool) -> None:
    drawn = chart.curve(range(100), [100.0 - x for x in range(100)], width=48, height=8, ascii_only=ascii_only)
    assert len(drawn) == 8
    assert max(map(len, drawn)) == 48
    first, last = (next(n for n, c in enumerate(line[8:]) if c != " ") for line in (drawn[0], drawn[-1]))
    assert first == 0
    assert last > 30
    assert drawn[0].split()[0] == "100"
    assert drawn[-1].split()[0] == "1"


def test_a_single_spike_among_thousands_is_seen() -> None:
    losses = [1.0] * 5000
    losses[2500] = 9.0
    drawn = chart.curve(range(5000), losses, width=88, height=6, ascii_only=True)
    assert "*" in drawn[0]


def test_what_is_not_finite_is_left_out() -> None:
    losses = [1.0, None, math.nan, math.inf, 2.0]
    drawn = chart.curve(range(5), losses, width=30, height=4, ascii_only=True)
    assert drawn[0].split()[0] == "2"
    assert chart.curve([1], [None], width=30, height=4, ascii_only=True) == [""] * 4
    assert chart.curve([1, 1], [2.0, 2.0], width=30, height=3, ascii_only=True)[1].strip() == "*"
    assert chart.curve([1], [1.0], width=9, height=2, ascii_only=True) == ["", ""]

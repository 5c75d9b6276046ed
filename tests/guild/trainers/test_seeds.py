import random

import pytest

from guild.trainers.seeds import LARGEST_RANGE, derive, draw_distinct, shuffled


def test_a_seed_depends_on_each_part_and_on_where_it_stands() -> None:
    seeds = {
        derive("a", 1),
        derive("a", 2),
        derive("b", 1),
        derive(1, "a"),
        derive("a1"),
        derive("a", "1"),
        derive("a"),
    }
    assert len(seeds) == 7


@pytest.mark.parametrize(("size", "count"), [(10, 5), (1000, 500), (LARGEST_RANGE, 100), (10, 0)])
def test_draws_are_distinct_and_in_range(size: int, count: int) -> None:
    drawn = draw_distinct(size, count, random.Random(1))
    assert len(set(drawn)) == len(drawn) == count
    assert all(0 <= number < size for number in drawn)


def test_draws_spread_over_the_whole_range() -> None:
    drawn = draw_distinct(2**20, 10_000, random.Random(1))
    tenths = [sum(tenth <= number * 10 / 2**20 < tenth + 1 for number in drawn) for tenth in range(10)]
    assert min(tenths) > 800


@pytest.mark.parametrize(("size", "count"), [(10, 6), (10, -1), (LARGEST_RANGE + 1, 1)])
def test_what_cannot_be_drawn_is_refused(size: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} different ones of {size} cannot be drawn; ask for at most half"):
        draw_distinct(size, count, random.Random(1))


def test_the_numbers_of_a_seed_are_these() -> None:
    """Written down once: Python promises them, and everybody's evaluation sets are made of them."""
    assert draw_distinct(1000, 5, random.Random(1)) == [134, 847, 763, 255, 495]
    assert shuffled("abcdef", random.Random(1)) == list("adfecb")


def test_shuffling_loses_and_adds_nothing() -> None:
    items = [1, 1, 2, 3] * 25
    mixed = shuffled(items, random.Random(2))
    assert sorted(mixed) == sorted(items)
    assert mixed != items

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.training.packing import ExampleTooLong, pack_best_fit_decreasing


@given(st.lists(st.integers(1, 64), max_size=200), st.integers(64, 100))
def test_every_example_is_in_one_row_and_no_row_overflows(lengths: list[int], row_length: int) -> None:
    rows = pack_best_fit_decreasing(lengths, row_length)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[index] for index in row) <= row_length for row in rows)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200))
def test_uses_at_most_the_known_bound_of_best_fit_decreasing(lengths: list[int]) -> None:
    # 11/9 OPT + 6/9 (Dosa 2007), with OPT at least the total over the row length.
    rows = pack_best_fit_decreasing(lengths, 64)
    smallest = max(-(-sum(lengths) // 64), sum(length > 32 for length in lengths))
    assert len(rows) <= 11 / 9 * smallest + 6 / 9 + max(0, sum(21 < length <= 32 for length in lengths))


def test_fills_ordinary_lengths_to_99_percent() -> None:
    lengths = [8 + (index * 7919) % 90 for index in range(5000)]
    rows = pack_best_fit_decreasing(lengths, 256)
    assert sum(lengths) / (len(rows) * 256) >= 0.99


def test_takes_the_tightest_row() -> None:
    assert list(pack_best_fit_decreasing([6, 5, 4, 3], 10)) == [[0, 2], [1, 3]]


@pytest.mark.parametrize("length", [0, 65])
def test_refuses_an_example_that_fits_no_row(length: int) -> None:
    with pytest.raises(ExampleTooLong, match="example 1"):
        pack_best_fit_decreasing([3, length], 64)

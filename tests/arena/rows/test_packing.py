import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.recipe import Recipe
from arena.rows.example import Example
from arena.rows.packing import ExampleTooLong, count_rows, pack_best_fit_decreasing
from arena.training import examples as storage
from arena.training.data import PackedQuest
from arena.training.examples import ExampleWriter


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 64), max_size=200), st.integers(64, 100))
def test_every_example_is_in_one_row_and_no_row_overflows(lengths: list[int], row_length: int) -> None:
    rows = pack_best_fit_decreasing(lengths, row_length)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[index] for index in row) <= row_length for row in rows)
    assert count_rows(np.bincount(lengths) if lengths else np.zeros(1, np.int64), row_length) == len(rows)


@settings(derandomize=True, deadline=None)
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


def one_by_one(lengths: list[int], row_length: int) -> list[int]:
    """The definition: each example, longest first, into the tightest row. What is left in each row, sorted."""
    left: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [(space, row) for row, space in enumerate(left) if space >= length]
        if fitting:
            left[min(fitting)[1]] -= length
        else:
            left.append(row_length - length)
    return sorted(left)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=120), st.integers(40, 130))
def test_placing_equal_lengths_together_is_still_best_fit_decreasing(lengths: list[int], row_length: int) -> None:
    rows = pack_best_fit_decreasing(lengths, row_length)
    left = sorted(row_length - sum(lengths[index] for index in row) for row in rows)
    assert left == one_by_one(lengths, row_length)


@pytest.mark.parametrize("count", [30, 100, 1000])
def test_fills_small_quests_too(count: int) -> None:
    lengths = np.random.RandomState(count).geometric(1 / 60, count).clip(8, 500)
    rows = pack_best_fit_decreasing(lengths, 512)
    assert len(rows) == -(-lengths.sum() // 512)


def test_rows_read_like_a_list() -> None:
    rows = pack_best_fit_decreasing([6, 5, 4, 3], 10)
    assert rows[-1] == [1, 3]
    assert rows[0:2] == [[0, 2], [1, 3]]
    assert len(rows) == 2
    with pytest.raises(IndexError):
        rows[2]


def test_no_examples_are_no_rows() -> None:
    assert list(pack_best_fit_decreasing([], 64)) == []


def peak_bytes(folder: Path, rows: int) -> int:
    """Of writing, packing and one epoch's order of a synthetic quest."""
    lengths = np.random.RandomState(1).randint(20, 200, rows)
    tokens = np.arange(200)
    tracemalloc.start()
    with ExampleWriter(folder) as writer:
        for line, length in enumerate(lengths.tolist(), start=1):
            writer.add(Example(line, tokens[:length], tokens[:length] + 1))
        quest = PackedQuest(writer.finish(), Recipe(max_length=512), quest_sha256="ab")
    assert len(quest.lines_of_step(0, 0)) > 8
    assert quest.fill > 0.99
    (_, peak), _ = tracemalloc.get_traced_memory(), tracemalloc.stop()
    return peak


MOST_BYTES_PER_ROW = 80


def growth_per_row(folder: Path) -> float:
    few, many = 8_000, 32_000
    return (peak_bytes(folder, many) - peak_bytes(folder, few)) / (many - few)


def test_memory_grows_by_few_bytes_a_row_however_long_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "IN_MEMORY_BYTES", 2**20)
    assert growth_per_row(tmp_path) <= MOST_BYTES_PER_ROW


def test_twin_with_all_tokens_in_memory_it_grows_by_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "IN_MEMORY_BYTES", 2**40)
    assert growth_per_row(tmp_path) > 4 * MOST_BYTES_PER_ROW

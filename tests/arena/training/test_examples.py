import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.rows.example import IGNORE, Example
from arena.training import examples as storage
from arena.training.data import shift
from arena.training.examples import Examples, ExampleWriter


def stored(folder: Path, rows: list[Example]) -> Examples:
    with ExampleWriter(folder) as writer:
        for row in rows:
            writer.add(row)
        return writer.finish()


def plain(example: Example) -> tuple[int, list[int], list[int]]:
    return example.line, example.inputs.tolist(), example.labels.tolist()


TOKENS = st.lists(st.tuples(st.integers(0, 2**31 - 1), st.booleans()), min_size=1, max_size=20)


@settings(derandomize=True, deadline=None)
@given(st.lists(TOKENS, max_size=12), st.booleans())
def test_what_is_read_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list, in_file: bool) -> None:
    # The last token is trained, since slots behind the last label are cut off before they come here.
    written = [shift(line, [7, *(t for t, _ in row)], [False, *(on for _, on in row[:-1]), True])
               for line, row in enumerate(rows, start=3)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "IN_MEMORY_BYTES", 0 if in_file else 10**6)
        found = stored(tmp_path_factory.getbasetemp(), written)
    assert list(map(plain, found)) == list(map(plain, written))
    assert found.lengths.tolist() == list(map(len, written))
    assert found.lines_of(list(range(len(written)))) == [example.line for example in written]
    assert found.trained_tokens == sum(example.trained_tokens for example in written)


def test_beyond_the_limit_tokens_lie_in_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "IN_MEMORY_BYTES", 1000)
    row = Example(1, np.arange(100), np.arange(1, 101))
    with ExampleWriter(tmp_path) as writer:
        for _ in range(20):
            writer.add(row)
        assert on_disk(tmp_path)
        found = writer.finish()
    assert list(tmp_path.iterdir()) == []
    assert plain(found[19]) == plain(row)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    del found
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def on_disk(folder: Path) -> bool:
    """Whether this process has a file of `folder` open."""
    handles = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return any(os.readlink(handle).startswith(str(folder)) for handle in handles if os.path.islink(handle))


def test_few_tokens_stay_in_memory(tmp_path: Path) -> None:
    with ExampleWriter(tmp_path) as writer:
        writer.add(Example(1, np.arange(3), np.array([IGNORE, 2, 3])))
        assert not on_disk(tmp_path)
        assert len(writer.finish()) == 1


def test_reads_like_a_sequence(tmp_path: Path) -> None:
    found = stored(tmp_path, [Example(line, np.array([line]), np.array([9])) for line in range(1, 6)])
    assert found[-1].line == 5
    assert [example.line for example in found[1:3]] == [2, 3]
    with pytest.raises(IndexError):
        found[5]

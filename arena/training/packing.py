"""Best-fit-decreasing packing of examples into rows of fixed length. Pure Python: lengths in, indices out."""

from __future__ import annotations

from collections.abc import Sequence


class ExampleTooLong(ValueError):
    """An example is never split or cut here."""


def pack_best_fit_decreasing(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Indices of `lengths` grouped into rows whose lengths sum to at most `row_length`.

    Longest first, each into the row with the least space that still holds it, so equal input gives equal rows.
    Raises ExampleTooLong. Source: best-fit decreasing bin packing (Johnson 1974).
    """
    rows: list[list[int]] = []
    rows_by_space: list[list[int]] = [[] for _ in range(row_length + 1)]
    spaces = 0  # bit s is set while some row has exactly s free slots
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        if not 0 < length <= row_length:
            raise ExampleTooLong(f"example {index} has {length} tokens; a row holds 1 to {row_length}")
        fitting = spaces >> length
        if fitting:
            space = length + (fitting & -fitting).bit_length() - 1
            row = rows_by_space[space].pop()
            if not rows_by_space[space]:
                spaces &= ~(1 << space)
        else:
            space, row = row_length, len(rows)
            rows.append([])
        rows[row].append(index)
        rows_by_space[space - length].append(row)
        spaces |= 1 << (space - length)
    return rows

"""What the campaigns of clocks and of tiny quests judge, in small; the campaigns themselves run whole realms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.campaigns import clocks, tiny
from tests.campaigns.tiny import Usage

FLAT = Usage(memory_bytes=100e6, files=20, threads=13)


@pytest.mark.parametrize("text", ["saved -3600 s ago", "last seen −2h", "it waits -0.5 seconds", "since -1d 2h"])
def test_a_negative_time_is_found(text: str) -> None:
    assert list(clocks.negative_times(iter([("page", text)])))


@pytest.mark.parametrize("text", ["saved 3600 s ago", "loss -0.5", "2026-10-25 02:59", "checkpoint-5-20261130", "a-3d"])
def test_what_is_no_negative_time_is_let_be(text: str) -> None:
    assert not list(clocks.negative_times(iter([("page", text)])))


@pytest.mark.parametrize(
    ("change", "offset"),
    [("-1d", "-1d"), ("@2026-10-25 02:59:50", "-3600s"), ("@2027-03-28 01:59:50", "+13302000s")],
)
def test_both_ends_of_summer_time_are_offsets_from_now(change: str, offset: str) -> None:
    """The first is the earlier of two such moments, the second the last before a gap."""
    assert clocks.offset_of(change, datetime(2026, 10, 25, 1, 59, 50, tzinfo=UTC)) == offset


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        (FLAT, True),
        (replace(FLAT, memory_bytes=104e6), True),
        (replace(FLAT, memory_bytes=106e6), False),
        (replace(FLAT, files=30), False),
        (replace(FLAT, threads=20), False),
    ],
)
def test_what_grows_with_quests_breaks_the_promise(last: Usage, kept: bool) -> None:
    assert all(figure.kept for figure in tiny.judged({"arena": FLAT}, {"arena": last})) is kept


def test_a_process_that_is_gone_breaks_it() -> None:
    assert not all(figure.kept for figure in tiny.judged({"arena": FLAT}, {}))


def test_logs_have_a_bound() -> None:
    assert tiny.bounded_logs({"arena": 10**6}, {}, 10).kept
    assert not tiny.bounded_logs({"arena": 10**9}, {}, 10).kept

"""What counts as stuck, and what does not, on a clock that is handed in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from realm.weaver import guarded
from sentinels.guardian import watch as watching
from sentinels.guardian.processes import Sight
from sentinels.guardian.watch import Watch

RUNS = Sight(pid=7, frozen=False, wants_processor=False, cpu_seconds=1.0)
FROZEN = replace(RUNS, frozen=True)
SEEN_SECONDS, HANDED_SECONDS = 30.0, 1.0


def ready(at: float = 0.0) -> Watch:
    watch = Watch("arena", busy_seconds=600)
    watch.hear(at, RUNS)
    return watch


def seen_after(watch: Watch, sight: Sight, *, most: float = 60.0) -> float | None:
    """Seconds until it counts as stuck, looked at every second."""
    for second in range(1, int(most)):
        if watch.look(second * HANDED_SECONDS, sight) == guarded.STUCK:
            return second
    return None


def test_what_a_signal_stopped_and_what_fell_silent_is_seen_within_the_promised_time() -> None:
    frozen, silent = seen_after(ready(), FROZEN), seen_after(ready(), RUNS)
    assert frozen is not None
    assert frozen < SEEN_SECONDS
    assert silent is not None
    assert silent < SEEN_SECONDS


def test_twin_who_is_never_judged_is_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_stuck", lambda *_: "")
    assert seen_after(ready(), FROZEN) is None


def test_what_works_through_its_silence_has_time() -> None:
    """Such as an arena that reads a large checkpoint, or one that waits for its turn on a busy machine."""
    assert seen_after(ready(), replace(RUNS, cpu_seconds=31.0)) is None
    assert seen_after(ready(), replace(RUNS, wants_processor=True)) is None
    assert seen_after(ready(), replace(RUNS, wants_processor=True), most=700) == 600


def test_twin_without_a_look_at_its_work_it_would_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WORKING_SHARE", 9.0)
    assert seen_after(ready(), replace(RUNS, cpu_seconds=31.0)) is not None


def test_a_pause_of_the_player_s_and_a_start_are_let_be() -> None:
    watch = ready()
    assert watch.look(5.0, FROZEN) == guarded.UP
    assert watch.look(6.0, RUNS) == guarded.UP
    assert watch.look(13.0, FROZEN) == guarded.UP
    begun = Watch("arena", busy_seconds=60)
    assert seen_after(begun, RUNS, most=100) is None
    assert begun.state == guarded.STARTING
    assert seen_after(begun, RUNS, most=200) == watching.START_SECONDS + 1


def test_who_slept_knows_nothing_of_the_others() -> None:
    watch = ready()
    watch.forgive(3600.0)
    assert watch.look(3601.0, RUNS) == guarded.UP


def test_twin_without_forgiveness_all_would_be_ended_after_a_sleep() -> None:
    assert ready().look(3601.0, RUNS) == guarded.STUCK


def test_another_process_of_that_service_begins_anew() -> None:
    watch = ready()
    assert watch.look(25.0, RUNS) == guarded.STUCK
    assert watch.look(26.0, None) == guarded.ENDED
    assert watch.look(27.0, replace(RUNS, pid=8)) == guarded.STARTING
    watch.hear(28.0, replace(RUNS, pid=8))
    assert watch.look(29.0, replace(RUNS, pid=8)) == guarded.UP

import math

import numpy as np
import pytest

from arena import steps
from realm.world import World
from tests.watchtower.factories import record


def _records(count: int, **columns: object) -> steps.Records:
    made = np.zeros(count, steps.DTYPE)
    made["step"] = np.arange(1, count + 1)
    made["time"] = np.arange(count, dtype=float)
    for name, values in columns.items():
        made[name] = values
    return made


def test_what_the_trainer_packs_is_what_is_read(world: World) -> None:
    path = world.battles / "steps.bin"
    path.write_bytes(record(7, loss=0.25, tokens=321).pack())
    (read,) = steps.read(path, 0, 1)
    assert (read["step"], read["loss"], read["tokens"], read["quest_step"]) == (7, 0.25, 321, 7)


def test_a_half_written_record_waits(world: World) -> None:
    path = world.battles / "steps.bin"
    whole, half = record(1).pack(), record(2).pack()[:30]
    path.write_bytes(whole + half)
    assert steps.count(path) == 1
    assert steps.read(path, 0, 2)["step"].tolist() == [1]


def test_a_battle_without_steps_has_none(world: World) -> None:
    path = world.battles / "steps.bin"
    assert steps.count(path) == 0
    assert len(steps.read(path, 0, 5)) == 0


def test_thinning_keeps_both_ends_and_every_spike() -> None:
    loss = np.linspace(3, 1, 50_000)
    loss[12_345], loss[30_001] = 99.0, -5.0
    thinned = steps.thin(_records(50_000, loss=loss), 2000)
    assert len(thinned) <= 2000
    assert thinned["step"][[0, -1]].tolist() == [1, 50_000]
    assert {12_346, 30_002} <= set(thinned["step"].tolist())
    assert (np.diff(thinned["step"]) > 0).all()


def test_every_nth_record_would_miss_the_spike() -> None:
    loss = np.ones(50_000)
    loss[12_345] = 99.0
    assert _records(50_000, loss=loss)[::25]["loss"].max() == 1.0


def test_thinning_shows_a_nan_and_loses_nothing_around_it() -> None:
    loss = np.ones(50_000)
    loss[20_000] = np.nan
    loss[40_000] = 9.0
    thinned = steps.thin(_records(50_000, loss=loss), 2000)
    assert 20_001 in thinned["step"]
    assert np.nanmax(thinned["loss"]) == 9.0


def test_short_battles_are_not_thinned() -> None:
    records = _records(2000)
    assert steps.thin(records, 2000) is records


def test_rates_are_those_of_the_clock() -> None:
    records = _records(100, time=np.arange(100) * 0.25, tokens=80)
    speed = steps.rates(records)
    assert speed.steps_per_second == pytest.approx(4)
    assert speed.tokens_per_second == pytest.approx(320)


def test_rates_follow_a_change_of_speed() -> None:
    slow, fast = np.arange(100) * 1.0, 99 + np.arange(1, 400) * 0.1
    speed = steps.rates(_records(499, time=np.concatenate((slow, fast))))
    assert speed.steps_per_second is not None
    assert 5 < speed.steps_per_second < 10


def test_a_short_rest_is_no_part_of_the_speed() -> None:
    times = np.concatenate((np.arange(20) * 0.5, 30 + np.arange(4) * 0.5))
    speed = steps.rates(_records(24, time=times, step_seconds=0.5))
    assert speed.steps_per_second == pytest.approx(2, rel=0.01)


def test_a_long_pause_does_not_slow_what_comes_after() -> None:
    times = np.concatenate((np.arange(10.0), 7200 + np.arange(10.0)))
    assert steps.rates(_records(20, time=times)).steps_per_second == pytest.approx(1)


def test_one_record_tells_its_own_speed() -> None:
    speed = steps.rates(_records(1, step_seconds=0.5, tokens=50))
    assert (speed.steps_per_second, speed.tokens_per_second) == (2.0, 100.0)


def test_a_clock_set_back_gives_no_negative_speed() -> None:
    speed = steps.rates(_records(6, time=[100, 101, 102, 50, 51, 52]))
    assert speed.steps_per_second is not None
    assert speed.steps_per_second > 0


def test_no_record_no_speed() -> None:
    assert steps.rates(steps.NO_RECORDS) == steps.Rates(None, None)


def test_ema_of_equal_losses_is_that_loss_from_the_first_step_on() -> None:
    for count in (1, 2, 500, 5000):
        assert steps.ema(np.full(count, 2.5)) == pytest.approx(2.5)


def test_ema_is_the_bias_corrected_recurrence() -> None:
    loss = np.random.default_rng(0).random(700)
    running = 0.0
    for value in loss:
        running = steps.EMA_DECAY * running + (1 - steps.EMA_DECAY) * value
    assert steps.ema(loss) == pytest.approx(running / (1 - steps.EMA_DECAY ** len(loss)))


def test_ema_passes_over_what_is_not_finite() -> None:
    assert steps.ema(np.array([2.0, np.nan, np.inf, 2.0])) == pytest.approx(2.0)
    assert steps.ema(np.array([math.nan])) is None
    assert steps.ema(np.array([])) is None


def test_columns_carry_no_nan() -> None:
    assert steps.column(np.array([1.5, np.nan, -np.inf]), 3) == [1.5, None, None]
    assert steps.finite(math.inf) is None
    assert steps.finite(None) is None

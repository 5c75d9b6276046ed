"""Energy of battles and levels: counters, power times time, gaps, and what no sensor tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from arena.models import Battle
from realm.config import RealmConfig
from realm.machine.machine import Gpu, Machine
from realm.world import World
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status, tell
from watchtower.machines import energy, energy_meter
from watchtower.machines.energy import Energy
from watchtower.machines.energy_meter import FILE, EnergyMeter

pytestmark = pytest.mark.django_db

START = 1_000_000.0
PRICED = RealmConfig(price_per_kwh=0.5)


def at(second: float, *, joules: float | None = None, watts: float | None = None, cpu: float | None = None) -> Machine:
    gpu = Gpu(index=0, uuid="GPU-1", energy_joules=joules, power_watts=watts)
    return Machine(
        time=START + second, gpus=(gpu, Gpu(index=1, uuid="GPU-2", energy_joules=1e9)), cpu_energy_joules=cpu
    )


def train(world: World, machines: list[Machine], battle: str = "b1", state: str = "training") -> None:
    """The sampler's looks, while that battle stands in this state."""
    meter = EnergyMeter(world)
    with daemon_lock(world):
        for machine in machines:
            say_status(world, state, battle=battle)
            meter.note(machine)


@pytest.fixture
def battle(world: World) -> Battle:
    """Forty steps of half a second, the first one a second after START."""
    made = make_battle(world)
    append_steps(world, "b1", [record(step) for step in range(1, 41)])
    return made


def used(world: World, config: RealmConfig = PRICED) -> Energy:
    return energy.of_battle(world, config, "b1")


def test_the_driver_s_counter_is_taken_of_the_gpu_that_trains(world: World, battle: Battle) -> None:
    train(world, [at(0, joules=100, watts=999), at(10, joules=3700, watts=999)])
    told = used(world)
    assert told.watt_hours == told.gpu_watt_hours == 1.0
    assert told.cpu_watt_hours is None
    assert (told.training_seconds, told.measured_seconds, told.covered) == (20.0, 10.0, 0.5)
    assert told.price == 0.0005
    assert used(world, RealmConfig()).price is None


def test_without_a_counter_it_is_power_times_time(world: World, battle: Battle) -> None:
    train(world, [at(0, watts=300), at(10, watts=420), at(20, watts=420)])
    assert used(world).watt_hours == pytest.approx((3600 + 4200) / 3600)
    assert used(world).covered == 1.0


def test_processors_count_beside_the_gpu(world: World, battle: Battle) -> None:
    train(world, [at(0, joules=0, cpu=0), at(10, joules=3600, cpu=1800)])
    assert (used(world).watt_hours, used(world).cpu_watt_hours) == (1.5, 0.5)


def test_no_sensor_is_unknown_and_not_zero(world: World, battle: Battle) -> None:
    train(world, [at(0), at(10)])
    assert not (world.battles / "b1" / FILE).exists()
    told = used(world)
    assert told.watt_hours is told.price is None
    assert (told.covered, told.training_seconds) == (0.0, 20.0)


def two_with_a_gap(world: World) -> Energy:
    """Nobody looked for ten minutes, while the counter went on."""
    train(world, [at(0, joules=0), at(10, joules=3600), at(610, joules=720_000), at(620, joules=723_600)])
    return used(world)


def test_a_gap_is_a_gap(world: World, battle: Battle) -> None:
    assert two_with_a_gap(world).watt_hours == 2.0


def test_twin_without_a_longest_gap_the_unwatched_time_is_counted(
    world: World, battle: Battle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy_meter, "LONGEST_SECONDS", 1e9)
    assert two_with_a_gap(world).watt_hours == 201.0


@pytest.mark.parametrize("state", ["paused", "idle", "resting", "preparing"])
def test_only_training_counts(world: World, battle: Battle, state: str) -> None:
    train(world, [at(0, joules=0), at(10, joules=3600)], state=state)
    assert used(world).watt_hours is None


@pytest.mark.parametrize("second", [at(10, joules=5), at(-5, joules=9000)])
def test_a_counter_or_a_clock_that_went_back_is_no_measure(world: World, battle: Battle, second: Machine) -> None:
    train(world, [at(0, joules=3600), second])
    assert used(world).watt_hours is None


def test_a_half_written_record_is_written_over(world: World, battle: Battle) -> None:
    train(world, [at(0, joules=0), at(10, joules=3600)])
    with (world.battles / "b1" / FILE).open("ab") as file:
        file.write(b"half of one")
    train(world, [at(10, joules=3600), at(20, joules=7200)])
    assert used(world).watt_hours == 2.0


def won(world: World, number: int, second: float, kind: str = "skill_level_up", **data: Any) -> None:
    entry = tell("b1", number, kind=kind, **data)
    type(entry).objects.filter(pk=entry.pk).update(time=datetime.fromtimestamp(START + second, UTC))


def test_a_level_costs_what_was_used_since_the_one_before(world: World, battle: Battle) -> None:
    Battle.objects.update(started_at=datetime.fromtimestamp(START, UTC))
    battle.quest.skill = "bin"
    battle.quest.save()
    train(world, [at(second, joules=second * 360) for second in (0, 10, 20, 30, 40)])
    won(world, 1, 20, skill="bin", level=2)
    won(world, 2, 30, kind="hero_level_up", level=1)
    won(world, 3, 35, skill="sy", level=2)
    won(world, 4, 40, skill="bin", level=3)
    told = [(level.name, level.level, level.energy.watt_hours) for level in energy.levels(world, PRICED)]
    assert told == [("bin", 2, 2.0), ("sy", 1, None), ("hero", 1, 3.0), ("bin", 1, 2.0)]
    assert [each.battle for each in energy.battles(world, PRICED)] == ["b1"]
    assert energy.levels(world, PRICED, most=1)[0].energy.watt_hours == 2.0, "the level before is looked for"

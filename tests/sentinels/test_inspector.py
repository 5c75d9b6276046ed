"""One patrol through a realm: what is well, what is not, and never an error of its own."""

from __future__ import annotations

import io
import json
import time
from collections import namedtuple
from typing import Any

import pynvml
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from arena.daemon.loop import only_daemon
from guild.skills import health
from realm.config import RealmConfig
from realm.machine import gpus
from realm.machine.gpus import Gpus
from realm.world import World
from sentinels import vitals
from sentinels.inspector import gpus as gpu_check
from sentinels.inspector.patrol import patrol
from sentinels.inspector.report import HEALTH_FILE
from tests.support.fake_nvml import FakeGpu, FakeNvml

pytestmark = pytest.mark.django_db

QUIET = RealmConfig(oracle_port=1)


def verdicts(world: World, *only: str) -> dict[str, str]:
    return {finding.what: finding.verdict for finding in patrol(world, QUIET, only=only)}


def test_a_realm_that_was_not_started_is_in_trouble_and_says_so(world: World) -> None:
    found = verdicts(world)
    assert (found["database"], found["services"], found["arena"]) == ("ok", "warning", "trouble")
    assert found["host local"] == "warning"
    told = json.loads((world.status / HEALTH_FILE).read_bytes())
    assert told["verdict"] == "trouble"
    with pytest.raises(CommandError, match="in trouble: arena"):
        call_command("healthcheck", stdout=io.StringIO())


def test_an_arena_that_lives_and_speaks_is_well_and_a_silent_one_is_not(world: World) -> None:
    status: dict[str, Any] = {"state": "training", "message": "", "time": time.time()}
    file = world.arena_status
    with only_daemon(world):
        file.write_text(json.dumps(status))
        assert verdicts(world, "arena")["arena"] == "ok"
        file.write_text(json.dumps(status | {"message": "the disk is full"}))
        assert verdicts(world, "arena")["arena"] == "warning"
        file.write_text(json.dumps(status | {"time": time.time() - 11}))
        assert verdicts(world, "arena")["arena"] == "trouble"


@pytest.mark.parametrize(("free", "verdict"), [(10**9 * 100, "ok"), (10**9, "warning"), (10**6, "trouble")])
def test_a_disk_that_fills_up_is_seen(world: World, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    usage = namedtuple("usage", ["free"])
    monkeypatch.setattr("sentinels.inspector.disk.shutil.disk_usage", lambda path: usage(free))
    assert verdicts(world, "disk")["disk"] == verdict


def test_a_database_that_does_not_answer_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise DatabaseError("disk image is malformed")

    monkeypatch.setattr(connection, "cursor", broken)
    assert verdicts(world, "database")["database"] == "trouble"


def test_a_trainer_that_is_down_is_a_warning(world: World) -> None:
    health.mark_down(world, "bin", "nobody answers")
    assert verdicts(world, "trainers")["trainer bin"] == "warning"


def test_a_remote_trainer_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guild.skills.check.check_remote", lambda world: {"far": None, "near": "it is down"})
    found = verdicts(world, "trainers")
    assert found["trainer far"] == "ok"
    assert "trainer near" not in found, "it is told by what is known of it"


def with_driver(monkeypatch: pytest.MonkeyPatch, library: FakeNvml) -> Gpus:
    reader = Gpus(library=library, wait_seconds=20.0)
    for module in (gpu_check, vitals):
        monkeypatch.setattr(module, "of_this_machine", lambda: reader)
    return reader


@pytest.mark.parametrize(
    ("bits", "verdict"),
    [
        (0, "ok"),
        (pynvml.nvmlClocksEventReasonSwPowerCap, "ok"),
        (pynvml.nvmlClocksEventReasonSwThermalSlowdown, "warning"),
    ],
)
def test_a_gpu_that_is_too_hot_is_a_warning(
    world: World, monkeypatch: pytest.MonkeyPatch, bits: int, verdict: str
) -> None:
    with_driver(monkeypatch, FakeNvml(FakeGpu(throttle_bits=bits)))
    assert verdicts(world, "gpus")["gpu 0"] == verdict


def test_a_driver_that_answers_for_no_gpu_any_more_is_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeNvml(FakeGpu())
    with_driver(monkeypatch, library)
    assert "gpus" not in verdicts(world, "gpus")
    library.gpus[0].lost = True
    assert verdicts(world, "gpus")["gpus"] == "trouble"


def test_a_driver_that_hangs_is_trouble_and_a_slow_first_answer_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = FakeNvml(FakeGpu())
    library.hangs = True
    reader = with_driver(monkeypatch, library)
    reader._asked._seconds = 0.01
    try:
        assert "gpus" not in verdicts(world, "gpus")
        reader._asked._asked_at -= gpus.STUCK_SECONDS
        assert verdicts(world, "gpus")["gpus"] == "trouble"
    finally:
        library.freed.set()


def test_a_machine_without_a_driver_is_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, FakeNvml(has_driver=False))
    assert not {what for what in verdicts(world, "gpus") if what.startswith("gpu")}


def test_broken_hosts_are_in_trouble(world: World) -> None:
    (world.home / "hosts.yaml").write_text("far: {kind: foreign}")
    said = verdicts(world, "configuration", "hosts")
    assert said["hosts"] == "trouble"
    assert "host local" in said

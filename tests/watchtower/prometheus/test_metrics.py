"""`/metrics`: read by Prometheus' own client, true, bounded, and there whatever else is broken."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from guild.models import SkillProgress
from realm.config import RealmConfig
from realm.machine import readings
from realm.machine.machine import Gpu, Machine
from realm.machine.services import ServiceUse
from realm.world import CHECKOUT, World
from tests.support.checkpoints import make_checkpoint
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status, tell
from vault.index import scan
from watchtower.machines import energy_meter
from watchtower.machines.others import Others, Told
from watchtower.machines.sampler import Sampler
from watchtower.prometheus import of_database
from watchtower.prometheus.collector import RealmCollector

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

BOARD = CHECKOUT / "configs" / "grafana" / "realm.json"
OPEN = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
GPU = Gpu(
    index=0, name="NVIDIA Test", uuid="GPU-1", use_percent=50.0, memory_used_bytes=3, memory_total_bytes=4,
    temperature_celsius=60.0, power_watts=200.0, power_limit_watts=300.0, energy_joules=7.0, throttled_by=("hot",),
)  # fmt: skip


def scrape(client: Client, accept: str = "") -> str:
    reply = client.get("/metrics", headers={"Accept": accept} if accept else {})
    assert reply.status_code == 200
    return reply.content.decode()


def samples_of(families: Iterator[Metric]) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def scraped(client: Client) -> Samples:
    return samples_of(text_string_to_metric_families(scrape(client)))


def value(samples: Samples, name: str, /, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


@pytest.fixture
def busy(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which everything is there: a battle that trains, a GPU, a checkpoint, a fault."""
    now = time.time()
    machine = Machine(
        time=now, name="here", cpu_percent=25.0, load_average=(1.0, 2.0, 3.0), memory_total_bytes=8,
        memory_used_bytes=2, swap_used_bytes=1, disk_total_bytes=100, disk_free_bytes=40, temperature_celsius=50.0,
        gpus=(GPU,),
    )  # fmt: skip
    monkeypatch.setattr(readings, "read", lambda home: machine)
    make_battle(world, first_step=40)
    append_steps(world, "b1", [record(step, quest_step=step - 40) for step in range(41, 51)])
    tell("b1", 1, kind="fault", fault="out_of_memory")
    tell("b1", 2, kind="fault", fault="something new")
    tell("b1", 3, kind="validated", val_loss=1.5, val_set={"name": "bin/1", "rows": 4, "sha256": "ab"})
    tell("b1", 4, kind="skill_level_up", skill="bin", level=2)
    SkillProgress.objects.create(hero="DIO", skill="bin", level=2)
    energy_meter.append(world.battles / "b1" / energy_meter.FILE, now, 10.0, 360.0, None)
    make_checkpoint(world.heroes, 40)
    scan(world)
    sampler = Sampler(world, RealmConfig(), read=lambda home: machine, others=Others(lambda host: Told(trouble="no")))
    monkeypatch.setattr(sampler._services, "read", lambda: (a_service(),))
    sampler.sample()
    of_database._count.cache_clear()
    with daemon_lock(world):
        say_status(world, "training", battle="b1")
        yield world


def a_service() -> ServiceUse:
    return ServiceUse(name="arena", processes=2, cpu_percent=150.0, memory_bytes=5)


def test_the_figures_are_those_of_the_world_in_base_units(client: Client, busy: World) -> None:
    told = scraped(client)
    assert value(told, "realm_arena_state", state="training") == 1.0
    assert value(told, "realm_arena_state", state="idle") == 0.0
    assert value(told, "realm_hero_steps_total") == 50.0
    assert value(told, "realm_training_step") == 50.0
    assert value(told, "realm_battle_steps") == 10.0
    assert value(told, "realm_battle_steps_planned") == 100.0
    assert value(told, "realm_training_loss") == pytest.approx(0.02)
    assert value(told, "realm_validation_loss", set="bin/1") == 1.5
    assert value(told, "realm_faults_total", kind="out_of_memory") == 1.0
    assert value(told, "realm_faults_total", kind="other") == 1.0
    assert value(told, "realm_faults_total", kind="non_finite") == 0.0
    assert value(told, "realm_skill_level", skill="bin") == 2.0
    assert value(told, "realm_checkpoints") == 1.0
    assert value(told, "realm_quests", state="queued") == 1.0
    assert value(told, "realm_queue", priority="high") == 0.0
    assert value(told, "realm_machine_cpu_ratio", host="local") == 0.25
    assert value(told, "realm_gpu_use_ratio", host="local", gpu="0", name="NVIDIA Test") == 0.5
    assert value(told, "realm_gpu_energy_joules_total", host="local", gpu="0", name="NVIDIA Test") == 7.0
    assert value(told, "realm_service_cpu_ratio", service="arena") == 1.5
    assert value(told, "realm_battle_energy_joules") == 360.0
    assert value(told, "realm_service_up", service="arena") == 1.0
    assert value(told, "realm_service_up", service="vault") == 0.0
    assert {value(told, "realm_scrape_part_up", part=part) for part in ("training", "database", "machines")} == {1.0}


def test_openmetrics_by_accept(client: Client, busy: World) -> None:
    text = scrape(client, OPEN)
    assert text.endswith("# EOF\n")
    told = samples_of(openmetrics.text_string_to_metric_families(text))
    assert value(told, "realm_hero_steps_total") == 50.0
    assert client.get("/metrics", headers={"Accept": OPEN}).headers["Content-Type"].startswith(OPEN[:28])
    assert client.head("/metrics").status_code == 200
    assert client.post("/metrics").status_code == 405


def test_every_family_is_explained_and_named_by_the_rules(busy: World) -> None:
    for family in RealmCollector(busy, RealmConfig()).collect():
        assert re.fullmatch(r"realm(_[a-z0-9]+)+", family.name)
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_percent", "_ms", "_mb", "_gb"))


def test_what_is_unknown_has_no_sample(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "read", lambda home: Machine(time=time.time(), gpus=(Gpu(index=0),)))
    told = scraped(client)
    assert value(told, "realm_arena_state", state="offline") == 1.0
    names = {name for name, _ in told}
    assert not names & {"realm_training_loss", "realm_hero_level", "realm_machine_cpu_ratio", "realm_gpu_use_ratio"}
    assert value(told, "realm_scrape_part_up", part="training") == 1.0


@contextmanager
def locked_database() -> Iterator[None]:
    def refuse(*args: Any) -> None:
        raise OperationalError("database is locked")

    with connection.execute_wrapper(refuse):
        yield


def test_without_a_database_the_rest_is_told(client: Client, busy: World) -> None:
    with locked_database():
        told = scraped(client)
    assert value(told, "realm_scrape_part_up", part="database") == 0.0
    assert value(told, "realm_training_step") == 50.0
    assert value(told, "realm_machine_cpu_ratio", host="local") == 0.25
    assert value(told, "realm_hero_steps_total") is None


def test_twin_without_parts_of_their_own_a_locked_database_fails_the_scrape(
    client: Client, busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RealmCollector, "_of", lambda self, name, part: list(part(self._world, self._config)))
    client.raise_request_exception = False
    with locked_database():
        assert client.get("/metrics").status_code >= 500


def test_files_that_say_rubbish_break_nothing(client: Client, busy: World) -> None:
    for path, text in (("machines.json", '{"hosts": [1]}'), ("arena.json", "}{"), ("vault.json", "[]")):
        (busy.status / path).write_text(text)
    (busy.home / "hosts.yaml").write_text("local: {kind: foreign}")
    (busy.battles / "b1" / energy_meter.FILE).write_bytes(b"odd")
    told = scraped(client)
    assert {value(told, "realm_scrape_part_up", part=part) for part in ("training", "database", "machines")} == {1.0}


def with_many_sets(world: World) -> None:
    sets = {f"quest/{'q' * 100}{at}": {"name": f"quest/{'q' * 100}{at}", "rows": 1, "sha256": "x"} for at in range(60)}
    losses = dict.fromkeys(sets, 1.0) | {f"bin/{at}": 1.0 for at in range(60)}
    named = {f"bin/{at}": {"name": f"bin/{at}", "rows": 1, "sha256": "x"} for at in range(60)}
    tell("b1", 9, kind="validated", val_loss=None, sets=sets | named, losses=losses)


def test_labels_are_bounded(client: Client, busy: World) -> None:
    with_many_sets(busy)
    for at in range(200):
        tell("b1", 100 + at, kind="fault", fault=f"kind {at}")
    told = scraped(client)
    of_sets = [labels for name, labels in told if name == "realm_validation_loss"]
    assert len(of_sets) <= of_database.MOST_SETS
    assert len([1 for name, _ in told if name == "realm_faults_total"]) == 4
    assert max(len(text) for _, labels in told for _, text in labels) <= 80


def test_twin_without_the_bound_labels_grow_with_the_quests(
    client: Client, busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_many_sets(busy)
    monkeypatch.setattr(of_database, "MOST_SETS", None)
    assert len([1 for name, _ in scraped(client) if name == "realm_validation_loss"]) > 20


def queries() -> list[tuple[str, str]]:
    board = json.loads(BOARD.read_text())
    return [(target["expr"], target["legendFormat"]) for panel in board["panels"] for target in panel["targets"]]


def missing(told: Samples) -> set[str]:
    """Names and labels of the board's queries that a busy realm does not serve."""
    labels: dict[str, set[str]] = {}
    for name, pairs in told:
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    found = set()
    for expression, legend in queries():
        for name in re.findall(r"\brealm_[a-z0-9_]+", expression):
            found |= {name} - set(labels)
            found |= {f"{name}: {label}" for label in re.findall(r"{{(\w+)}}", legend)} - {
                f"{name}: {label}" for label in labels.get(name, ())
            }
    return found


def test_every_query_of_the_board_names_what_a_busy_realm_serves(client: Client, busy: World) -> None:
    assert len(queries()) > 20
    assert missing(scraped(client)) == set()


def test_twin_a_figure_that_is_gone_is_missed(client: Client, busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_database, "_hero", lambda world, hero: iter(()))
    assert "realm_hero_level" in missing(scraped(client))


def test_the_cost_of_a_scrape_does_not_grow_with_the_checkpoints(client: Client, busy: World) -> None:
    """Every query goes by an index; none is asked for each row."""

    def plans() -> list[str]:
        of_database._count.cache_clear()
        with CaptureQueriesContext(connection) as asked:
            scrape(client)
        return [query["sql"] for query in asked if query["sql"].startswith("SELECT")]

    few = plans()
    for step in range(41, 61):
        make_checkpoint(busy.heroes, step)
    scan(busy)
    many = plans()
    assert len(many) == len(few)
    for sql in many:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps = [row[-1] for row in cursor.fetchall()]
        scans = [step for step in steps if step.startswith("SCAN ") and "INDEX" not in step and step != "SCAN subquery"]
        assert not scans, (sql, steps)


def test_a_locked_file_is_not_waited_for_as_pages_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_database, "PATIENCE_MILLISECONDS", 10)
    database = tmp_path / "realm #1.sqlite3"
    with closing(sqlite3.connect(database, isolation_level=None)) as held:
        held.execute("CREATE TABLE t (a)")
        of_database.knock(database)
        held.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            of_database.knock(database)
    with pytest.raises(sqlite3.OperationalError):
        of_database.knock(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_patience_with_a_lock_is_given_back(client: Client, busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def patience() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

    seen: list[int] = []
    monkeypatch.setattr(of_database, "_faults", lambda: seen.append(patience()) or {})
    scrape(client)
    assert seen == [of_database.PATIENCE_MILLISECONDS]
    assert patience() == int(1000 * connection.settings_dict["OPTIONS"].get("timeout", 5))

"""A real inference host and a tiny hero: what it gets wrong in a sparring and in a trial, from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guild.models import Run
from guild.work import perform, runs, sparring, sparring_check, trials
from guild.work.sparring_rows import binding_of
from realm.hosts import Host
from realm.oracle.sync_client import OracleClient
from realm.world import World
from tests.support import few_skills
from tests.support import oracle_heroes as heroes

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_from_the_question_to_the_quest(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    heroes.make_world(tmp_path / "made")
    (world.models / "base").mkdir(exist_ok=True)
    (tmp_path / "made" / "models" / "base" / "embedded").rename(world.models / "base" / "embedded")
    old, new = heroes.add_full(world, 5), heroes.add_full(world, 10)
    with heroes.oracle(world) as host:
        (world.home / "hosts.yaml").write_text(f"local: {{kind: realm, url: '{host.url}'}}\n", encoding="utf-8")
        run = perform.perform(
            world,
            sparring.create(sparring.order(world=world, hero="DIO", skill="bin", count=8, host="local"), by="test").pk,
        )
        assert run.state == "completed", run.message
        found = runs.results(run)
        assert (found["checkpoint"], found["wrong"], found["examples"]) == (new.name, 8, 24)
        path = world.home / found["file"]
        binding = binding_of(path.read_bytes().splitlines()[0])
        assert binding is not None
        assert binding.sha256 == found["sha256"]
        assert len(binding.sha256 or "") == 64
        assert sparring_check.check(world, path).sound
        with OracleClient(Host(id="x", name="x", url=host.url, kind="realm")) as client:
            assert not client.loaded()
        _try(world, old.name, new.name)


def _try(world: World, old: str, new: str) -> None:
    """The older one is damaged on disk: its column says so, the other's is whole."""
    weights = world.heroes / "DIO" / old / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    order = trials.order(world=world, hero="DIO", checkpoints=["all"], skills=["bin"], levels=[1, 2], host="local")
    run = perform.perform(world, trials.create(order, by="test").pk)
    assert run.state == "completed", run.message
    damaged, whole = trials.read_result(runs.results(run)).columns
    assert "model.safetensors" in damaged.trouble
    assert [(cell.correct, cell.total) for cell in whole.cells] == [(0, 25), (0, 25)]
    assert whole.checkpoint == new
    assert json.dumps(Run.objects.get(pk=run.pk).results)

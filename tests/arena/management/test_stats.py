"""`manage.py stats`, as the player types it."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from arena.statistics import StatisticsManager
from realm.world import World
from tests.arena.statistics import factories
from tests.watchtower.factories import make_battle

pytestmark = pytest.mark.django_db


def say(*words: str) -> str:
    out = io.StringIO()
    call_command("stats", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def fought(world: World) -> World:
    for name, loss in (("older", 3.0), ("newer", 1.5)):
        make_battle(world, name)
        told = factories.Told().begin(examples=90, total_steps=120)
        factories.battle(world.battles / name, factories.records(60, loss=loss), told)
    return world


def test_the_newest_battle_is_shown_in_80_columns(fought: World) -> None:
    said = say("show")
    assert "battle       newer (training)" in said
    assert "60 of 120" in said
    assert "1.5000 ± 0.0000 over the last 50" in said
    assert max(map(len, said.splitlines())) <= 80
    assert json.loads(say("show", "older", "--json"))["convergence"]["loss_avg"] == 3.0


def test_files_hold_what_is_printed(fought: World, tmp_path: Path) -> None:
    target = tmp_path / "curves"
    said = say("export", "--csv", f"{target}.csv", "--json", f"{target}.json")
    assert f"{target}.csv: 60 steps of newer" in said
    assert Path(f"{target}.csv").read_text() == say("export", "--csv", "-")
    say("export", "older", "--csv", f"{target}.csv", "--points", "10")
    assert len(list(csv.DictReader(Path(f"{target}.csv").read_text().splitlines()))) <= 10
    document = json.loads(Path(f"{target}.json").read_text())
    assert document["statistics"] == StatisticsManager(fought.battles / "newer").get_statistics()
    assert len(document["rows"]) == 60
    assert sorted(path.name for path in tmp_path.glob("*curves*")) == ["curves.csv", "curves.json"]


def test_refusals_are_sentences(fought: World, tmp_path: Path) -> None:
    for words, reason in (
        (["show", "nowhere"], "no battle of this name"), (["show", "../battles/newer"], "no battle's id"),
        (["show", "a\0b"], "no battle's id"), (["show", "x" * 300], "no battle's id"),
        (["export"], "say what to write"), (["export", "--csv", "-", "--json", "-"], "only one"),
        (["export", "--csv", str(tmp_path / "no" / "such.csv")], "cannot be written"),
        (["export", "--csv", "-", "--points", "3"], "invalid"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=reason):
            say(*words)


def test_before_the_first_battle(world: World) -> None:
    with pytest.raises(CommandError, match="no battle was fought yet"):
        say("show")


def test_names_that_one_would_look_for(fought: World) -> None:
    manager = StatisticsManager(fought.battles / "newer")
    metrics = manager.get_convergence_metrics()
    assert {"loss_avg", "loss_variance", "update_coverage", "stagnation_detected"} <= set(metrics)
    assert manager.get_memory_report()["peak_mb"] == 100.0
    assert manager.get_eta() == pytest.approx(60.0)
    assert (manager.detect_anomalies(), manager.get_error_summary()["total"]) == ([], 0)
    factories.battle(fought.battles / "newer", factories.records(70))
    assert manager.get_statistics()["last_step"] == 60
    manager.refresh()
    assert manager.get_statistics()["last_step"] == 70

"""Settings of the background tasks: what may stand there, and what comes of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import Any

import pytest

from guild.tasks.registry import FIXED, MANAGE, RESOURCES, Task, list_tasks
from guild.tasks.task_settings import Rules, read_rules, save_tasks
from realm.config import RealmConfig, load
from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import read_yaml
from tests.support.servers import manage


def tasks(*skills: str, **settings: Any) -> dict[str, Task]:
    rules = read_rules(RealmConfig(tasks=settings))
    return {task.name: task for task in list_tasks(rules, skills)}


def test_the_tasks_and_their_priorities_are_those_of_the_specification() -> None:
    assert {name: task.priority for name, task in tasks("bin", "sy").items()} == {
        "process_eval_queue": 10, "sparring_bin": 9, "sparring_sy": 9, "sparring_bin_large": 8, "sparring_sy_large": 8,
        "generate_bin": 6, "generate_sy": 6, "make_sets": 6, "health_check": 4, "validate_queue": 4,
        "checkpoint_cleanup": 3, "vault_scan": 3, "vault_copies": 3, "model_warmup": 2, "lineage_report": 2,
    }  # fmt: skip
    assert list(tasks("bin", "sy"))[:3] == ["process_eval_queue", "sparring_bin", "sparring_sy"]
    assert {task.resource for task in FIXED} <= set(RESOURCES)


def test_without_a_usable_skill_nobody_spars() -> None:
    assert not [name for name in tasks() if "sparring" in name]


def test_what_is_said_for_one_skill_wins_over_what_is_said_for_all() -> None:
    found = tasks(
        "bin", "sy", sparring={"count": 30, "cooldown_seconds": 60, "skills": {"sy": {"count": 5, "enabled": False}}}
    )
    assert found["sparring_bin"].argv[len(MANAGE) :][:5] == ("spar", "--skill", "bin", "--count", "30")
    assert found["sparring_sy"].argv[len(MANAGE) :][:5] == ("spar", "--skill", "sy", "--count", "5")
    assert (found["sparring_sy"].enabled, found["sparring_sy"].cooldown_seconds) == (False, 60)


def test_a_large_sparring_asks_five_hundred_problems() -> None:
    found = tasks("bin", "sy", large_sparring={"skills": {"sy": {"count": 40}}})
    assert found["sparring_bin_large"].argv[len(MANAGE) :][:5] == ("spar", "--skill", "bin", "--count", "500")
    assert found["sparring_sy_large"].argv[len(MANAGE) :][4] == "40"


def test_training_data_is_generated_by_the_forge_and_only_on_demand() -> None:
    found = tasks("bin", generate={"count": 200})["generate_bin"]
    assert (found.enabled, found.argv[len(MANAGE) :]) == (False, ("forge", "--skill", "bin", "--count", "200"))
    assert tasks("bin", generate={"skills": {"bin": {"enabled": True}}})["generate_bin"].enabled


def test_who_wants_it_beside_a_battle_gets_it() -> None:
    assert "oracle" in tasks("bin")["sparring_bin"].conditions
    assert "oracle_answers" in tasks("bin", sparring={"beside_battle": True})["sparring_bin"].conditions
    again = tasks("bin", sparring={"beside_battle": True, "skills": {"bin": {"beside_battle": False}}})
    assert again["sparring_bin"].conditions == tasks("bin")["sparring_bin"].conditions
    assert tasks(make_sets={"beside_battle": True})["make_sets"].conditions == ("sets_missing", "always")


BROKEN = [
    ("tasks: {health_chek: {}}", "tasks: unknown key 'health_chek'; allowed are checkpoint_cleanup, "),
    ("tasks: {idle_percent: 0}", "tasks: idle_percent: 0 is not allowed; allowed are 1 to 100"),
    ("tasks: {generate: {priority: 11}}", "tasks: generate: priority: 11 is not allowed; allowed are 0 to 10"),
    ("tasks: {make_sets: {count: 5}}", "tasks: make_sets: unknown key 'count'; allowed are beside_battle, "),
    ("tasks: {sparring: {count: 0}}", "tasks: sparring: count: 0 is not allowed; allowed are 1 to 10000"),
    ("tasks: {generate: {enabled: maybe}}", "tasks: generate: enabled: true or false is expected, not 'maybe'"),
    ("tasks: {generate: {timeout_seconds: .nan}}", "tasks: generate: timeout_seconds: a number is expected, not NaN"),
    ("tasks: {generate: {cooldown_seconds: .inf}}", "tasks: generate: cooldown_seconds: inf is not allowed"),
    ("tasks: {sparring: {skills: {bin: {x: 1}}}}", "tasks: sparring: skills.bin: unknown key 'x'; allowed are "),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
def test_broken_settings_name_file_key_and_what_is_allowed(world: World, text: str, sentence: str) -> None:
    file = world.home / "config.yaml"
    file.write_text(text)
    with pytest.raises(BadConfig) as caught:
        load(world, {}, tasks=Rules)
    assert f"{file}: {sentence}" in str(caught.value)
    load(world, {})  # sabotage: who does not ask for the check gets none


def test_a_world_with_broken_task_settings_does_not_start_and_says_so(world: World) -> None:
    (world.home / "config.yaml").write_text("tasks: {generate: {priority: high}}")
    done: subprocess.CompletedProcess[str] = manage(world, "taskmaster", "--status")
    assert done.returncode == 1
    assert "tasks: generate: priority: a whole number is expected, not 'high'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_settings_are_saved_in_the_world(world: World) -> None:
    save_tasks(world, {"sparring_bin": {"count": 50}, "generate_sy": {"enabled": False}, "": {"idle_percent": 30}})
    assert read_yaml(world.home / "config.yaml")["tasks"] == {
        "idle_percent": 30, "generate": {"skills": {"sy": {"enabled": False}}},
        "sparring": {"skills": {"bin": {"count": 50}}},
    }  # fmt: skip
    assert load(world, {}, tasks=Rules).tasks["idle_percent"] == 30


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("generate", {"priority": 50}, "tasks: generate: priority: 50 is not allowed"),
        ("generat", {"priority": 5}, "tasks: unknown key 'generat'.*did you mean 'generate'"),
        ("generate-bin", {"priority": 5}, "unknown key 'generate-bin'.*did you mean 'generate'"),
        ("idle_percent", {"x": 5}, "unknown key 'idle_percent'"),
        ("", {"idle_percent": 500}, "idle_percent: 500 is not allowed"),
    ],
)
def test_what_cannot_be_is_not_saved(world: World, name: str, keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        save_tasks(world, {name: keys})
    assert not (world.home / "config.yaml").exists()


def test_every_fixed_task_is_a_command_that_exists() -> None:
    from django.core.management import get_commands

    assert {task.argv[len(MANAGE)] for task in FIXED} - {"evaluate"} <= set(get_commands())
    assert replace(FIXED[0], name="run-12").run_id == 12

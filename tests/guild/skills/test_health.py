"""A trainer that fails is skipped, with a pause that doubles, told once, and tried again by itself."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from guild.curriculum.plan import AS_SHIPPED
from guild.errors import BrokenFile, TrainerUnavailable, UnknownSkill
from guild.skills import health, registry
from guild.skills.check import check, check_remote
from guild.skills.health import Down, down, is_down, mark_down, mark_up, note_broken_files, trainer_of, usable_skills
from guild.skills.registry import get_trainer
from guild.trainers.problems import Problem
from realm.world import CHECKOUT, World
from tests.support import skill_files
from tests.support.served_trainer import HonestStub, stub

LEVEL = "[{ operations: [NOT], width: 20 }]"


class Clock:
    """Stands still until it is told to go."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("bin", "sy"):
        skill_files.put(
            tmp_path / "skills", monkeypatch, name, trainer="guild.trainers.binary.BinaryAlchemist", levels=LEVEL
        )
    return tmp_path / "skills"


def names(world: World, clock: Clock) -> list[str]:
    return [skill.name for skill in usable_skills(world, clock=clock)]


def test_a_trainer_that_is_down_is_skipped_and_tried_again_by_itself(world: World, folder: Path) -> None:
    clock = Clock()
    assert names(world, clock) == ["bin", "sy"]
    mark_down(world, "sy", "it sleeps", clock=clock)
    assert names(world, clock) == ["bin"]
    assert is_down(world, "sy", clock=clock)
    assert not is_down(world, "bin", clock=clock)
    clock.now += 60
    assert names(world, clock) == ["bin", "sy"]
    assert down(world)["sy"].reason == "it sleeps"  # until it is known to work, it is told of


def test_the_pause_doubles_up_to_half_an_hour(world: World, folder: Path) -> None:
    clock, pauses = Clock(), []
    for _ in range(8):
        mark_down(world, "sy", "it sleeps", clock=clock)
        pauses.append(down(world)["sy"].retry_at - clock.now)
        clock.now = down(world)["sy"].retry_at
    assert pauses == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert down(world)["sy"].since == 1_000_000


def test_processes_that_meet_the_same_failure_count_as_one(world: World, folder: Path) -> None:
    clock = Clock()
    for _ in range(5):
        mark_down(world, "sy", "it sleeps", clock=clock)
    assert down(world)["sy"].failures == 1


def test_what_works_again_is_forgotten(world: World, folder: Path) -> None:
    clock = Clock()
    mark_down(world, "sy", "it sleeps", clock=clock)
    mark_up(world, "sy")
    assert names(world, clock) == ["bin", "sy"]
    assert down(world) == {}
    mark_down(world, "sy", "it sleeps", clock=clock)
    assert down(world)["sy"].failures == 1


BAD_GYM = "[{ min_terms: 9, max_terms: 2 }]"


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process, which has asked no trainer yet."""
    monkeypatch.setattr(registry, "_refused", {})


def test_a_file_that_its_task_refuses_is_left_alone_until_it_changes(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    path = skill_files.put(folder, monkeypatch, "sums", trainer="reasoning-gym:chain_sum", levels=BAD_GYM)
    with pytest.raises(BrokenFile), trainer_of(world, "sums", clock=clock):
        pass
    elsewhere(monkeypatch)
    clock.now += 30 * 86_400
    assert names(world, clock) == ["bin", "sy"]
    path.write_text(path.read_text(encoding="utf-8").replace("max_terms: 2", "max_terms: 10"), encoding="utf-8")
    assert names(world, clock) == ["bin", "sums", "sy"]


def test_twin_as_any_other_failure_it_is_in_turn_again_after_its_pause(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(registry, "BrokenFile", TrainerUnavailable)
    skill_files.put(folder, monkeypatch, "sums", trainer="reasoning-gym:chain_sum", levels=BAD_GYM)
    with pytest.raises(TrainerUnavailable), trainer_of(world, "sums", clock=clock):
        pass
    elsewhere(monkeypatch)
    assert names(world, clock) == ["bin", "sy"]
    clock.now += 60
    assert names(world, clock) == ["bin", "sums", "sy"]


def test_broken_files_are_noted_and_forgotten_when_their_package_takes_them(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, levels in (("good", "[{}]"), ("sums", BAD_GYM)):
        skill_files.put(folder, monkeypatch, name, trainer="reasoning-gym:chain_sum", levels=levels)
    mark_down(world, "good", "a former release had no such task", lasting=True)
    mark_down(world, "sy", "it sleeps")
    note_broken_files(world)
    found = down(world)
    assert sorted(found) == ["sums", "sy"]
    assert "refuses these parameters" in found["sums"].reason
    assert (found["sums"].lasting, found["sy"].lasting) == (True, False)


def test_it_is_told_once(world: World, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "guild.skills.health")
    clock = Clock()
    for _ in range(3):
        mark_down(world, "sy", "it sleeps", clock=clock)
        clock.now = down(world)["sy"].retry_at
    mark_up(world, "sy")
    mark_up(world, "sy")
    assert [record.message for record in caplog.records] == [
        "skill sy is skipped until its trainer works again: it sleeps",
        "the trainer of skill sy works again",
    ]


def test_a_changed_file_is_tried_at_once(world: World, folder: Path) -> None:
    clock = Clock()
    mark_down(world, "sy", "it sleeps", clock=clock)
    path = folder / "sy.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "priority: 2\n", encoding="utf-8")
    assert names(world, clock) == ["bin", "sy"]
    mark_down(world, "sy", "it still sleeps", clock=clock)
    assert down(world)["sy"].failures == 1


def test_a_clock_set_back_makes_no_endless_pause(world: World, folder: Path) -> None:
    clock = Clock()
    mark_down(world, "sy", "it sleeps", clock=clock)
    clock.now -= 86_400
    assert not is_down(world, "sy", clock=clock)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"down": []}', '{"down": {"sy": {"reason": 1}}}', '{"down": {"sy"', "[" * 9999]
)
def test_a_damaged_file_is_made_anew(world: World, folder: Path, text: str) -> None:
    (world.status / "trainers.json").write_text(text, encoding="utf-8")
    assert names(world, Clock()) == ["bin", "sy"]
    mark_down(world, "sy", "it sleeps", clock=Clock())
    assert list(down(world)) == ["sy"]


def test_a_name_that_is_no_skill_is_not_noted(world: World, folder: Path) -> None:
    with pytest.raises(UnknownSkill), trainer_of(world, "lost"):
        pass
    assert down(world) == {}


def test_the_trainer_in_use_is_noted_as_it_turns_out(world: World, folder: Path) -> None:
    with pytest.raises(TrainerUnavailable), trainer_of(world, "sy"):
        raise TrainerUnavailable("it sleeps")
    assert down(world)["sy"].reason == "it sleeps"
    with trainer_of(world, "sy") as trainer:
        assert trainer.sample(level=1, count=1)
    assert down(world) == {}


def test_a_trainer_that_was_not_asked_is_not_taken_for_well(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeping(**options: object) -> None:
        raise TrainerUnavailable("it sleeps")

    clock = Clock()
    mark_down(world, "sy", "it sleeps", clock=clock)
    clock.now += 60
    monkeypatch.setattr(get_trainer("sy"), "sample", sleeping)
    with pytest.raises(TrainerUnavailable), trainer_of(world, "sy", clock=clock):
        pass
    assert down(world)["sy"].failures == 2


def test_an_error_of_the_callers_own_says_nothing_of_the_trainer(world: World, folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), trainer_of(world, "sy"):
        raise ZeroDivisionError
    assert down(world) == {}


def few_sums(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one digit each there are some 200 different ones."""
    few = "[{ min_terms: 2, max_terms: 2, min_digits: 1, max_digits: 1 }]"
    path = skill_files.put(folder, monkeypatch, "sums", trainer="reasoning-gym:chain_sum", levels=few)
    path.write_text(path.read_text(encoding="utf-8").replace("quest_rows: 60", "quest_rows: 400"), encoding="utf-8")


def test_a_check_draws_as_much_as_forging_does(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_sums(folder, monkeypatch)
    with pytest.raises(TrainerUnavailable, match="the problems of level 1 repeat"):
        list(check(world, "sums", problems=40, curriculum=AS_SHIPPED))
    assert is_down(world, "sums")
    (found,) = check(world, "bin", problems=40, curriculum=AS_SHIPPED)
    assert (found.problems, found.rows) == (40, 60)


def test_twin_with_a_small_draw_alone_a_level_of_too_few_problems_keeps_its_promises(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_sums(folder, monkeypatch)
    (found,) = check(world, "sums", problems=40)
    assert (found.problems, found.rows) == (40, 0)
    assert down(world) == {}


def test_remote_trainers_are_asked_and_a_liar_is_marked(
    world: World, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Liar(HonestStub):
        name = "liar"

        def verdict(self, told: dict[str, object]) -> bool:
            return False

    with stub(HonestStub()) as honest, stub(Liar()) as liar:
        for server in (honest, liar):
            more = f"api_url: {server.url}\n"
            skill_files.put(folder, monkeypatch, server.name, trainer="http", levels="3", more=more)
        found = check_remote(world)
        assert found["stub"] is None
        assert "calls its own answer" in str(found["liar"])
        assert list(down(world)) == ["liar"]
        asked = len(liar.requests)
        assert list(check_remote(world)) == ["stub"]  # what pauses is left in peace
        assert len(liar.requests) == asked


def test_a_remote_trainer_that_never_ends_is_marked_and_keeps_nobody_waiting(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    class Stuck:
        def sample(self, **ignored: object) -> list[Problem]:
            released.wait(60)
            raise TrainerUnavailable("it was stuck")

    more = "api_url: http://127.0.0.1:1\n"
    skill_files.put(folder, monkeypatch, "stuck", trainer="http", levels="3", more=more)
    monkeypatch.setattr("guild.skills.health.get_trainer", lambda name: Stuck())
    before = set(threading.enumerate())
    try:
        assert "gave nothing for 0 s" in str(check_remote(world, seconds=0.2)["stuck"])
        assert "look whether it is stuck" in down(world)["stuck"].reason
    finally:
        released.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(60)


MARKER = """
import sys
from pathlib import Path
from guild.skills import health, registry
from realm.world import World
registry.SKILLS_FOLDER = Path(sys.argv[2])
for number in range(40):
    name = f"{sys.argv[3]}{number}"
    health.mark_down(World(Path(sys.argv[1])), name, "it sleeps")
"""


def many(folder: Path) -> list[str]:
    marked = [f"{letter}{number}" for letter in "abcd" for number in range(40)]
    for name in marked:
        (folder / f"{name}.yaml").touch()
    return marked


def mark_from_four_processes(world: World, folder: Path) -> None:
    command = [sys.executable, "-c", MARKER, str(world.home), str(folder)]
    markers = [subprocess.Popen([*command, letter], cwd=CHECKOUT, stderr=subprocess.DEVNULL) for letter in "abcd"]
    assert [marker.wait(100) for marker in markers] == [0] * 4


def test_marks_of_several_processes_are_all_kept(world: World, folder: Path) -> None:
    marked = many(folder)
    mark_from_four_processes(world, folder)
    assert sorted(down(world)) == sorted(marked)


def test_without_the_lock_a_mark_of_another_is_lost(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: somebody marks between this process's reading and writing."""
    read = health._read

    def read_then_be_overtaken(world: World) -> dict[str, Down]:
        entries = read(world)
        monkeypatch.setattr(health, "_read", read)
        mark_down(world, "bin", "it sleeps", clock=Clock())
        return entries

    monkeypatch.setattr(health, "_locked", lambda world: nullcontext())
    monkeypatch.setattr(health, "_read", read_then_be_overtaken)
    mark_down(world, "sy", "it sleeps", clock=Clock())
    assert list(down(world)) == ["sy"]


def test_a_process_that_dies_with_the_lock_lets_it_go(world: World, folder: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom guild.skills import health\nfrom realm.world import World\n"
        "with health._locked(World(Path(sys.argv[1]))):\n    os._exit(3)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(world.home)], cwd=CHECKOUT, env=os.environ, timeout=100)
    assert done.returncode == 3
    mark_down(world, "sy", "it sleeps", clock=Clock())
    assert json.loads((world.status / "trainers.json").read_text())["down"]["sy"]["reason"] == "it sleeps"

"""What is held out of training, with dozens of levels and with trainers that may be down."""

import json
from pathlib import Path
from typing import Any

import pytest

from guild.curriculum.forge import forge_next
from guild.curriculum.plan import Curriculum, Wishes
from guild.errors import TrainerUnavailable
from guild.evaluation import sets, validation
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set, set_path
from guild.evaluation.validation import ensure_validation, held_out
from guild.skills import health
from guild.skills.registry import Skill, get_skill, get_trainer, read_skills
from guild.trainers.problems import Problem
from guild.trainers.sampling import draw
from realm.world import World
from tests.support.small_skills import validation_problems, write_skill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []

    def read(path: Path, **named: Any) -> list[Problem]:
        found.append(path)
        return read_evaluation_set(path, **named)

    monkeypatch.setattr(sets, "read_evaluation_set", read)
    return found


def test_sets_are_read_again_only_when_they_have_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = held_out(world)
    found = reads(monkeypatch)
    assert held_out(world) == first
    assert found == []
    path = set_path(world, "bin", 2)
    path.write_text(json.dumps({"prompt": "new", "answer": "x"}) + "\n", encoding="utf-8")
    assert Problem("new", "x", "bin", 2).key in held_out(world)
    assert found == [path]


def test_twin_without_the_stamp_a_changed_set_goes_unseen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sets._keys_of_version
    monkeypatch.setattr(sets, "_keys_of_version", lambda path, stamp, *rest: real(path, (0, 0, 0), *rest))
    held_out(world)
    set_path(world, "bin", 2).write_text(json.dumps({"prompt": "new", "answer": "x"}) + "\n", encoding="utf-8")
    assert Problem("new", "x", "bin", 2).key not in held_out(world)


def make_remote(monkeypatch: pytest.MonkeyPatch, name: str, *, down: bool) -> None:
    monkeypatch.setattr(Skill, "is_remote", property(lambda skill: skill.name == name))
    if down:
        fall_silent(monkeypatch, name)


def fall_silent(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(**named: Any) -> Any:
        raise TrainerUnavailable(f"skill {name}: nobody answers")

    monkeypatch.setattr(get_trainer(name), "sample", fail)


def test_a_remote_trainer_that_is_down_holds_up_no_other_skill(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, "weaving")
    make_remote(monkeypatch, "weaving", down=True)
    only_bin = Curriculum(wishes={"weaving": Wishes(priority=0), "bin": Wishes(quest_rows=10)})
    assert forge_next(world, HERO, only_bin).name == "bin-level-1-0001.jsonl"
    assert {row.skill for row in validation_problems(world)} == {"bin"}


def test_sets_of_a_remote_trainer_are_there_before_its_first_quest(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, "weaving", quest_rows=100)
    make_remote(monkeypatch, "weaving", down=False)
    trainer = get_trainer("weaving")
    draw = trainer.sample
    evaluated: list[Problem] = []

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """A quest would draw what was evaluated first."""
        mine = [problem for problem in evaluated if problem.level == level]
        found = draw(level=level, count=count, seed=seed)
        if count == 25:
            evaluated.extend(found)
        return list(dict.fromkeys([*mine, *found]))[:count]

    monkeypatch.setattr(trainer, "sample", sample)
    path = forge_next(world, HERO, Curriculum(wishes={"bin": Wishes(priority=0)}))
    asked = {problem.prompt for problem in evaluated}
    assert len(asked) == 75
    assert all(set_path(world, "weaving", level).exists() for level in (1, 2, 3))
    prompts = {json.loads(line)["messages"][0]["content"] for line in path.read_bytes().splitlines()}
    assert len(prompts) == 100
    assert not prompts & asked


def test_twin_without_its_sets_the_first_quest_teaches_what_will_be_asked(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, "weaving", quest_rows=100)
    make_remote(monkeypatch, "weaving", down=False)
    shared = get_trainer("weaving").sample(level=1, count=100, seed=7)
    monkeypatch.setattr(get_trainer("weaving"), "sample", lambda *, level, count, seed=None: shared[:count])
    held = validation.held_out
    monkeypatch.setattr("guild.curriculum.forge.held_out", lambda world, skill: held(world))
    path = forge_next(world, HERO, Curriculum(wishes={"bin": Wishes(priority=0)}))
    asked = read_evaluation_set(ensure_evaluation_set(world, get_skill("weaving"), 1), skill="weaving", level=1)
    prompts = {json.loads(line)["messages"][0]["content"] for line in path.read_bytes().splitlines()}
    assert prompts & {problem.prompt for problem in asked}


def add_gym_skills(folder: Path, *names: str) -> None:
    """Files that can be read, with what their task refuses."""
    for name, levels in zip(names, ([{"min_terms": 9, "max_terms": 2}], [{"colour": 3}], [{}]), strict=False):
        task = "no_such_task" if levels == [{}] else "chain_sum"
        write_skill(folder, name, trainer=f"reasoning-gym:{task}", levels=levels)


def test_a_file_that_its_task_refuses_stops_no_other_skill(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, quest_rows=10)
    add_gym_skills(skills_folder, "badk", "badp", "badt")
    with health.trainer_of(world, "bin"):
        assert held_out(world, get_skill("bin"))
    assert health.down(world) == {}
    # They come first, by name, and are passed over one after another.
    assert forge_next(world, HERO).name == "bin-level-1-0001.jsonl"
    found = health.down(world)
    assert all(name in entry.reason and entry.lasting for name, entry in found.items())
    assert "bin" not in found


def test_twin_asked_for_every_trainer_the_set_is_stopped_by_a_strangers_file(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_gym_skills(skills_folder, "badk")
    monkeypatch.setattr(
        validation,
        "local_skills",
        lambda: tuple(skill for skill in read_skills() if not get_trainer(skill.name).is_remote),
    )
    with pytest.raises(TrainerUnavailable, match="'badk'"), health.trainer_of(world, "bin"):
        held_out(world, get_skill("bin"))
    assert "'badk'" in health.down(world)["bin"].reason


def test_every_broken_file_is_passed_over_however_many_there_are(world: World, skills_folder: Path) -> None:
    """Each that turns out broken shortens the list of skills while it is gone through."""
    write_skill(skills_folder, "zeal", quest_rows=10)
    (skills_folder / "bin.yaml").unlink()
    add_gym_skills(skills_folder, "badk", "badp", "badt")
    assert forge_next(world, HERO).name == "zeal-level-1-0001.jsonl"
    assert sorted(health.down(world)) == ["badk", "badp", "badt"]


def test_a_class_that_fails_is_left_out_and_marked_and_stops_no_other(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, "weaving")
    fall_silent(monkeypatch, "weaving")
    with health.trainer_of(world, "bin"):
        assert held_out(world, get_skill("bin"))
    assert {row.skill for row in validation_problems(world)} == {"bin"}
    assert list(health.down(world)) == ["weaving"]


def test_twin_without_the_net_a_class_that_fails_is_taken_for_another_skills_fault(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, "weaving")
    ensure_validation(world)
    for path in world.evaluation.glob("weaving-*"):
        path.unlink()
    fall_silent(monkeypatch, "weaving")
    monkeypatch.setattr(validation, "_ensure_if_it_can", sets.ensure_evaluation_sets)
    with pytest.raises(TrainerUnavailable, match="weaving"), health.trainer_of(world, "bin"):
        held_out(world, get_skill("bin"))
    assert list(health.down(world)) == ["bin"]


def test_what_other_skills_hold_out_asks_no_larger_level_of_this_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, asked = get_trainer("bin"), list[int]()
    sample = trainer.sample
    own = [problem.key for problem in sample(level=1, count=100, seed=7)[:3]]

    def counting(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        asked.append(count)
        return sample(level=level, count=count, seed=seed)

    monkeypatch.setattr(trainer, "sample", counting)
    forbidden = {*own, *(f"of another skill: {number}" for number in range(5000))}
    drawn = draw(trainer, level=1, count=100, seed=7, forbidden=forbidden)
    assert len({problem.key for problem in drawn} - forbidden) == 100
    assert (asked[0], asked[1]) == (100, 103)
    assert max(asked) < 200

import json
from collections import Counter
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from guild.curriculum import plan as curriculum
from guild.curriculum.forge import forge_next
from guild.curriculum.plan import (
    AS_SHIPPED,
    Curriculum,
    Elsewhere,
    Why,
    Wishes,
    mix,
    plan,
    read_curriculum,
    save_curriculum,
    turns,
)
from guild.errors import GuildError, TrainerUnavailable, UnknownSkill
from guild.models import Evaluation, SkillProgress
from guild.skills import health
from guild.skills.registry import Skill, get_skill, get_trainer
from realm import config, strict
from realm.config import RealmConfig, config_file
from realm.strict import BadConfig
from realm.world import World
from tests.guild.evaluation.test_progression import judged
from tests.support.small_skills import write_skill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"


def rows_by_level(path: Path) -> Counter[int]:
    return Counter(json.loads(line)["level"] for line in path.read_bytes().splitlines())


def forged(world: World, count: int, wishes: Curriculum = AS_SHIPPED) -> list[str]:
    """Skills of so many quests, forged one after another."""
    return [forge_next(world, HERO, wishes).name.partition("-")[0] for _ in range(count)]


def reach(level: int, skill: str = "bin") -> None:
    SkillProgress.objects.update_or_create(hero=HERO, skill=skill, defaults={"level": level})


# Whose turn it is


@pytest.mark.parametrize(("priorities", "expected"), [((1, 1), (8, 8)), ((30, 10), (12, 4)), ((1, 7), (2, 14))])
def test_quests_are_shared_by_priority(
    world: World, skills_folder: Path, priorities: tuple[int, int], expected: tuple[int, int]
) -> None:
    for name, priority in zip(("bin", "weaving"), priorities, strict=True):
        write_skill(skills_folder, name, quest_rows=10, priority=priority)
    assert Counter(forged(world, 16)) == dict(zip(("bin", "weaving"), expected, strict=True))


def test_a_skill_that_joins_late_does_not_catch_up_for_hours(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, quest_rows=10, priority=2)
    forged(world, 20)
    write_skill(skills_folder, "weaving", quest_rows=10, priority=2)
    assert forged(world, 6) == ["weaving", "bin"] * 3


def test_twin_with_a_long_memory_the_late_one_has_all_the_turns(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=10, priority=2)
    forged(world, 20)
    write_skill(skills_folder, "weaving", quest_rows=10, priority=2)
    monkeypatch.setattr(curriculum, "_memory", lambda priorities: 1000)
    assert forged(world, 6) == ["weaving"] * 6


def test_a_skill_waits_until_others_are_far_enough(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, quest_rows=10)
    write_skill(skills_folder, "weaving", quest_rows=10, requires={"bin": 2})
    assert set(forged(world, 4)) == {"bin"}
    assert turns(world, HERO)[-1].waits == "it joins when the hero has reached bin level 2"
    reach(2)
    assert forged(world, 1) == ["weaving"]


@pytest.mark.parametrize(
    ("requires", "sentence"),
    [
        ({"alchemy": 4}, "it requires alchemy, and there is no skill of that name"),
        ({"binn": 1}, "it requires binn, and there is no skill of that name; did you mean 'bin'?"),
        ({"broken": 1}, "it requires broken, whose file cannot be used"),
        ({"bin": 4}, "it requires bin level 4, and bin has only 3 levels"),
    ],
)
def test_what_can_never_be_met_keeps_a_skill_waiting_and_is_named(
    world: World, skills_folder: Path, requires: dict[str, int], sentence: str
) -> None:
    (skills_folder / "broken.yaml").write_text("nonsense", encoding="utf-8")
    write_skill(skills_folder, quest_rows=10)
    write_skill(skills_folder, "weaving", quest_rows=10, requires=requires)
    reach(3)
    assert set(forged(world, 2)) == {"bin"}
    assert turns(world, HERO)[-1].waits == sentence
    out = StringIO()
    call_command("skill", "list", stdout=out)
    assert f"  waits: {sentence}\n" in out.getvalue()


def test_twin_unlooked_at_a_skill_that_is_not_there_holds_nobody_back_for_good(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is only compared with the hero's level says nothing of why."""
    monkeypatch.setattr(curriculum, "impossible_requirements", lambda skill: ())
    write_skill(skills_folder, "weaving", quest_rows=10, requires={"alchemy": 4})
    assert turns(world, HERO)[-1].waits == "it joins when the hero has reached alchemy level 4"


def test_what_requires_a_skill_known_as_broken_waits(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, "weaving", requires={"bin": 1})
    health.mark_down(world, "bin", "its task lacks a parameter", lasting=True)
    waits = {turn.skill.name: turn.waits for turn in turns(world, HERO)}
    assert waits == {
        "bin": "its trainer cannot do what its file says",
        "weaving": "it requires bin, whose file cannot be used",
    }


def test_one_whose_pause_is_over_is_not_shown_as_well(world: World) -> None:
    health.mark_down(world, "bin", "it sleeps", clock=lambda: 1_000_000.0)
    (turn,) = turns(world, HERO)
    assert (turn.waits, turn.doubt) == ("", "its trainer was down when last tried")
    found = plan(world, HERO)
    assert found is not None
    assert found.reason.endswith("; its trainer was down when last tried, so another may be taken")
    out = StringIO()
    call_command("curriculum", "show", stdout=out)
    assert "in turn" not in out.getvalue()
    health.mark_up(world, "bin")
    assert turns(world, HERO)[0].doubt == ""


def test_a_priority_of_0_is_off(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, "weaving", quest_rows=10)
    off = Curriculum(wishes={"weaving": Wishes(priority=0), "bin": Wishes(quest_rows=10)})
    assert set(forged(world, 5, off)) == {"bin"}
    assert turns(world, HERO, off)[-1].waits == "its priority is 0"
    nothing = Curriculum(wishes={"weaving": Wishes(priority=0), "bin": Wishes(priority=0)})
    assert plan(world, HERO, nothing) is None
    with pytest.raises(GuildError, match="no usable skill in configs/skills has a priority above 0"):
        forge_next(world, HERO, nothing)


def test_the_plan_is_what_is_forged(world: World) -> None:
    reach(3)
    wishes = Curriculum(wishes={"bin": Wishes(quest_rows=100, first_rehearsal_share=0.3)})
    expected = plan(world, HERO, wishes)
    assert expected is not None
    path = forge_next(world, HERO, wishes)
    assert path.stem == expected.name
    assert rows_by_level(path) == {part.level: part.rows for part in expected.mix} == {1: 15, 2: 15, 3: 70}
    after = plan(world, HERO, wishes)
    assert after is not None
    assert after.number == expected.number + 1


# A trainer that is down


def fail(*, level: int, count: int, seed: int | None = None) -> Any:
    raise TrainerUnavailable("skill bin: nobody answers at http://127.0.0.1:8090")


def test_a_trainer_that_is_down_is_passed_over_and_then_left_alone(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=10, priority=9)
    write_skill(skills_folder, "weaving", quest_rows=10)
    forged(world, 1)
    monkeypatch.setattr(get_trainer("bin"), "sample", fail)
    assert set(forged(world, 3)) == {"weaving"}
    assert turns(world, HERO)[-1].waits == "its trainer is down"
    assert health.is_down(world, "bin")


def test_with_every_trainer_down_the_reason_is_told(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=10)
    forged(world, 1)
    monkeypatch.setattr(get_trainer("bin"), "sample", fail)
    with pytest.raises(TrainerUnavailable, match="nobody answers"):
        forge_next(world, HERO)
    with pytest.raises(GuildError, match="No quest can be forged: bin: its trainer is down"):
        forge_next(world, HERO)


# The mix of levels


def test_a_lost_level_is_rehearsed_more(world: World) -> None:
    skill = replace(get_skill("bin"), quest_rows=100, rehearsal_share=0.4, lost_weight=3)
    found = [(part.level, part.rows, part.why) for part in mix(skill, 3, {1})]
    assert found == [(1, 30, Why.LOST), (2, 10, Why.MASTERED), (3, 60, Why.CURRENT)]


def test_levels_lost_by_evaluation_are_in_the_next_quest(world: World) -> None:
    for step, right in enumerate([10, 10, 10, 5, 5], start=1):
        judged(step, right)
    for step in range(6, 9):
        judged(step, 10, level=2)
    wishes = Curriculum(wishes={"bin": Wishes(quest_rows=100, first_rehearsal_share=0.2)})
    expected = plan(world, HERO, wishes)
    assert expected is not None
    assert {part.level: part.why for part in expected.mix} == {1: Why.LOST, 2: Why.MASTERED, 3: Why.CURRENT}
    assert "level 1 was lost again" in expected.reason
    assert rows_by_level(forge_next(world, HERO, wishes)) == {1: 15, 2: 5, 3: 80}
    Evaluation.objects.all().delete()
    assert rows_by_level(forge_next(world, HERO, wishes)) == {1: 10, 2: 10, 3: 80}


def test_the_next_level_is_previewed_where_there_is_one(world: World) -> None:
    wishes = Curriculum(wishes={"bin": Wishes(quest_rows=100, preview_share=0.1)})
    assert rows_by_level(forge_next(world, HERO, wishes)) == {1: 90, 2: 10}
    reach(3)
    assert 4 not in rows_by_level(forge_next(world, HERO, wishes))


@given(
    rows=st.integers(1, 5000),
    level=st.integers(1, 30),
    rehearsal=st.floats(0, 0.9),
    preview=st.floats(0, 0.5),
    lost=st.sets(st.integers(1, 30)),
    weight=st.integers(1, 100),
    elsewhere=st.floats(0, 0.9),
    others=st.lists(st.integers(1, 100), max_size=5),
)
def test_whatever_is_wished_a_quest_has_its_rows(
    rows: int,
    level: int,
    rehearsal: float,
    preview: float,
    lost: set[int],
    weight: int,
    elsewhere: float,
    others: list[int],
) -> None:
    skill = replace(
        get_skill("bin"),
        levels=({},) * 30,
        quest_rows=rows,
        rehearsal_share=rehearsal,
        preview_share=preview,
        lost_weight=weight,
        other_skills_share=elsewhere,
    )
    learnt = [
        Elsewhere(skill="sy", level=number, why=Why.MASTERED, weight=each)
        for number, each in enumerate(others, start=1)
    ]
    found = mix(skill, level, lost, others=learnt)
    assert sum(part.rows for part in found) == rows
    assert all(part.rows > 0 for part in found)
    current = sum(part.rows for part in found if part.why is Why.CURRENT)
    assert current >= int(rows * curriculum.LEAST_CURRENT_SHARE) - 1
    assert max((part.level for part in found if part.skill == "bin"), default=0) <= min(level + 1, 30)
    assert sum(part.rows for part in found if part.skill == "sy") <= round(rows * elsewhere)


def shares(path: Path) -> dict[str, int]:
    """Rows by skill and level."""
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return dict(sorted(Counter(f"{row['skill']} {row['level']}" for row in rows).items()))


def test_the_first_quest_of_a_level_rehearses_more(world: World) -> None:
    reach(3)
    wishes = Curriculum(wishes={"bin": Wishes(quest_rows=100)})
    assert shares(forge_next(world, HERO, wishes)) == {"bin 1": 25, "bin 2": 25, "bin 3": 50}
    assert shares(forge_next(world, HERO, wishes)) == {"bin 1": 10, "bin 2": 10, "bin 3": 80}


BESIDE = Wishes(quest_rows=100, rehearsal_share=0.2, first_rehearsal_share=0.2, other_skills_share=0.3)


@pytest.fixture
def two_skills(skills_folder: Path) -> Curriculum:
    write_skill(skills_folder, "weaving")
    return Curriculum(wishes={"bin": BESIDE, "weaving": BESIDE})


def test_a_quest_also_rehearses_what_was_learnt_in_other_skills(world: World, two_skills: Curriculum) -> None:
    reach(3, "weaving")
    reach(2)
    expected = plan(world, HERO, two_skills)
    assert expected is not None
    path = forge_next(world, HERO, two_skills)
    assert path.name == "bin-level-2-0001.jsonl"
    assert shares(path) == {"bin 1": 20, "bin 2": 50, "weaving 1": 15, "weaving 2": 15}, "level 3 is not begun"
    assert shares(path) == {f"{part.skill} {part.level}": part.rows for part in expected.mix}
    path = forge_next(world, HERO, two_skills)
    assert path.name == "weaving-level-3-0001.jsonl"
    assert shares(path) == {"bin 1": 15, "bin 2": 15, "weaving 1": 10, "weaving 2": 10, "weaving 3": 50}
    path = forge_next(world, HERO, two_skills)
    assert shares(path) == {"bin 1": 20, "bin 2": 50, "weaving 1": 10, "weaving 2": 10, "weaving 3": 10}


def test_twin_without_the_other_skills_levels_a_quest_is_of_one_skill(
    world: World, two_skills: Curriculum, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curriculum, "_elsewhere", lambda *_: [])
    reach(3, "weaving")
    reach(2)
    assert shares(forge_next(world, HERO, two_skills)) == {"bin 1": 20, "bin 2": 80}


def test_a_level_lost_in_another_skill_is_rehearsed_more_there(world: World, two_skills: Curriculum) -> None:
    for step, right in enumerate([10, 10, 10, 5, 5], start=1):
        judged(step, right)
    for step in range(6, 9):
        judged(step, 10, level=2)
    forge_next(world, HERO, two_skills)
    path = forge_next(world, HERO, two_skills)
    assert shares(path) == {"bin 1": 18, "bin 2": 6, "bin 3": 6, "weaving 1": 70}
    expected = next(one for one in curriculum.plans(world, HERO, two_skills) if one.skill.name == "weaving")
    assert [part.why for part in expected.mix] == [Why.CURRENT, Why.LOST, Why.MASTERED, Why.BESIDE]


def test_a_quest_is_unmixed_while_one_skill_alone_is_in_play(
    world: World, skills_folder: Path, two_skills: Curriculum
) -> None:
    reach(3)
    reach(2, "weaving")
    assert "weaving 1" in shares(forge_next(world, HERO, two_skills))
    off = Curriculum(wishes={"bin": BESIDE, "weaving": Wishes(priority=0)})
    assert shares(forge_next(world, HERO, off)) == {"bin 1": 10, "bin 2": 10, "bin 3": 80}
    write_skill(skills_folder, "weaving", requires={"bin": 4})
    assert shares(forge_next(world, HERO, two_skills)) == {"bin 1": 10, "bin 2": 10, "bin 3": 80}


def test_a_skill_that_cannot_be_rehearsed_is_left_out(
    world: World, two_skills: Curriculum, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(3)
    reach(2, "weaving")
    assert "weaving 1" in shares(forge_next(world, HERO, two_skills))
    forge_next(world, HERO, two_skills)
    monkeypatch.setattr(get_trainer("weaving"), "sample", fail)
    path = forge_next(world, HERO, two_skills)
    assert path.name == "bin-level-3-0002.jsonl"
    assert shares(path) == {"bin 1": 10, "bin 2": 10, "bin 3": 80}
    assert health.is_down(world, "weaving")
    assert not health.is_down(world, "bin")


# The player's settings


def test_wishes_go_over_what_the_file_says(world: World) -> None:
    read = read_curriculum(RealmConfig(curriculum={"bin": {"priority": 7, "rehearsal_share": 0.5}}))
    (skill,) = read.skills()
    assert (skill.priority, skill.rehearsal_share, skill.quest_rows) == (7, 0.5, 6000)
    assert get_skill("bin").priority == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bin": {"priorty": 1}}, "settings: curriculum: bin: unknown key 'priorty'; allowed are .*did you mean"),
        ({"bin": {"priority": -1}}, "curriculum: bin: priority: -1 is not allowed; allowed are 0 to 1000"),
        ({"bin": {"rehearsal_share": 0.95}}, "rehearsal_share: 0.95 is not allowed; allowed are 0 to 0.9"),
        ({"bin": {"other_skills_share": 1}}, "other_skills_share: 1.0 is not allowed; allowed are 0 to 0.9"),
        ({"bin": {"priority": "high"}}, "bin: priority: a whole number is expected, not 'high'"),
        ({"bin": 3}, "bin: a mapping is expected"),
    ],
)
def test_bad_settings_name_key_and_what_is_allowed(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        read_curriculum(RealmConfig(curriculum=settings))


def test_a_skill_that_is_not_there_may_be_spoken_of(world: World) -> None:
    """Its file may be broken today and mended tomorrow."""
    read = read_curriculum(RealmConfig(curriculum={"weaving": {"priority": 0}}))
    assert [skill.name for skill in read.skills()] == ["bin"]


def test_every_wish_has_its_range() -> None:
    """The one of the skill's own key."""
    assert set(strict.ranges_of(Wishes)) == set(Wishes.__dataclass_fields__)
    assert strict.ranges_of(Wishes).items() <= strict.ranges_of(Skill).items()


def test_saving_keeps_comments_and_other_keys(world: World) -> None:
    text = "# mine\nautoplay: false # rest\ncurriculum:\n  bin:\n    priority: 2 # more\n  sy: { priority: 4 }\n"
    config_file(world).write_text(text, encoding="utf-8")
    save_curriculum(world, "bin", {"priority": 5, "rehearsal_share": 0.3})
    saved = config_file(world).read_text(encoding="utf-8")
    assert saved == text.replace("priority: 2 #", "rehearsal_share: 0.3\n    priority: 5 #")
    assert config.load(world).curriculum["bin"] == {"priority": 5, "rehearsal_share": 0.3}
    save_curriculum(world, "bin", {"priority": None})
    assert read_curriculum(config.load(world)).skills()[0].priority == 1


def test_what_is_not_allowed_is_not_saved(world: World) -> None:
    with pytest.raises(BadConfig, match="priority: 1001 is not allowed"):
        save_curriculum(world, "bin", {"priority": 1001})
    with pytest.raises(UnknownSkill, match="There is no skill 'tennis'"):
        save_curriculum(world, "tennis", {"priority": 1})
    assert not config_file(world).exists()


def ask(*words: str) -> str:
    out = StringIO()
    call_command("curriculum", *words, stdout=out)
    return out.getvalue()


def test_the_command_shows_and_sets(world: World) -> None:
    assert "Next: bin-level-1-0001. Binary Alchemy: it is the only skill that wants quests." in ask("show")
    said = ask("set", "bin", "quest_rows=50", "rehearsal_share=0.5")
    assert "Saved. The next quest is forged by it." in said
    assert "50 rows of level 1 (current)" in said
    assert forge_next(world, HERO, read_curriculum(config.load(world))).read_bytes().count(b"\n") == 50


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bin", "priority"), "'priority' is not understood"),
        (("bin", "priority=1", "priority=2"), "each key is given once"),
        (("bin", "priority=[1"), "priority: '\\[1' is no value"),
        (("bin", "luck=7"), "unknown key 'luck'"),
        (("tennis", "priority=1"), "There is no skill 'tennis'"),
    ],
)
def test_the_command_says_what_is_wrong(world: World, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        ask("set", *words)
    assert not config_file(world).exists()

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from arena.rows.parse import Row, read_rows
from guild.curriculum import forge
from guild.curriculum import forged_quests as made
from guild.curriculum.forge import forge_next
from guild.curriculum.forged_quests import forged_quests
from guild.errors import GuildError
from guild.evaluation.validation import held_out, read_validation
from guild.models import SkillProgress
from guild.skills.registry import get_skill, get_trainer
from guild.trainers.binary import BinaryAlchemist, circled
from guild.trainers.problems import Problem
from realm.world import World
from tests.support.small_skills import validation_problems, write_skill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"


def problems_of(path: Path) -> list[Problem]:
    return list(read_validation(path))


def levels_of(path: Path) -> Counter[int]:
    return Counter(problem.level for problem in problems_of(path))


def reach(level: int) -> None:
    SkillProgress.objects.update_or_create(hero=HERO, skill="bin", defaults={"level": level})


def test_a_forged_quest_is_one_the_arena_reads(world: World) -> None:
    path = forge_next(world, HERO)
    assert path == world.inbox / "bin-level-1-0001.jsonl"
    rows = list(read_rows(path))
    assert len(rows) == get_skill("bin").quest_rows
    for row in rows:
        assert isinstance(row, Row)
        assert (row.data_format, row.skill, row.level) == ("messages", "bin", 1)


def test_every_lesson_has_the_answer_that_the_trainer_gives(world: World) -> None:
    reach(3)
    trainer = get_trainer("bin")
    assert isinstance(trainer, BinaryAlchemist)
    for problem in problems_of(forge_next(world, HERO))[:200]:
        assert trainer.judge(problem, answer_to(problem.prompt)), problem


def answer_to(prompt: str) -> str:
    """Worked out from the prompt as a person would, on text and whole numbers."""
    name, *operands = prompt.split(" ")
    values = [int(text.replace("⓪", "0").replace("①", "1"), 2) for text in operands]
    width = len(operands[0])
    if name == "NOT":
        return circled(2**width - 1 - values[0], width)
    left, right = values
    if name == "ADD":
        return circled(left + right, width + 1)
    return circled({"AND": left & right, "OR": left | right, "XOR": left ^ right}[name], width)


def test_names_rise_and_contents_differ(world: World) -> None:
    paths = [forge_next(world, HERO) for _ in range(4)]
    assert [path.name for path in paths] == [f"bin-level-1-000{number}.jsonl" for number in (1, 2, 3, 4)]
    assert len({path.read_bytes() for path in paths}) == 4


def test_the_same_place_in_the_game_forges_the_same_bytes(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    other.create()
    assert forge_next(world, HERO).read_bytes() == forge_next(other, HERO).read_bytes()
    assert forge_next(world, HERO).read_bytes() != forge_next(other, "EVA").read_bytes()


@pytest.mark.parametrize(
    "place",
    [
        "inbox/bin-level-1-0041.jsonl",
        "inbox/sub/bin-level-1-0041.jsonl",
        "queue/high/bin-level-1-0041.jsonl",
        "queue/processing/20260101-bin-level-1-0041.jsonl",
        "queue/failed/bin-level-1-0041.reason.json",
        "queue/recently_completed/bin-level-1-0041.jsonl",
        "battles/bin-level-1-0041-12345678/steps.bin",
    ],
)
def test_a_number_is_in_use_wherever_it_lies(world: World, place: str) -> None:
    path = world.home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert forge_next(world, HERO).name == "bin-level-1-0042.jsonl"


def test_a_number_is_in_use_if_a_battle_was_ordered_on_it(world: World) -> None:
    for battle, order in {"1": '{"quest": "bin-level-1-0041"}', "2": "not json", "3": "[]"}.items():
        (world.battles / battle).mkdir()
        (world.battles / battle / "order.json").write_text(order, encoding="utf-8")
    assert forge_next(world, HERO).name == "bin-level-1-0042.jsonl"


def looked_at_again(world: World) -> list[str]:
    """Orders of battles that are opened or asked for their date at a second look."""
    order = world.battles / "drop-a1b2c3" / "order.json"
    order.parent.mkdir()
    order.write_text(json.dumps({"quest": "bin-level-1-0041"}))
    before = forged_quests(world)
    order.rename(order.with_name("elsewhere"))
    return [] if forged_quests(world) == before else [order.parent.name]


def test_a_battle_that_has_begun_is_looked_at_once(world: World) -> None:
    """Ten thousand lie there after a while, and each battle that opens wants to know what was forged."""
    assert not looked_at_again(world)


def test_twin_without_memory_each_is_looked_at_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "_of_begun", made._of_begun.__wrapped__)
    assert looked_at_again(world)


def test_a_digest_in_a_battle_name_is_no_number(world: World) -> None:
    (world.battles / "bin-level-1-12345678").mkdir()
    assert forge_next(world, HERO).name == "bin-level-1-0001.jsonl"


def test_numbers_go_on_past_four_digits(world: World) -> None:
    (world.recently_completed / "bin-level-1-9999.jsonl").touch()
    assert forge_next(world, HERO).name == "bin-level-1-10000.jsonl"
    assert forge_next(world, HERO).name == "bin-level-1-10001.jsonl"


def test_a_fifth_is_rehearsal_of_the_levels_below(world: World) -> None:
    reach(2)
    forge_next(world, HERO)
    assert levels_of(forge_next(world, HERO)) == {2: 4800, 1: 1200}
    reach(3)
    forge_next(world, HERO)
    path = forge_next(world, HERO)
    assert path.name == "bin-level-3-0002.jsonl"
    assert levels_of(path) == {3: 4800, 2: 600, 1: 600}


def test_levels_are_mixed_through_the_quest(world: World) -> None:
    reach(2)
    forge_next(world, HERO)
    levels = [problem.level for problem in problems_of(forge_next(world, HERO))]
    quarter = len(levels) // 4
    shares = [levels[start : start + quarter].count(1) / quarter for start in range(0, len(levels), quarter)]
    assert all(0.1 < share < 0.3 for share in shares)


def leaked(world: World, path: Path) -> list[Problem]:
    forbidden = held_out(world)
    return [problem for problem in problems_of(path) if problem.key in forbidden]


def plant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the forge draw, as its first problems, the very ones that are held out."""
    planted = validation_problems(world)
    draw = get_trainer("bin").sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        mine = [problem for problem in planted if problem.level == level]
        return (mine + draw(level=level, count=count, seed=seed))[:count]

    monkeypatch.setattr(get_trainer("bin"), "sample", sample)


def test_no_held_out_problem_is_ever_in_a_quest(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=100)
    plant(world, monkeypatch)
    path = forge_next(world, HERO)
    assert leaked(world, path) == []
    assert len(problems_of(path)) == 100


@pytest.fixture
def held_out_elsewhere(world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two skills of which one, which is only rehearsed, would draw first what is held out of it."""
    write_skill(skills_folder, quest_rows=100)
    write_skill(skills_folder, "weaving", quest_rows=100)
    SkillProgress.objects.create(hero=HERO, skill="weaving", level=3)
    planted = [problem for problem in validation_problems(world) if problem.skill == "weaving"]
    draw = get_trainer("weaving").sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        mine = [problem for problem in planted if problem.level == level]
        return (mine + draw(level=level, count=count, seed=seed))[:count]

    monkeypatch.setattr(get_trainer("weaving"), "sample", sample)


@pytest.mark.usefixtures("held_out_elsewhere")
def test_no_held_out_problem_of_another_skill_is_rehearsed(world: World) -> None:
    path = forge_next(world, HERO)
    assert Counter(problem.skill for problem in problems_of(path)) == {"bin": 70, "weaving": 30}
    assert leaked(world, path) == []


@pytest.mark.usefixtures("held_out_elsewhere")
def test_twin_without_the_exclusion_held_out_problems_of_another_skill_leak(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forge, "held_out", lambda *_: frozenset())
    assert leaked(world, forge_next(world, HERO))


def test_twin_without_the_exclusion_held_out_problems_leak(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=100)
    plant(world, monkeypatch)
    monkeypatch.setattr(forge, "held_out", lambda *_: frozenset())
    assert leaked(world, forge_next(world, HERO))


def plant_across_levels(world: World, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Make level 1 draw first what is held out at levels 2 and 3, as if the levels shared it; returns the prompts."""
    others = [problem for problem in validation_problems(world) if problem.level != 1]
    draw = get_trainer("bin").sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        mine = [replace(problem, level=level) for problem in others]
        return (mine + draw(level=level, count=count, seed=seed))[:count]

    monkeypatch.setattr(get_trainer("bin"), "sample", sample)
    return {problem.prompt for problem in others}


def prompts_of(path: Path) -> set[str]:
    return {problem.prompt for problem in problems_of(path)}


def test_what_is_held_out_at_one_level_is_in_no_quest_of_another(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=100)
    planted = plant_across_levels(world, monkeypatch)
    prompts = prompts_of(forge_next(world, HERO))
    assert len(prompts) == 100
    assert not prompts & planted


def test_twin_with_the_level_in_the_key_a_quest_of_another_level_leaks(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, quest_rows=100)
    planted = plant_across_levels(world, monkeypatch)
    with_the_level = property(lambda problem: f"{problem.skill} {problem.level} {problem.prompt}")
    monkeypatch.setattr(Problem, "key", with_the_level)
    assert prompts_of(forge_next(world, HERO)) & planted


def test_held_out_are_all_evaluation_and_validation_problems(world: World) -> None:
    assert len(held_out(world)) == 3 * 25 + 3 * 32


def test_skills_are_forged_by_priority(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, quest_rows=10, priority=2)
    write_skill(skills_folder, "weaving", quest_rows=10)
    names = [forge_next(world, HERO).name.split("-")[0] for _ in range(9)]
    assert Counter(names) == {"bin": 6, "weaving": 3}


def test_without_a_skill_that_wants_quests_it_says_so(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, priority=0)
    with pytest.raises(GuildError, match="no usable skill in configs/skills has a priority above 0"):
        forge_next(world, HERO)


def test_lines_are_plain_json_with_circled_digits_readable(world: World) -> None:
    line = forge_next(world, HERO).read_bytes().split(b"\n")[0]
    assert set(json.loads(line)) == {"messages", "skill", "level"}
    assert b"NOT " in line
    assert "①".encode() in line

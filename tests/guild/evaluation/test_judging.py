import re

import pytest

from guild.errors import DamagedSet, GuildError
from guild.evaluation.exam import evaluation_files
from guild.evaluation.judging import Verdict, judge_answers
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.models import Evaluation, SkillProgress
from guild.skills.registry import get_skill
from guild.trainers.problems import Problem
from realm.checkpoints.sidecar import digest
from realm.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"


def problems(world: World, level: int) -> list[Problem]:
    return read_evaluation_set(ensure_evaluation_set(world, get_skill("bin"), level), skill="bin", level=level)


def judge(world: World, number: int, *, right: int, level: int = 1, hero: str = HERO) -> Verdict:
    """Judge checkpoint `number`, which answers the first `right` problems well."""
    golden = [problem.answer for problem in problems(world, level)]
    answers = [answer if index < right else "?" for index, answer in enumerate(golden)]
    return judge_answers(
        hero=hero,
        checkpoint=f"checkpoint-{number}-20260101-0000",
        step=number,
        skill="bin",
        level=level,
        answers=answers,
        world=world,
    )


def test_a_set_is_written_once_and_then_fixed(world: World) -> None:
    path = ensure_evaluation_set(world, get_skill("bin"), 1)
    assert path == world.evaluation / "bin-level-1.jsonl"
    first = path.read_bytes()
    assert len(first.splitlines()) == 25
    path.write_bytes(first.splitlines(keepends=True)[0])
    assert ensure_evaluation_set(world, get_skill("bin"), 1).read_bytes() == first.splitlines(keepends=True)[0]
    path.unlink()
    assert ensure_evaluation_set(world, get_skill("bin"), 1).read_bytes() == first


@pytest.mark.parametrize(
    ("level", "sha256"),
    [
        (1, "13b86ff722f1846b14f49281dc329fa9671f1debb73410e0b5998cc25d65fa0a"),
        (2, "35233155eae2844d71b2c2030f183ef26333183d727e0943095d447d82808d3f"),
        (3, "95c7ede03240fbae99377b0d906234989a68633ba680973ec21f84d285a79964"),
    ],
)
def test_a_set_has_the_same_bytes_on_every_machine(world: World, level: int, sha256: str) -> None:
    """Levels of two players can be compared. Who changes a level or the draw means to break that, and says so here."""
    assert digest(ensure_evaluation_set(world, get_skill("bin"), level)) == sha256


def test_the_hero_is_asked_its_current_level(world: World) -> None:
    (file,) = evaluation_files(world, HERO)
    assert (file.skill, file.level, file.path) == ("bin", 1, world.evaluation / "bin-level-1.jsonl")
    SkillProgress.objects.create(hero=HERO, skill="bin", level=3)
    file = evaluation_files(world, HERO)[0]
    assert (file.level, file.path.name) == (3, "bin-level-3.jsonl")
    assert evaluation_files(world, "EVA")[0].level == 1


def test_there_is_room_for_the_longest_answer_in_bytes(world: World) -> None:
    (file,) = evaluation_files(world, HERO)
    assert file.max_new_tokens > max(len(problem.answer.encode()) for problem in problems(world, 1))


def test_answers_are_counted(world: World) -> None:
    verdict = judge(world, 100, right=10)
    row = Evaluation.objects.get()
    assert verdict == Verdict(correct=10, total=25, accuracy=0.4, level_up=False, new_level=1, evaluation_id=row.id)
    assert (row.hero, row.checkpoint, row.step, row.skill, row.level, row.correct, row.total) == (
        HERO,
        "checkpoint-100-20260101-0000",
        100,
        "bin",
        1,
        10,
        25,
    )


def test_three_good_checkpoints_in_a_row_win_the_level(world: World) -> None:
    assert not judge(world, 1, right=20).level_up
    assert not judge(world, 2, right=25).level_up
    third = judge(world, 3, right=20)
    assert (third.level_up, third.new_level) == (True, 2)
    assert SkillProgress.objects.get(hero=HERO, skill="bin").level == 2


def test_a_bad_one_between_breaks_the_row(world: World) -> None:
    for number, right in enumerate([25, 25, 19, 25, 25], 1):
        assert not judge(world, number, right=right).level_up
    assert judge(world, 6, right=25).new_level == 2


def test_a_checkpoint_judged_again_keeps_its_result_and_moves_nothing(world: World) -> None:
    judge(world, 1, right=25)
    judge(world, 2, right=25)
    again = judge(world, 2, right=0)
    assert again == Verdict(correct=25, total=25, accuracy=1.0, level_up=False, new_level=1)
    assert Evaluation.objects.count() == 2
    assert judge(world, 3, right=25).level_up
    replayed = judge(world, 3, right=25)
    assert (replayed.level_up, replayed.new_level, replayed.correct) == (False, 2, 25)


def test_the_next_level_asks_for_three_of_its_own(world: World) -> None:
    for number in (1, 2, 3):
        judge(world, number, right=25)
    assert not judge(world, 4, right=25, level=2).level_up
    assert not judge(world, 5, right=25, level=2).level_up
    assert judge(world, 6, right=25, level=2).new_level == 3


def test_a_level_already_won_moves_nothing(world: World) -> None:
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    assert [judge(world, number, right=25).new_level for number in (1, 2, 3)] == [2, 2, 2]


def test_the_last_level_is_the_end(world: World) -> None:
    SkillProgress.objects.create(hero=HERO, skill="bin", level=3)
    verdicts = [judge(world, number, right=25, level=3) for number in range(1, 6)]
    assert {(verdict.level_up, verdict.new_level) for verdict in verdicts} == {(False, 3)}


def test_heroes_do_not_win_for_each_other(world: World) -> None:
    judge(world, 1, right=25)
    judge(world, 2, right=25, hero="EVA")
    assert not judge(world, 3, right=25).level_up


def test_answers_that_are_not_one_for_each_problem_are_refused(world: World) -> None:
    with pytest.raises(GuildError, match=r"c: 2 answers for the 25 problems of bin-level-1.jsonl; nothing was judged"):
        judge_answers(hero=HERO, checkpoint="c", step=1, skill="bin", level=1, answers=["①", "①"], world=world)
    assert not Evaluation.objects.exists()


def test_a_level_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(GuildError, match="c: skill bin has no level 4; it has 1 to 3"):
        judge_answers(hero=HERO, checkpoint="c", step=1, skill="bin", level=4, answers=[], world=world)


@pytest.mark.parametrize("line", ["not json", "[]", '{"prompt": "NOT ⓪"}', '{"prompt": 1, "answer": "①"}', ""])
def test_a_damaged_set_names_file_and_line(world: World, line: str) -> None:
    path = world.evaluation / "bin-level-1.jsonl"
    path.write_text('{"prompt": "NOT ⓪", "answer": "①"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DamagedSet, match=re.escape(f"{path}, line 2: not a problem as the guild wrote it")):
        evaluation_files(world, HERO)

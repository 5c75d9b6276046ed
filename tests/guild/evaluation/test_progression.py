import itertools
import random

import pytest
from django.utils import timezone

from guild.evaluation import progression
from guild.evaluation.judging import Judged, Verdict, remember
from guild.evaluation.progression import Standing, good_in_a_row, lost_levels, standing
from guild.models import Evaluation, SkillProgress
from guild.selectors import all_lost_levels, grid, skill_level
from guild.skills.registry import get_skill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([], Standing.OPEN),
        ([1, 1], Standing.OPEN),
        ([1, 1, 0.79], Standing.OPEN),
        ([0.8, 0.8, 0.8], Standing.MASTERED),
        ([0, 1, 1, 1, 0], Standing.MASTERED),
        ([0, 0, 1, 1, 1], Standing.MASTERED),
        ([1, 1, 1, 0.59, 0.59], Standing.LOST),
        ([1, 1, 1, 0.59, 0.6, 0.59], Standing.MASTERED),
        ([1, 1, 1, 0, 0, 1], Standing.LOST),
        ([1, 1, 1, 0, 0, 1, 0.7, 1], Standing.LOST),
        ([1, 1, 1, 0, 0, 1, 0.8], Standing.MASTERED),
        ([1, 1, 1, 0, 0, 1, 1, 0, 0], Standing.LOST),
    ],
)
def test_a_level_is_won_lost_and_regained(accuracies: list[float], expected: Standing) -> None:
    assert standing(accuracies) is expected


def test_good_ones_in_a_row_are_counted_from_the_newest() -> None:
    found = [good_in_a_row(row) for row in ([], [1, 0], [0, 1], [1, 0, 1, 1], [1, 1, 1, 1])]
    assert found == [0, 0, 1, 2, 3]


def judged(step: int, right: int, *, level: int = 1) -> Verdict:
    return remember(
        Judged(hero=HERO, checkpoint=f"checkpoint-{step}-20260101-0000", step=step, skill="bin", level=level,
               correct=right, total=10)
    )  # fmt: skip


def test_the_evaluation_that_loses_a_level_says_so_once() -> None:
    verdicts = [judged(step, right) for step, right in enumerate([10, 10, 10, 5, 5, 5, 9, 9, 9], start=1)]
    assert [verdict.lost for verdict in verdicts] == [False] * 4 + [True] + [False] * 4
    assert [verdict.regained for verdict in verdicts] == [False] * 7 + [True] + [False]
    assert [verdict.level_up for verdict in verdicts] == [False, False, True] + [False] * 6
    assert {verdict.new_level for verdict in verdicts[2:]} == {2}


def test_a_lost_level_is_listed_until_it_is_regained() -> None:
    for step, right in enumerate([10, 10, 10, 5, 5], start=1):
        judged(step, right)
    assert lost_levels(hero=HERO, skill=get_skill("bin")) == (1,)
    found = skill_level(HERO, "bin")
    assert (found.level, found.lost, found.in_a_row, found.needed) == (2, (1,), 0, 3)
    assert all_lost_levels(HERO) == ["bin/1"]
    judged(6, 9)
    judged(7, 9)
    assert lost_levels(hero=HERO, skill=get_skill("bin")) == ()


def test_the_level_at_work_is_never_among_the_lost() -> None:
    SkillProgress.objects.create(hero=HERO, skill="bin", level=3)
    for step, right in enumerate([10, 10, 10, 0, 0], start=1):
        judged(step, right, level=3)
    assert lost_levels(hero=HERO, skill=get_skill("bin")) == ()
    assert not skill_level(HERO, "bin").lost
    assert all_lost_levels(HERO) == []
    assert skill_level(HERO, "bin").finished


def everything() -> list[tuple[int, int, int]]:
    """Step, level, right ones: two levels won, the first one lost."""
    first = [(step, 1, right) for step, right in enumerate([3, 10, 10, 10, 2, 2], start=1)]
    return first + [(step, 2, 10) for step in (5, 6, 7)]


def outcome(order: list[tuple[int, int, int]]) -> tuple[int, tuple[int, ...]]:
    Evaluation.objects.all().delete()
    SkillProgress.objects.all().delete()
    for step, level, right in order:
        judged(step, right, level=level)
    found = skill_level(HERO, "bin")
    return found.level, found.lost


def test_what_is_judged_late_comes_to_the_same() -> None:
    """A queue or a rebuilt database brings evaluations in another order than the hero's steps."""
    for seed in range(8):
        order = everything()
        random.Random(seed).shuffle(order)
        assert outcome(order) == (3, (1,)), order


def test_twin_in_the_order_of_arrival_the_same_answers_come_to_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_arrival(*, hero: str, skill: str, level: int, branch: str | None) -> list[float]:
        return [row.accuracy for row in Evaluation.objects.filter(hero=hero, skill=skill, level=level).order_by("id")]

    monkeypatch.setattr(progression, "accuracies_of", by_arrival)
    one, two, three, four, *rest = everything()
    assert outcome([two, one, three, four, *rest])[0] == 1


def test_the_grid_shows_checkpoints_and_levels() -> None:
    for step, right in enumerate([10, 10, 10, 4, 4], start=1):
        judged(step, right)
    judged(5, 7, level=2)
    found = grid(HERO, "bin")
    assert [(column.level, column.standing, column.best, column.newest) for column in found.columns] == [
        (1, Standing.LOST, 1.0, 0.4),
        (2, Standing.OPEN, 0.7, 0.7),
    ]
    assert [row.step for row in found.rows] == [5, 4, 3, 2, 1]
    cells = [[cell and cell.correct for cell in row.cells] for row in found.rows]
    assert cells == [[4, 7], [4, None], [10, None], [10, None], [10, None]]


def test_the_grid_has_so_many_checkpoints_and_three_queries(django_assert_num_queries: object) -> None:
    Evaluation.objects.bulk_create(
        Evaluation(
            hero=HERO, checkpoint=f"c{step}", step=step, skill="bin", level=level, correct=1, total=2,
            evaluated_at=timezone.now(),
        )
        for step, level in itertools.product(range(20), (1, 2))
    )  # fmt: skip
    with django_assert_num_queries(3):  # type: ignore[operator]
        found = grid(HERO, "bin", checkpoints=5)
    assert [row.step for row in found.rows] == [19, 18, 17, 16, 15]
    assert all(cell is not None for row in found.rows for cell in row.cells)


def test_a_hero_without_evaluations_has_an_empty_grid() -> None:
    found = grid(HERO, "bin")
    assert (found.columns, found.rows) == ((), ())

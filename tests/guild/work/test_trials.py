"""Trials: checkpoints side by side on any levels; what cannot be asked is told and the rest goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from guild.errors import GuildError, TrainerUnavailable
from guild.evaluation import hosting
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.evaluation.validation import held_out
from guild.models import Run
from guild.skills import health
from guild.skills.registry import get_skill, get_trainer
from guild.work import perform as performing
from guild.work import runs, trials
from guild.work.intervals import difference, wilson
from guild.work.trials import Cell, Column, TrialResult
from realm.oracle.sync_client import LoadedModel, NotLoaded
from realm.world import World
from tests.guild.curriculum.test_forge import answer_to
from tests.support import fake_host, few_skills
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_host import FakeHost

pytestmark = pytest.mark.django_db

OLD, NEW = "checkpoint-100-20260101-1230", "checkpoint-200-20260101-1230"


@pytest.fixture(autouse=True)
def skills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    make_checkpoint(world.heroes, 100, val_loss=0.5)
    make_checkpoint(world.heroes, 200, val_loss=0.7)


def by_step(model: LoadedModel, prompt: str) -> str:
    """The newer checkpoint knows NOT, the older nothing."""
    return answer_to(prompt) if model.step == 200 and prompt.startswith("NOT") else "?"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    return fake_host.put(monkeypatch, FakeHost(by_step))


def order(world: World, **changes: Any) -> trials.TrialOrder:
    fields: dict[str, Any] = {"hero": "DIO", "checkpoints": ["all"], "skills": ["bin"], "levels": [1, 2], "seed": 7}
    return trials.order(world=world, **(fields | changes))


def perform(world: World, **kwargs: Any) -> Run:
    return performing.perform(world, trials.create(order(world, **kwargs), by="test").pk)


def result(run: Run) -> TrialResult:
    return trials.read_result(runs.results(run))


def test_each_cell_counts_what_its_checkpoint_got_right(world: World, host: FakeHost) -> None:
    run = perform(world)
    assert run.state == "completed", run.message
    old, new = result(run).columns
    assert (old.checkpoint, new.checkpoint) == (OLD, NEW)
    assert [(cell.level, cell.correct, cell.total) for cell in old.cells] == [(1, 0, 25), (2, 0, 25)]
    assert [(cell.level, cell.correct, cell.total) for cell in new.cells] == [(1, 25, 25), (2, 0, 25)]
    assert new.sha256 == f"{200:064x}"
    assert (run.progress_done, run.progress_total) == (100, 100)
    cell = new.cells[0]
    assert (cell.low, cell.high) == pytest.approx(wilson(25, 25), abs=1e-4)


def test_what_was_wrong_is_kept_in_part(world: World, host: FakeHost) -> None:
    cell = result(perform(world)).columns[0].cells[0]
    assert len(cell.wrong) == trials.SHOWN_MISTAKES
    assert all((kept.answer, kept.expected) == ("?", answer_to(kept.problem)) for kept in cell.wrong)


def test_by_default_the_evaluation_sets_are_asked(world: World, host: FakeHost) -> None:
    perform(world, levels=[2], checkpoints=["newest"])
    path = ensure_evaluation_set(world, get_skill("bin"), 2)
    assert host.asked == [problem.prompt for problem in read_evaluation_set(path, skill="bin", level=2)]


def test_others_are_the_same_for_each_checkpoint_and_none_is_held_out(world: World, host: FakeHost) -> None:
    perform(world, levels=[1], problems=60)
    first, second = host.asked[:60], host.asked[60:]
    assert first == second
    assert len(set(first)) == 60
    forbidden = held_out(world)
    trainer = get_trainer("bin")
    assert trainer.sample(level=1, count=1, seed=1)[0].key not in forbidden
    held = {p.prompt for level in (1, 2, 3) for p in _evaluated(world, level)}
    assert not held & set(first)


def _evaluated(world: World, level: int) -> list[Any]:
    return read_evaluation_set(ensure_evaluation_set(world, get_skill("bin"), level), skill="bin", level=level)


def test_a_damaged_checkpoint_fails_its_column_and_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_host.put(monkeypatch, FakeHost(by_step, damaged=[OLD]))
    run = perform(world)
    old, new = result(run).columns
    assert "model.safetensors has changed" in old.trouble
    assert not old.cells
    assert new.cells[0].correct == 25
    assert "1 of 2 checkpoints in trouble" in run.message


def test_a_step_that_nobody_has_is_told_with_those_that_are(world: World, host: FakeHost) -> None:
    columns = result(perform(world, checkpoints=["777", "200"])).columns
    assert columns[0].trouble == "Step 777 not loaded. Available: [1]"
    assert columns[1].cells[0].correct == 25


def test_a_trainer_that_cannot_judge_fails_its_cell(
    world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge_all(problems: Any, answers: Any) -> list[bool]:
        raise TrainerUnavailable("box is down")

    monkeypatch.setattr(get_trainer("box"), "judge_all", judge_all)
    (column,) = result(perform(world, checkpoints=["newest"], skills=["box", "bin"], levels=[1])).columns
    assert [(cell.skill, cell.total, cell.trouble) for cell in column.cells] == [
        ("bin", 25, ""),
        ("box", 0, "box is down"),
    ]


def test_a_trainer_that_is_down_is_waited_for_once(
    world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def judge_all(problems: Any, answers: Any) -> list[bool]:
        asked.append(problems[0].level)
        raise TrainerUnavailable("bin is down")

    monkeypatch.setattr(get_trainer("bin"), "judge_all", judge_all)
    (column,) = result(perform(world, checkpoints=["newest"], levels=[1, 2, 3])).columns
    assert asked == [1]
    assert [cell.trouble for cell in column.cells] == ["bin is down"] * 3
    assert health.is_down(world, "bin")


def test_what_somebody_else_unloads_is_loaded_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host = fake_host.put(monkeypatch, FakeHost(by_step))
    asked: list[str] = []

    def answer(model: LoadedModel, prompts: list[str], *, max_new_tokens: int) -> list[str]:
        if model.name not in host.held:
            raise NotLoaded(f"Step {model.step} not loaded. Available: []", [])
        asked.extend(prompts)
        host.held.clear()
        return [by_step(model, prompt) for prompt in prompts]

    monkeypatch.setattr(host, "answer", answer)
    (column,) = result(perform(world, checkpoints=["newest"], levels=[1], problems=70)).columns
    assert (column.trouble, column.cells[0].correct, len(asked)) == ("", 70, 70)


def test_a_host_that_is_down_is_one_sentence(world: World, host: FakeHost) -> None:
    host.down = True
    run = perform(world)
    assert (run.state, run.message) == ("failed", "Nobody answers at http://127.0.0.1:1. Start it.")


def test_what_was_loaded_before_stays_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host = fake_host.put(monkeypatch, FakeHost(by_step, loaded=[OLD]))
    perform(world)
    assert list(host.held) == [OLD]


def test_a_stop_within_a_cell_keeps_the_whole_ones(world: World, host: FakeHost) -> None:
    stop = threading.Event()
    run = trials.create(order(world, problems=70), by="test")

    def after_the_first(run: Run) -> None:
        if run.progress_done == 70 + hosting.BATCH:
            stop.set()

    ended = performing.perform(world, run.pk, stop=stop, on_progress=after_the_first)
    assert ended.state == "stopped"
    kept = result(Run.objects.get(pk=run.pk))
    assert [len(column.cells) for column in kept.columns] == [1]
    assert ended.progress_done == 70 + hosting.BATCH
    assert not host.held


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        (["newest"], (NEW,)),
        (["best"], (OLD,)),
        (["all"], (OLD, NEW)),
        (["100", OLD], (OLD,)),
        (["base", "newest", "300"], ("base", NEW, "300")),
    ],
)
def test_checkpoints_are_named_in_many_ways(world: World, wishes: list[str], chosen: tuple[str, ...]) -> None:
    assert order(world, checkpoints=wishes).checkpoints == chosen


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"checkpoints": ["latest"]}, "is no checkpoint; name a step, a name"),
        ({"hero": "EVA"}, "EVA has no checkpoint yet"),
        ({"levels": [9]}, "bin has none of these levels; it has 1 to 3"),
        ({"skills": ["nothing"]}, "There is no skill 'nothing'"),
        ({"problems": 0}, "problems: 0 is not allowed"),
    ],
)
def test_what_cannot_be_tried_is_said_before_it_begins(world: World, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GuildError, match=sentence):
        order(world, **changes)


def trial(correct: int, total: int, checkpoint: str = OLD) -> TrialResult:
    cell = Cell(skill="bin", level=1, correct=correct, total=total)
    return TrialResult(columns=(Column(checkpoint=checkpoint, cells=(cell,)),))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((12, 25), (15, 25), "no clear difference"),
        ((120, 250), (150, 250), "better"),
        ((150, 250), (120, 250), "worse"),
        ((25, 25), (25, 25), "no clear difference"),
    ],
)
def test_noise_is_not_read_as_progress(before: tuple[int, int], after: tuple[int, int], verdict: str) -> None:
    (compared,) = trials.compare(trial(*before), trial(*after, checkpoint=NEW))
    assert compared.verdict == verdict
    assert (compared.before, compared.after) == (OLD, NEW)


def test_twin_without_intervals_noise_is_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "difference", lambda one, other: (other[0] / other[1] - one[0] / one[1],) * 2)
    (compared,) = trials.compare(trial(12, 25), trial(15, 25))
    assert compared.verdict == "better"


def test_the_intervals_are_those_of_the_literature() -> None:
    """Newcombe 1998: table II (a single proportion) and the worked example (a), 56/70 against 48/80."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert difference((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def say(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, skip_checks=True)
    return out.getvalue()


def test_the_commands_show_a_table_and_compare(world: World, host: FakeHost) -> None:
    first = say("trial", "--checkpoints", "100", "--skills", "bin", "--levels", "1")
    assert "0/25 0% (0% to 13%)" in first
    assert trials.CAVEAT not in first
    second = say("trial", "--checkpoints", "newest", "--skills", "bin", "--levels", "1-3")
    assert NEW in second
    one, other = Run.objects.order_by("id").values_list("pk", flat=True)
    assert "better" in say("runs", "compare", str(one), str(other))
    assert "25/25 100%" in say("runs", "show", str(other))
    assert "the champion" not in second
    best = say("trial", "--checkpoints", "newest,best", "--skills", "bin", "--levels", "1")
    assert f"{OLD}, the champion" in best
    assert f"{NEW}, the champion" not in best
    drawn = say("trial", "--checkpoints", "100", "--skills", "bin", "--levels", "1", "--problems", "5")
    assert trials.CAVEAT in drawn
    assert trials.CAVEAT in say("runs", "show", str(Run.objects.latest("id").pk))
    with pytest.raises(CommandError, match="levels 'x' are not allowed"):
        say("trial", "--checkpoints", "newest", "--levels", "x")


def test_twin_a_trial_that_unloads_nothing_fills_the_host(
    world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Callable[..., None] = lambda **ignored: None  # noqa: E731
    monkeypatch.setattr(host, "unload", nothing)
    perform(world)
    assert len(host.held) == 2
    assert hosting.BATCH

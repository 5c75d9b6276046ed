"""The forge by hand: distinct rows, nothing held out, the whole file or nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from arena.rows.parse import Row, read_rows
from guild.errors import GuildError
from guild.evaluation.validation import held_out
from guild.models import Run
from guild.skills.registry import get_skill, get_trainer
from guild.trainers.problems import Problem
from guild.work import forging, perform, runs
from realm.disk import durable
from realm.quest_names import is_forged_name
from realm.world import World
from tests.support import few_skills

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def skills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)


def forge(world: World, **changes: Any) -> Run:
    fields: dict[str, Any] = {"skill": "bin", "levels": [1], "count": 300, "seed": 5}
    return perform.perform(world, forging.create(forging.order(**(fields | changes)), by="test").pk)


def file_of(world: World, run: Run) -> Path:
    assert run.state == "completed", run.message
    return Path(runs.results(run)["file"])


def prompts(path: Path) -> list[str]:
    return [json.loads(line)["messages"][0]["content"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_rows_are_distinct_and_the_arena_reads_them(world: World) -> None:
    path = file_of(world, forge(world, count=6000))
    assert path.parent == world.inbox
    rows = list(read_rows(path))
    assert len(rows) == 6000
    assert all(isinstance(row, Row) and (row.skill, row.level) == ("bin", 1) for row in rows)
    assert len(set(prompts(path))) == 6000


def test_what_came_of_it_is_told(world: World) -> None:
    run = forge(world)
    found = runs.results(run)
    data = file_of(world, run).read_bytes()
    assert (found["rows"], found["size_bytes"], found["seed"]) == (300, len(data), 5)
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    assert run.progress_done == run.progress_total == 300
    assert "300 rows in" in run.message


def test_the_same_seed_forges_the_same_bytes(world: World, tmp_path: Path) -> None:
    files = [
        file_of(world, forge(world, to=tmp_path / f"{name}.jsonl", seed=seed))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    contents = [path.read_bytes() for path in files]
    assert contents[0] == contents[1] != contents[2]


def test_levels_are_mixed_in_equal_shares(world: World) -> None:
    path = file_of(world, forge(world, levels=[1, 2, 3], count=3001))
    levels = [json.loads(line)["level"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert Counter(levels) == {1: 1001, 2: 1000, 3: 1000}
    assert set(levels[:50]) == set(levels[-50:]) == {1, 2, 3}


def plant(world: World, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Let the trainer draw what is held out first; returns those prompts."""
    trainer = get_trainer("bin")
    forbidden = held_out(world, get_skill("bin"))
    drawn = get_trainer("bin").sample(level=1, count=25, seed=forging.derive("evaluation", "bin", 1))
    planted = [problem for problem in drawn if problem.key in forbidden]
    assert planted
    draw = trainer.sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        return (planted + draw(level=level, count=count, seed=seed))[:count]

    monkeypatch.setattr(trainer, "sample", sample)
    return {problem.prompt for problem in planted}


def test_held_out_problems_are_left_out_and_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant(world, monkeypatch)
    run = forge(world)
    found = prompts(file_of(world, run))
    assert len(found) == 300
    assert not planted & set(found)
    assert runs.results(run)["left_out"] >= len(planted)


def test_twin_without_the_exclusion_they_leak(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant(world, monkeypatch)
    monkeypatch.setattr(forging, "held_out", lambda *ignored: frozenset())
    assert planted & set(prompts(file_of(world, forge(world))))


def test_more_than_there_are_is_one_sentence_and_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forging, "MOST_ROWS", 10**9)
    run = forge(world, count=2_000_000)
    assert run.state == "failed"
    assert "bin level 1 has only 1048576 different problems" in run.message
    assert not list(world.inbox.iterdir())


def test_a_trainer_that_brings_nothing_new_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out(world)  # the sets are made before the trainer fails
    trainer = get_trainer("bin")
    few = trainer.sample(level=1, count=40, seed=1)
    monkeypatch.setattr(trainer, "sample", lambda *, level, count, seed=None: few[:count])
    run = forge(world)
    assert run.state == "failed"
    assert "no more than about 40 different problems" in run.message
    assert not list(world.inbox.iterdir())


def stopped_half_way(world: World, **changes: Any) -> Run:
    """Stopped when the first rows are written."""
    fields: dict[str, Any] = {"skill": "bin", "levels": [1], "count": 9000, "seed": 5}
    run = forging.create(forging.order(**(fields | changes)), by="test")
    stop = threading.Event()
    return perform.perform(world, run.pk, stop=stop, on_progress=lambda run: stop.set() if run.progress_done else None)


def test_a_stop_leaves_nothing_half_written(world: World) -> None:
    run = stopped_half_way(world)
    assert run.state == "stopped"
    assert 0 < run.progress_done < 9000
    assert not list(world.inbox.iterdir())


def test_twin_without_the_temporary_name_a_half_file_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "new_file", lambda path: path.open("xb"))
    stopped_half_way(world)
    assert list(world.inbox.iterdir())


def test_a_file_that_exists_is_never_touched(world: World, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("mine")
    run = forge(world, to=path)
    assert (run.state, path.read_text()) == ("failed", "mine")
    assert f"{path} exists already" in run.message


def test_in_the_inbox_a_taken_name_gets_a_number(world: World) -> None:
    first, second = (file_of(world, forge(world, name="mine")) for _ in range(2))
    assert [first.name, second.name] == ["mine.jsonl", "mine-2.jsonl"]


def test_its_names_are_not_the_curriculums(world: World) -> None:
    with pytest.raises(GuildError, match="as the guild names quests of its own"):
        forging.order(skill="bin", levels=[1], count=5, name="bin-level-1-0001")
    for levels in ([1], [1, 2, 3], [1, 3]):
        assert not is_forged_name(forging.order(skill="bin", levels=levels, count=5000, seed=1234567).name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"levels": [4]}, "bin has no level 4; it has 1 to 3"),
        ({"skill": "nothing"}, "There is no skill 'nothing'"),
        ({"count": 0}, "allowed are 1 to 1000000"),
        ({"count": 2, "levels": [1, 2, 3]}, "not enough for 3 levels"),
        ({"levels": [1, 1]}, "none twice"),
        ({"name": "../x"}, "is not allowed"),
    ],
)
def test_what_cannot_be_forged_is_said_before_it_begins(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GuildError, match=sentence):
        forging.order(**({"skill": "bin", "levels": [1], "count": 5} | changes))


def test_the_command_forges_and_fails_with_its_exit_code(world: World, tmp_path: Path) -> None:
    out = StringIO()
    arguments = ["forge", "--skill", "bin", "--levels", "1-2", "--count", "50", "--to", str(tmp_path / "x.jsonl")]
    call_command(*arguments, stdout=out, skip_checks=True)
    assert f"50 rows in {tmp_path / 'x.jsonl'}" in out.getvalue()
    with pytest.raises(CommandError, match="exists already"):
        call_command(*arguments, stdout=out, skip_checks=True)
    with pytest.raises(CommandError, match="no level 9"):
        call_command("forge", "--skill", "bin", "--level", "9", "--count", "5", skip_checks=True)

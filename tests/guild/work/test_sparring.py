"""Sparring: three examples for each mistake, bound to the checkpoint that made it, checked against the trainer."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from arena.gate.inspection import Look, inspect
from arena.gate.rules import GateRules
from arena.gate.warden import EvaluatedProblems, is_leaked
from arena.queue.inbox import priority_of
from arena.recipe import Recipe
from arena.rows.formats import BUILT_IN
from arena.rows.model import Message
from arena.rows.parse import Row, read_rows
from guild.curriculum.forge import forge_next
from guild.errors import GuildError
from guild.evaluation.validation import held_out
from guild.models import Run, SkillProgress
from guild.skills.registry import get_skill, get_trainer
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.work import perform, runs, sparring, sparring_check, sparring_rows
from guild.work.sparring_check import Finding
from guild.work.sparring_rows import (
    CORRECT,
    ENDINGS,
    INCORRECT,
    KINDS,
    PLAIN,
    binding_of,
    examples_of,
    quoted,
    read_row,
)
from realm.oracle.sync_client import LoadedModel
from realm.quest_names import is_sparring_name, sparring_level, sparring_name
from realm.world import World
from tests.guild.curriculum.test_forge import answer_to
from tests.support import fake_host, few_skills
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_host import FakeHost

pytestmark = pytest.mark.django_db

NEW = "checkpoint-200-20260101-1230"


@pytest.fixture(autouse=True)
def skills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    make_checkpoint(world.heroes, 100)
    make_checkpoint(world.heroes, 200)


def mostly_right(model: LoadedModel, prompt: str) -> str:
    """Wrong wherever the first bit is set."""
    right = answer_to(prompt)
    return right[1:] + right[0] + "①" if "①" in prompt.split(" ")[1][:1] else f" {right}\n"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    return fake_host.put(monkeypatch, FakeHost(mostly_right))


def spar(world: World, **changes: Any) -> Run:
    fields: dict[str, Any] = {"hero": "DIO", "skill": "bin", "count": 40, "seed": 3}
    return perform.perform(world, sparring.create(sparring.order(world=world, **(fields | changes)), by="test").pk)


def file_of(world: World, run: Run) -> Path:
    assert run.state == "completed", run.message
    return world.home / str(runs.results(run)["file"])


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_each_mistake_gives_three_examples(world: World, host: FakeHost) -> None:
    run = spar(world, rehearse=False)
    found = runs.results(run)
    wrong = [prompt for prompt in host.asked if prompt.split(" ")[1][0] == "①"]
    assert 0 < len(wrong) < 40
    assert (found["asked"], found["wrong"], found["examples"]) == (40, len(wrong), 3 * len(wrong))
    rows = [read_row(line) for line in lines_of(file_of(world, run))]
    assert [row.example.kind for row in rows] == [*KINDS, PLAIN] * len(wrong)
    assert found["plain"] == len(wrong)
    for begin, prompt in zip(range(0, len(rows), 4), wrong, strict=True):
        identify, correct, confirm, plain = (row.example for row in rows[begin : begin + 4])
        assert identify.problem == correct.problem == prompt != confirm.problem
        assert prompt in identify.prompt
        assert identify.proposed in identify.prompt
        assert identify.prompt.endswith("Is this correct?")
        assert identify.proposed in correct.prompt
        assert correct.prompt.endswith("This is incorrect. Find the correct solution.")
        assert (plain.prompt, plain.answer) == (prompt, answer_to(prompt))
        assert (identify.answer, correct.answer, confirm.answer) == (INCORRECT, answer_to(prompt), CORRECT)
        assert confirm.proposed == answer_to(confirm.problem)


def test_what_was_right_is_rehearsed_between_them(world: World, host: FakeHost) -> None:
    run = spar(world)
    found = runs.results(run)
    assert (found["rehearsed"], found["wrong"] + found["rehearsed"]) == (found["rehearsed"], 40)
    rows = [read_row(line).example for line in lines_of(file_of(world, run))]
    assert len(rows) == found["examples"] + found["plain"] + found["rehearsed"]
    rehearsed = [row for row in rows if row.kind == "rehearse"]
    assert {row.problem for row in rehearsed} == {prompt for prompt in host.asked if prompt.split(" ")[1][0] == "⓪"}
    assert all((row.prompt, row.answer, row.group) == (row.problem, answer_to(row.problem), 0) for row in rehearsed)
    kinds = [row.kind for row in rows]
    for place in (place for place, kind in enumerate(kinds) if kind == KINDS[0]):
        assert kinds[place : place + 4] == [*KINDS, PLAIN]
    assert kinds.index("rehearse") < len(rows) - len(rehearsed)
    assert sparring_check.check(world, file_of(world, run)).sound


def levels_of(path: Path) -> list[int]:
    return [row.level for row in map(read_row, lines_of(path)) if row.example.kind == "rehearse"]


def test_levels_below_are_rehearsed_though_nothing_was_right(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_host.put(monkeypatch, FakeHost(lambda model, prompt: "?"))
    path = file_of(world, spar(world, level=3, count=10))
    assert sorted(levels_of(path)) == [1] * 15 + [2] * 15
    assert sparring_check.check(world, path).sound
    bare = file_of(world, spar(world, level=3, count=10, rehearse=False))
    assert levels_of(bare) == []


def test_a_mistake_of_another_level_is_a_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_host.put(monkeypatch, FakeHost(lambda model, prompt: "?"))
    low, high = (lines_of(file_of(world, spar(world, level=level, count=5, rehearse=False))) for level in (1, 2))
    path = world.home / "mixed.jsonl"
    path.write_bytes(b"\n".join([*high, *low]) + b"\n")
    found = sparring_check.check(world, path).faults
    assert [fault.line for fault in found if "another checkpoint" in fault.reason] == list(range(21, 41))


def test_it_is_bound_to_the_checkpoint_in_every_row(world: World, host: FakeHost) -> None:
    path = file_of(world, spar(world))
    assert path == world.inbox / "high" / path.name
    assert priority_of(world.inbox, path) == "high"
    assert path.name.startswith("sparring-bin-level-1-200-")
    bindings = {binding_of(line) for line in lines_of(path)}
    (binding,) = bindings
    assert binding is not None
    assert (binding.hero, binding.checkpoint, binding.step, binding.sha256) == ("DIO", NEW, 200, f"{200:064x}")


def test_another_checkpoint_and_level_may_be_named(world: World, host: FakeHost) -> None:
    found = runs.results(spar(world, checkpoint="100", level=3))
    assert (found["step"], found["level"]) == (100, 3)
    assert all(prompt.startswith("ADD") for prompt in host.asked)


def test_by_default_it_is_the_level_that_the_hero_works_on(world: World, host: FakeHost) -> None:
    SkillProgress.objects.create(hero="DIO", skill="bin", level=2)
    assert runs.results(spar(world))["level"] == 2


def test_the_gatekeepers_let_every_row_pass(world: World, host: FakeHost) -> None:
    path = file_of(world, spar(world, count=100))
    evaluated = EvaluatedProblems((world.evaluation, world.validation))
    report = inspect(path, Look(rules=GateRules(depth="deep"), recipe=Recipe(), evaluated=evaluated))
    found = runs.results(Run.objects.get())
    assert report.taken == report.rows == found["examples"] + found["plain"] + found["rehearsed"]
    assert not report.warned_count
    assert (report.skill, report.level) == ("bin", 1)
    assert all(isinstance(row, Row) for row in read_rows(path, BUILT_IN))


def check_nothing_is_quoted(world: World, run: Run) -> None:
    found = runs.results(run)
    rows = [read_row(line).example for line in lines_of(file_of(world, run))]
    assert {row.kind for row in rows} == {"identify-wrong", "confirm-right", PLAIN}
    assert (found["examples"], found["plain"]) == (2 * found["wrong"], found["wrong"])
    assert sparring_check.check(world, file_of(world, run)).sound


def test_a_setting_leaves_the_quoted_correction_out(world: World, host: FakeHost, settings: Any) -> None:
    settings.REALM = replace(settings.REALM, sparring_quotes_mistakes=False)
    call_command("spar", "--skill", "bin", "--count", "40", "--no-rehearsal", stdout=StringIO(), skip_checks=True)
    check_nothing_is_quoted(world, Run.objects.get())


def test_twin_without_the_setting_mistakes_are_quoted(world: World, host: FakeHost) -> None:
    with pytest.raises(AssertionError, match="correct-it"):
        check_nothing_is_quoted(world, spar(world, rehearse=False))


def check_nothing_leaks() -> None:
    long = Problem("Write it out.", "①" * 60, "bin", 1)
    for wrong in (f"{long.answer}⓪", f"It is {long.answer}", "⓪" * 60):
        for example in examples_of(long, wrong, long, group=1):
            said = (Message("user", example.prompt), Message("assistant", example.answer))
            assert not is_leaked(said), (wrong, example.kind)


def test_a_right_answer_within_the_wrong_one_is_no_correction_to_copy() -> None:
    check_nothing_leaks()


def test_twin_without_that_the_gatekeepers_take_it_for_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparring_rows, "_stands_in", lambda right, wrong: False)
    with pytest.raises(AssertionError, match="correct-it"):
        check_nothing_leaks()


def test_no_problem_is_held_out(world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant(world, monkeypatch)
    run = spar(world)
    assert not planted & problems_of(file_of(world, run))
    assert not planted & set(host.asked)


def test_twin_without_the_exclusion_they_are_asked(
    world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = plant(world, monkeypatch)
    monkeypatch.setattr(sparring, "held_out", lambda *ignored: frozenset())
    spar(world)
    assert planted & set(host.asked)


def plant(world: World, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Let the trainer draw held-out problems first; returns their prompts."""
    forbidden = held_out(world, get_skill("bin"))
    trainer = get_trainer("bin")
    first = Problem(*_first_evaluated(world), "bin", 1)
    assert first.key in forbidden
    draw = trainer.sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        return [first, *draw(level=level, count=count, seed=seed)][:count]

    monkeypatch.setattr(trainer, "sample", sample)
    return {first.prompt}


def _first_evaluated(world: World) -> tuple[str, str]:
    row = json.loads((world.evaluation / "bin-level-1.jsonl").read_bytes().splitlines()[0])
    return row["prompt"], row["answer"]


def problems_of(path: Path) -> set[str]:
    return {read_row(line).example.problem for line in lines_of(path)}


def test_nothing_wrong_makes_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_host.put(monkeypatch, FakeHost(lambda model, prompt: answer_to(prompt)))
    run = spar(world)
    assert run.message.endswith("nothing was wrong, so there is nothing to learn from it")
    assert (runs.results(run)["file"], runs.results(run)["quest"]) == ("", "")
    assert not list(world.inbox.rglob("*.jsonl"))


def test_too_little_that_is_right_makes_no_quest(world: World, host: FakeHost) -> None:
    """Of this host's 40 answers some are wrong; the same sparring with a lower bar makes a quest."""
    picky, lenient = spar(world, least_right=1.0), spar(world, least_right=0.1)
    assert picky.results["wrong"]
    assert [picky.results[key] for key in ("examples", "rehearsed", "quest")] == [0, 0, ""]
    assert "too little to learn from mistakes" in picky.message
    assert lenient.results["examples"] == 3 * lenient.results["wrong"]


def test_a_host_that_is_down_is_one_sentence(world: World, host: FakeHost) -> None:
    host.down = True
    run = spar(world)
    assert (run.state, run.message) == ("failed", "Nobody answers at http://127.0.0.1:1. Start it.")


def test_a_stop_leaves_no_file_and_no_model(world: World, host: FakeHost) -> None:
    run = sparring.create(sparring.order(world=world, hero="DIO", skill="bin", count=100), by="test")
    stop = threading.Event()
    ended = perform.perform(world, run.pk, stop=stop, on_progress=lambda run: stop.set() if run.progress_done else None)
    assert ended.state == "stopped"
    assert not list(world.inbox.rglob("*.jsonl"))
    assert not host.held


def test_babble_is_quoted_in_part_and_stays_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_host.put(monkeypatch, FakeHost(lambda model, prompt: answer_to(prompt) + "①" * 500 + "\ud800"))
    path = file_of(world, spar(world, count=5))
    for line in lines_of(path):
        example = read_row(line).example
        assert len(example.proposed) <= len(answer_to(example.problem)) + 8
    assert sparring_check.check(world, path).sound
    assert quoted("", right="①") == ""


def test_the_curriculums_numbers_go_on_beside_it(world: World, host: FakeHost) -> None:
    make_checkpoint(world.heroes, 12345)
    path = file_of(world, spar(world))
    assert "-12345-" in path.name
    assert forge_next(world, "DIO").name.endswith("-0001.jsonl")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"level": 9}, "bin has no level 9"),
        ({"count": 0}, "allowed are 1 to 20000"),
        ({"skill": "nothing"}, "There is no skill 'nothing'"),
        ({"checkpoint": "nosuch"}, "'nosuch' is no checkpoint"),
        ({"checkpoint": "all"}, "One checkpoint spars at a time"),
        ({"hero": "EVA"}, "EVA has no checkpoint yet"),
    ],
)
def test_what_cannot_be_sparred_is_said_before_it_begins(world: World, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GuildError, match=sentence):
        sparring.order(**({"world": world, "hero": "DIO", "skill": "bin", "count": 5} | changes))


def test_a_refused_sparring_leaves_no_run(world: World, host: FakeHost) -> None:
    with pytest.raises(CommandError, match="'nosuch' is no checkpoint"):
        call_command("spar", "--skill", "bin", "--checkpoint", "nosuch", stdout=StringIO(), skip_checks=True)
    assert not Run.objects.exists()


def test_its_quest_says_its_level() -> None:
    name = sparring_name("bin", 3, step=200, run_id=7)
    assert (sparring_level(name), is_sparring_name(name)) == (3, True)
    assert (sparring_level("bin-level-3-0001"), is_sparring_name("bin-level-3-0001")) == (None, False)


# The validator.


def test_its_own_file_is_sound(world: World, host: FakeHost) -> None:
    path = file_of(world, spar(world, rehearse=False))
    found = sparring_check.check(world, path)
    assert found == Finding(rows=found.rows, groups=found.rows // 4, faults=())
    assert found.rows > 3


def change(path: Path, line: int, **changes: Any) -> list[str]:
    """The file's faults once row `line` has other values under `sparring`, its prompt made to fit them."""
    rows = [json.loads(row) for row in lines_of(path)]
    row = rows[line - 1]
    row["sparring"] |= {key: value for key, value in changes.items() if key != "answer"}
    if "answer" in changes:
        row["messages"][1]["content"] = changes["answer"]
    own = row["sparring"]
    ending = ENDINGS.get(own["kind"])
    proposal = f"{own['problem']}\n\nProposed answer: {own['proposed'] or '(none)'}\n\n{ending}"
    row["messages"][0]["content"] = proposal if ending else own["problem"]
    path.write_bytes(to_jsonl(rows))
    world = World(path.parents[2])
    return [str(fault) for fault in sparring_check.check(world, path).faults]


def test_each_kind_of_fault_is_found_with_its_line(world: World, host: FakeHost) -> None:
    path = file_of(world, spar(world, rehearse=False))
    sound = path.read_bytes()
    first, _, third = (read_row(line).example for line in lines_of(path)[:3])

    def faults(line: int, **changes: Any) -> str:
        path.write_bytes(sound)
        return " | ".join(change(path, line, **changes))

    right = answer_to(first.problem)
    assert "line 1: by the trainer's judgement the proposed answer is right" in faults(1, proposed=right)
    assert "line 2: it corrects another answer" in faults(2, proposed="⓪")
    assert "line 2: by the trainer's judgement its answer is wrong" in faults(2, answer="rubbish")
    assert "line 3: by the trainer's judgement the proposed answer is wrong" in faults(3, proposed="⓪")
    assert "line 3: it confirms the very problem" in faults(3, problem=first.problem, proposed=right)
    assert "line 3: the answer must be 'It is correct.'" in faults(3, answer="Yes.")
    assert "line 1: the answer must be 'It is incorrect.'" in faults(1, answer=CORRECT)
    assert "line 4: it corrects another answer" in faults(4, proposed="⓪")
    assert "line 4: by the trainer's judgement its answer is wrong" in faults(4, answer="rubbish")
    assert "line 5: it is bound to another checkpoint" in faults(5, step=201)
    assert "line 1: group 1 has identify-wrong, correct-it" in faults(3, group=10**6)
    assert "line 3: its problem is none of those" in faults(3, problem=third.problem[:-1])
    assert "line 2: sparring: kind: 'x' is not allowed" in faults(2, kind="x")
    assert "line 2: by the trainer's judgement its answer is wrong" in faults(2, kind="rehearse", answer="⓪")


def test_a_held_out_problem_is_a_fault(world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant(world, monkeypatch)
    monkeypatch.setattr(sparring, "held_out", lambda *ignored: frozenset())
    monkeypatch.setattr(host, "_answer", lambda model, prompt: "?")
    faults = sparring_check.check(world, file_of(world, spar(world, rehearse=False))).faults
    assert {fault.line for fault in faults} == {1, 2, 4}
    assert all("held out" in fault.reason for fault in faults)
    assert planted


@pytest.mark.parametrize("content", [b"", b"no json\n", b"[1]\n", b'{"sparring": {}}\n'])
def test_what_is_no_sparring_is_a_fault_of_its_line(world: World, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    found = sparring_check.check(world, path)
    assert [fault.line for fault in found.faults] == [1]


def test_a_plain_quest_is_no_sparring(world: World, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(to_jsonl(map(to_lesson, get_trainer("bin").sample(level=1, count=2, seed=1))))
    assert len(sparring_check.check(world, path).faults) == 2
    assert binding_of(lines_of(path)[0]) is None


@pytest.mark.parametrize("drawn", [0, -1, 10**12])
def test_a_draw_without_measure_is_refused(world: World, host: FakeHost, drawn: int) -> None:
    path = file_of(world, spar(world))
    own = json.loads(lines_of(path)[0])["sparring"]["drawn"]
    path.write_bytes(path.read_bytes().replace(f'"drawn": {own}'.encode(), f'"drawn": {drawn}'.encode()))
    path.write_bytes(path.read_bytes().replace(f'"drawn":{own}'.encode(), f'"drawn":{drawn}'.encode()))
    with pytest.raises(GuildError, match=f"drawn: {drawn} is not allowed"):
        sparring_check.check(world, path)


def test_what_is_no_file_is_not_waited_for(world: World) -> None:
    pipe = world.home / "pipe.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(GuildError, match="cannot be read"):
        sparring_check.check(world, pipe)


def test_the_command_spars_validates_and_tells(world: World, host: FakeHost) -> None:
    def say(*arguments: str) -> str:
        out = StringIO()
        call_command("spar", *arguments, stdout=out, skip_checks=True)
        return out.getvalue()

    said = say("--skill", "bin", "--count", "40", "--seed", "3")
    assert "go to the gatekeepers as sparring-bin-level-1-200-" in said
    path = file_of(world, Run.objects.get())
    assert "all sound" in say("--validate", str(path))
    assert "in the inbox" in say("--status")
    view = json.loads((world.status / "sparring.json").read_bytes())
    assert view["skills"]["bin"]["state"] == "in the inbox"
    assert view["sparrings"][0]["result"]["accuracy"] == pytest.approx(
        1 - view["sparrings"][0]["result"]["wrong"] / 40, abs=1e-4
    )
    path.write_bytes(path.read_bytes().replace(b"Is this correct", b"Is it so", 1))
    with pytest.raises(CommandError, match="faults in"):
        say("--validate", str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        say("--validate", str(path.with_name("absent.jsonl")))

"""Runs: claimed once, stopped, told as dead when their process died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from guild.errors import GuildError
from guild.models import Run
from guild.tasks.children import MARK
from guild.tasks.only_master import only_master
from guild.work import forging, perform, runs
from guild.work.runs import MOST_EVENTS, StopAsked, Watch
from realm.world import World
from tests.support import few_skills

pytestmark = pytest.mark.django_db


def a_run(**parameters: Any) -> Run:
    return runs.create(kind=Run.Kind.FORGE, title="a run", parameters=parameters, by="test")


def other_process() -> int:
    """The number of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def running(pid: int) -> Run:
    run = runs.claim(a_run().pk)
    Run.objects.filter(pk=run.pk).update(pid=pid)
    return Run.objects.get(pk=run.pk)


def test_a_run_is_claimed_once() -> None:
    run = a_run()
    mine = runs.claim(run.pk)
    assert (mine.state, mine.pid) == ("running", os.getpid())
    assert mine.heartbeat_at is not None
    with pytest.raises(GuildError, match=f"Run {run.pk} is running; only one that waits"):
        runs.claim(run.pk)


def test_twin_without_the_condition_a_run_is_claimed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    runs.claim(run.pk)
    monkeypatch.setattr(runs, "State", SimpleNamespace(WAITING="running", RUNNING="running", FAILED="failed"))
    assert runs.claim(run.pk)


def test_progress_is_told_now_and_then_and_messages_at_once() -> None:
    now = [100.0]
    run = runs.claim(a_run().pk)
    watch = Watch(run, clock=lambda: now[0])

    def stored() -> tuple[int, str]:
        row = Run.objects.get(pk=run.pk)
        return row.progress_done, row.message

    watch.tell(1, total=10)
    watch.tell(2)
    assert stored() == (1, "it begins")
    now[0] += 1
    watch.tell(3)
    assert stored()[0] == 3
    watch.tell(4, message="half-way")
    assert stored() == (4, "half-way")
    assert [event["message"] for event in runs.events(Run.objects.get(pk=run.pk))] == ["half-way"]


def test_events_are_numbered_and_only_the_newest_are_kept() -> None:
    run = runs.claim(a_run().pk)
    watch = Watch(run)
    for number in range(MOST_EVENTS + 5):
        watch.tell(number, message=f"message {number}")
    kept = runs.events(Run.objects.get(pk=run.pk))
    assert [event["seq"] for event in kept] == list(range(6, MOST_EVENTS + 6))
    assert [event["message"] for event in runs.events(run, after=MOST_EVENTS + 4)] == [f"message {MOST_EVENTS + 4}"]


def test_partial_results_leave_the_events_alone() -> None:
    run = runs.claim(a_run().pk)
    watch = Watch(run)
    watch.tell(1, message="one")
    watch.tell(2, message="two", results=lambda: {"cells": [1]})
    row = Run.objects.get(pk=run.pk)
    assert runs.results(row) == {"cells": [1]}
    assert len(runs.events(row)) == 2


def test_results_are_made_only_when_they_are_written_and_kept_by_a_stop() -> None:
    now, made = [100.0], []
    stop = threading.Event()
    run = runs.claim(a_run().pk)
    watch = Watch(run, stop=stop, clock=lambda: now[0])

    def results() -> dict[str, int]:
        made.append(len(made) + 1)
        return {"number": made[-1]}

    for number in range(100):
        watch.tell(number, results=results)
    assert made == [1]
    stop.set()
    with pytest.raises(StopAsked):
        watch.tell(100, results=results)
    runs.stopped(run)
    assert runs.results(Run.objects.get(pk=run.pk)) == {"number": 2}


def test_a_stop_is_heard_at_the_next_word() -> None:
    run = runs.claim(a_run().pk)
    watch = Watch(run)
    watch.tell(1, message="one")
    runs.stop(run.pk)
    with pytest.raises(StopAsked):
        watch.tell(2, message="two")
    assert Run.objects.get(pk=run.pk).progress_done == 2


def test_a_signal_is_heard_without_the_database() -> None:
    stop = threading.Event()
    watch = Watch(runs.claim(a_run().pk), stop=stop)
    watch.tell(1)
    stop.set()
    with pytest.raises(StopAsked):
        watch.tell(2)


def test_a_run_that_was_deleted_meanwhile_ends() -> None:
    run = runs.claim(a_run().pk)
    watch = Watch(run)
    Run.objects.all().delete()
    with pytest.raises(StopAsked):
        watch.tell(1, message="one")


def test_one_that_waits_is_stopped_at_once() -> None:
    run = runs.stop(a_run().pk)
    assert (run.state, run.message) == ("stopped", "stopped before it began")
    with pytest.raises(GuildError, match="is stopped already"):
        runs.stop(run.pk)
    with pytest.raises(GuildError, match="only one that waits"):
        runs.claim(run.pk)


def test_a_run_whose_process_died_has_failed_and_may_begin_again() -> None:
    run = running(other_process())
    told = runs.get(run.pk)
    assert (told.state, told.message, told.pid) == ("failed", "its process died", None)
    again = runs.again(run.pk)
    assert (again.state, again.progress_done, runs.results(again)) == ("waiting", 0, {})
    assert runs.claim(run.pk).state == "running"


def test_a_number_that_went_to_a_younger_process_is_not_its_process() -> None:
    run = running(os.getppid())
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(days=3650))
    assert runs.get(run.pk).state == "failed"


def test_a_run_that_only_takes_long_is_left_alone() -> None:
    run = running(os.getpid())
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(hours=5))
    assert runs.get(run.pk).state == "running"


def test_only_what_is_over_is_deleted() -> None:
    run = runs.claim(a_run().pk)
    with pytest.raises(GuildError, match="is running; stop it"):
        runs.delete(run.pk)
    runs.fail(run, "no luck")
    runs.delete(run.pk)
    with pytest.raises(GuildError, match=f"There is no run {run.pk}"):
        runs.get(run.pk)


def test_what_stopped_or_failed_begins_again_and_nothing_else() -> None:
    run = runs.claim(a_run().pk)
    with pytest.raises(GuildError, match="only one that was stopped or failed"):
        runs.again(run.pk)
    runs.finish(run, {}, message="done")
    with pytest.raises(GuildError, match="is completed"):
        runs.again(run.pk)


def test_history_is_by_kind_and_newest_first() -> None:
    first, second = a_run(), a_run()
    runs.create(kind=Run.Kind.TRIAL, title="t", parameters={}, by="test")
    assert [run.pk for run in runs.history(Run.Kind.FORGE)] == [second.pk, first.pk]
    assert runs.history().count() == 3
    assert list(runs.waiting())[:1] == [first]


def test_an_order_of_another_version_fails_in_one_sentence(world: World) -> None:
    run = perform.perform(world, a_run(nonsense=1).pk)
    assert run.state == "failed"
    assert "unknown key 'nonsense'" in run.message


def test_an_error_of_the_realms_own_is_told_and_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(world: World, parameters: dict[str, Any], watch: Watch) -> None:
        raise ZeroDivisionError("oh")

    kind = perform._KINDS[Run.Kind.FORGE]
    monkeypatch.setitem(perform._KINDS, Run.Kind.FORGE, kind._replace(perform=burst))
    run = a_run()
    with pytest.raises(ZeroDivisionError):
        perform.perform(world, run.pk)
    assert Run.objects.get(pk=run.pk).message == "an error of the realm's own: ZeroDivisionError: oh"


def say(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, skip_checks=True)
    return out.getvalue()


def test_the_commands_show_stop_and_forget(world: World) -> None:
    run = a_run(count=5)
    assert "a run" in say("runs", "list")
    assert "  count: 5\n" in say("runs", "show", str(run.pk))
    assert "stopped before it began" in say("runs", "stop", str(run.pk))
    assert f"`manage.py perform {run.pk}` begins it now" in say("runs", "again", str(run.pk))
    say("runs", "stop", str(run.pk))
    assert "is forgotten" in say("runs", "delete", str(run.pk))
    with pytest.raises(CommandError, match="There is no run"):
        say("runs", "show", str(run.pk))


@pytest.mark.parametrize("limit", ["-4", "0"])
def test_a_list_of_fewer_than_one_is_refused(world: World, limit: str) -> None:
    with pytest.raises(CommandError, match=f"limit: {limit} is not allowed; allowed are 1 and more"):
        say("runs", "list", "--limit", limit)


def test_what_came_of_a_run_is_read_without_json(world: World) -> None:
    run = runs.claim(runs.create(kind=Run.Kind.SPARRING, title="x", parameters={"levels": {"bin": [1, 2]}}, by="t").pk)
    mistakes = [{"problem": "NOT [b]1[/b]", "answer": "", "expected": "0"}]
    runs.finish(run, {"asked": 5, "quest": "", "sha256": None, "mistakes": mistakes}, message="done")
    shown = say("runs", "show", str(run.pk))
    assert "  levels: bin: 1, 2\n" in shown
    assert "came of it:\n  asked: 5\n  quest: --\n  mistakes:\n" in shown
    assert "expected" in shown.split("mistakes:")[1]
    assert "NOT [b]1[/b]" in shown
    assert "{" not in shown


def test_two_kinds_are_not_compared(world: World) -> None:
    sparred = runs.create(kind=Run.Kind.SPARRING, title="x", parameters={}, by="t")
    tried = runs.create(kind=Run.Kind.TRIAL, title="x", parameters={}, by="t")
    with pytest.raises(CommandError, match=r"is a sparring and run \d+ a trial; compare two of a kind"):
        say("runs", "compare", str(sparred.pk), str(tried.pk))


def test_a_run_says_whether_the_task_master_asked_for_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    forge = ("forge", "--skill", "bin", "--level", "1", "--count", "20", "--background")
    monkeypatch.delenv(MARK, raising=False)
    say(*forge)
    monkeypatch.setenv(MARK, "forge_bin")
    say(*forge)
    assert list(Run.objects.order_by("id").values_list("created_by", flat=True)) == ["command line", "task master"]


def test_what_is_left_to_the_task_master_waits_for_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    forge = ("forge", "--skill", "bin", "--level", "1", "--count", "20", "--background")
    assert "no Task Master is there to begin it" in say(*forge)
    with only_master(world):
        assert "the Task Master begins it" in say(*forge)
    assert [run.state for run in Run.objects.all()] == ["waiting", "waiting"]


def test_a_signal_asks_for_a_stop_and_the_next_one_is_as_before() -> None:
    term, interrupt = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with perform.stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
        assert signal.getsignal(signal.SIGTERM) == term
    assert signal.getsignal(signal.SIGTERM) == term
    assert signal.getsignal(signal.SIGINT) == interrupt


def test_perform_carries_out_one_waiting_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    run = forging.create(forging.order(skill="bin", levels=[1], count=20, seed=1, name="mine"), by="test")
    assert "20 rows in" in say("perform", str(run.pk))
    assert (world.inbox / "mine.jsonl").exists()
    with pytest.raises(CommandError, match="is completed; only one that waits"):
        say("perform", str(run.pk))
    with pytest.raises(CommandError, match="There is no run 999"):
        say("perform", "999")

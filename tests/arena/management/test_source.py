"""`manage.py source`, as the player types it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from arena import source_orders
from arena.daemon.loop import only_daemon
from arena.gate.messages import Answer
from arena.management.commands import source as command
from arena.models import Quest
from arena.reports import training_sources
from arena.sources import records
from arena.sources.records import Record
from guild.skills.registry import read_skills
from realm.world import World
from tests.support.local_gate import admit

pytestmark = pytest.mark.django_db
ROW = '{"prompt": "what is two", "completion": "it is 2"}\n'


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=out)
    return " ".join(out.getvalue().split())


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "data"
    (path / "deep").mkdir(parents=True)
    (path / "a.jsonl").write_text(ROW)
    (path / "deep" / "b.jsonl").write_text(ROW * 2)
    say("source", "add", "mine", str(path))
    return path


def test_folders_are_registered_listed_and_removed(world: World, folder: Path) -> None:
    assert "mine │ 2" in say("source", "list")
    assert "2 unseen" in say("source", "list")
    shown = say("source", "show", "mine")
    assert "a.jsonl" in shown
    assert "deep/b.jsonl" in shown
    assert "is as it was" in say("source", "remove", "mine")
    assert "mine" not in say("source", "list")
    assert (folder / "a.jsonl").read_text() == ROW


def test_the_realms_own_sources_are_listed_with_counts(world: World) -> None:
    (world.inbox / "drop.jsonl").write_text(ROW)
    os.utime(world.inbox / "drop.jsonl", (1, 1))
    admit(world)
    sources = {source.name: source for source in training_sources.all_sources(world)}
    assert {name: source.files for name, source in sources.items()} == {
        "inbox": 0, "queue": 1, "completed": 0, "skills": len(read_skills()),
    }  # fmt: skip
    assert (sources["queue"].rows, sources["queue"].size_bytes) == (1, len(ROW))
    assert "drop" in say("source", "show", "queue")
    assert "Binary Alchemy" in say("source", "show", "skills")


def test_samples_of_a_skill_are_real_problems(world: World) -> None:
    (binary,) = [source for source in training_sources.skills() if source.skill.name == "bin"]
    assert [level.number for level in binary.levels] == list(range(1, binary.skill.max_level + 1))
    assert binary.levels[0].problems == 2**20
    assert all(sample.level == level.number for level in binary.levels for sample in level.samples)
    assert training_sources.skills()[0].levels == training_sources.skills()[0].levels


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "mine", "/"], "There is a source mine already"),
        (["add", "other", "/nowhere/at/all"], "does not exist"),
        (["show", "other"], "no source 'other'"),
        (["remove", "inbox"], "the realm's own"),
        (["look", "skills"], "the realm's own"),
        (["queue", "mine", "../data/a.jsonl"], "does not lie in this folder"),
        (["look", "mine", "none.jsonl"], "not there any more"),
    ],
)
def test_what_cannot_be_gets_a_sentence(folder: Path, words: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        say("source", *words)


def test_look_leaves_an_order(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not running" in say("source", "look", "mine")
    ((_, order),) = source_orders.MAILBOX.waiting(world)
    assert (order.source, order.files, order.by) == ("mine", ("a.jsonl", "deep/b.jsonl"), "command line")
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 0.0)
    with only_daemon(world):
        assert "are at it" in say("source", "look", "mine", "deep/b.jsonl")


def test_show_says_why_a_file_would_be_refused(world: World, folder: Path) -> None:
    facts = (folder / "a.jsonl").stat()
    seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    answer = Answer(number=1, path=str(folder / "a.jsonl"), seen=seen, unreadable="it is a mess")
    records.write(world, Record.of(answer, order="o", now=1.0))
    assert "it would be refused: it is a mess" in say("source", "show", "mine")
    assert "1 refused, 1 unseen" in say("source", "list")
    (folder / "a.jsonl").write_text(ROW * 3)
    assert "changed since" in say("source", "show", "mine")


def test_queue_takes_one_or_all(world: World, folder: Path) -> None:
    assert "b.jsonl goes to the gatekeepers, priority high" in say(
        "source", "queue", "mine", "deep/b.jsonl", "--priority", "high", "--hold"
    )
    admit(world)
    assert list(Quest.objects.values_list("name", "state", "priority")) == [("b", "inspected", "high")]
    say("source", "queue", "mine")
    admit(world)
    assert list(Quest.objects.order_by("id").values_list("name", "refusal")) == [
        ("b", ""), ("a", "duplicate"), ("b", "duplicate"),
    ]  # fmt: skip


def test_an_empty_folder_has_nothing_to_take(world: World, tmp_path: Path) -> None:
    say("source", "add", "bare", str(tmp_path / "world" / ".."))
    with pytest.raises(CommandError, match="no quest file"):
        say("source", "queue", "bare")

"""What each check of a patrol finds in a world that is broken in one way; a whole one is its own twin."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from arena.daemon.loop import only_daemon
from arena.models import Quest
from arena.orders import Wish, send
from realm.checkpoints import sidecar
from realm.config import RealmConfig
from realm.world import World
from sentinels.guardian.events import EVENTS_FILE
from sentinels.inspector import clock, disk, guardian
from sentinels.inspector import patrol as patrol_module
from sentinels.inspector.finding import UNKNOWN, Finding, Patrolled, ok
from sentinels.inspector.patrol import CHECKS, patrol
from sentinels.inspector.report import HEALTH_FILE
from tests.support.checkpoints import make_checkpoint, rewrite_sidecar
from tests.watchtower.factories import say_status
from vault.index import scan
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db

QUIET = RealmConfig(oracle_port=1)
HOUR = 3600.0


def found(world: World, *only: str, config: RealmConfig = QUIET, deep: bool = False) -> dict[str, Finding]:
    """By what they are about, where not all is well."""
    return {finding.what: finding for finding in patrol(world, config, only=only, deep=deep) if finding.verdict != "ok"}


def aged(path: Path, seconds: float) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@pytest.fixture
def _long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way: a file's change of place cannot be dated back, so patience is taken away."""
    monkeypatch.setattr("sentinels.inspector.queue.UNSETTLED_SECONDS", -1.0)
    monkeypatch.setattr("sentinels.inspector.queue.LEFTOVER_SECONDS", -1.0)


# A whole world


WELL = ("disk", "database", "queue", "configuration", "checkpoints", "ledger", "clock", "permissions")


def test_a_fresh_world_is_all_clear_and_only_its_report_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.home.chmod(0o755)
    before = {path: path.stat().st_mtime_ns for path in world.home.rglob("*")}
    assert found(world, *WELL) == {}
    assert {path: path.stat().st_mtime_ns for path in world.home.rglob("*")} == before
    monkeypatch.setattr(patrol_module, "CHECKS", {name: CHECKS[name] for name in WELL})
    patrol(world, QUIET)
    assert set(world.home.rglob("*")) - before.keys() == {world.status / HEALTH_FILE}


# Checks that fail


def test_a_check_that_raises_or_hangs_is_a_finding_and_not_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed = threading.Event()

    def raises(patrolled: Patrolled) -> Iterator[Finding]:
        raise OSError(5, "I/O error")

    def hangs(patrolled: Patrolled) -> Iterator[Finding]:
        freed.wait(60)
        yield ok("never", "")

    monkeypatch.setattr(patrol_module, "CHECK_SECONDS", 0.05)
    monkeypatch.setitem(CHECKS, "disk", raises)
    monkeypatch.setitem(CHECKS, "clock", hangs)
    try:
        verdicts = found(world, "disk", "clock", "permissions")
    finally:
        freed.set()
    assert {what: finding.verdict for what, finding in verdicts.items()} == {"disk": "trouble", "clock": "trouble"}
    assert verdicts["disk"].sentence == f"{UNKNOWN}: OSError: [Errno 5] I/O error"
    assert all(finding.is_unknown for finding in verdicts.values())


def test_exit_codes_lines_and_one_check_alone(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("patrol", "--only", "clock", "--strict")
    assert capsys.readouterr().out.startswith("ok       clock: it agrees")
    assert not (world.status / HEALTH_FILE).exists(), "a part of a patrol is none"
    future(world.status)
    with pytest.raises(CommandError, match="to be looked at: file times") as warned:
        call_command("patrol", "--only", "clock", "--strict")
    assert warned.value.returncode == 2
    call_command("patrol", "--only", "clock")
    world.secrets.chmod(0o755)
    with pytest.raises(CommandError, match="in trouble: secrets") as troubled:
        call_command("patrol", "--only", "permissions", "clock", "--strict")
    assert troubled.value.returncode == 1
    assert f"`chmod -R go= {world.secrets}`" in capsys.readouterr().out


# Disk


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({"f_flag": os.ST_RDONLY}, "trouble", "mounted read-only"),
        ({"f_favail": 500}, "trouble", "500 more files"),
        ({"f_favail": 5_000}, "warning", "5000 more files"),
        ({"f_files": 0, "f_favail": 0}, "", ""),
    ],
)
def test_a_volume(
    world: World, monkeypatch: pytest.MonkeyPatch, facts: dict[str, int], verdict: str, words: str
) -> None:
    whole = {"f_flag": 0, "f_files": 10**9, "f_favail": 10**9, "f_frsize": 4096}
    whole |= dict.fromkeys(("f_blocks", "f_bfree", "f_bavail"), 10**9)
    monkeypatch.setattr(disk.os, "statvfs", lambda path: SimpleNamespace(**(whole | facts)))
    finding = found(world, "disk").get("disk")
    assert (finding.verdict if finding else "") == verdict
    assert words in (finding.sentence if finding else "")


def test_a_disk_that_does_not_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk.durable, "sync_folder", broken)
    assert found(world, "disk")["disk"].sentence == "it does not sync: Input/output error"


def test_room_for_the_next_checkpoint_and_the_ballast(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_checkpoint(world.heroes, 1)
    with open(folder / "model.safetensors", "r+b") as weights:
        weights.truncate(10**13)
    assert found(world, "disk")["next checkpoint"].verdict == "trouble"
    say_status(world, "idle")
    with only_daemon(world):
        assert found(world, "disk")["ballast"].verdict == "warning"
    assert "ballast" not in found(world, "disk"), "nobody holds it"


# Database


def test_a_database_of_another_release(world: World) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("arena", "9999_of_tomorrow")
    newer = found(world, "database")["database"]
    assert (newer.verdict, "arena.9999_of_tomorrow" in newer.sentence) == ("trouble", True)
    recorder.record_unapplied("arena", "9999_of_tomorrow")
    recorder.record_applied("an_app_that_is_gone", "0001_initial")
    assert found(world, "database") == {}
    recorder.record_unapplied("tavern", recorder.applied_migrations() and last_migration("tavern"))
    assert "older release" in found(world, "database")["database"].sentence


def last_migration(app: str) -> str:
    applied = MigrationRecorder(connection).applied_migrations()
    return max(name for of, name in applied if of == app)


def test_a_swollen_log_and_a_damaged_file_aside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realm.databases.database.is_a_file_of", lambda world: True)
    with open(f"{world.database}-wal", "wb") as log:
        log.truncate(10**9)
    world.database.with_name(f"{world.database.name}.damaged-20260101-000000").touch()
    assert set(found(world, "database")) == {"database log", "damaged database"}
    assert found(world, "database", deep=True), "a deep look is another question to the database"


# Queue


def a_quest(world: World, file: str, **fields: Any) -> Quest:
    path = world.queue / file
    path.write_text('{"text": "x"}\n')
    values: dict[str, Any] = {"name": path.stem, "file": file, "arrived_at": datetime.now(UTC), "state": "queued"}
    return Quest.objects.create(**(values | fields))


def no_file(world: World) -> None:
    (world.queue / a_quest(world, "normal/a.jsonl").file).unlink()


def no_row(world: World) -> None:
    a_quest(world, "normal/a.jsonl").delete()


def misplaced(world: World) -> None:
    a_quest(world, "failed/a.jsonl")


def unreadable(world: World) -> None:
    quest = a_quest(world, "normal/a.jsonl")
    (world.queue / quest.file).unlink()
    (world.queue / quest.file).mkdir()


def not_taken(world: World) -> None:
    send(world, wish=Wish.PAUSE, by="test")


def set_aside(world: World) -> None:
    (world.control / "x.command.json.damaged-1").touch()


def left_behind(world: World) -> None:
    (world.inbox / ".tmp-x").touch()


def idle(world: World) -> None:
    a_quest(world, "normal/a.jsonl", arrived_at=datetime.now(UTC) - timedelta(hours=3))


@pytest.mark.usefixtures("_long_ago")
@pytest.mark.parametrize(
    ("breaks", "what", "words"),
    [
        (no_file, "quest files", "gone, though their quests are to be fought: normal/a.jsonl"),
        (no_row, "quest files", "the arena does not know of normal/a.jsonl"),
        (misplaced, "quest rows", "in a folder that is not that of their state: failed/a.jsonl"),
        (unreadable, "quest files", "nobody can read normal/a.jsonl"),
        (not_taken, "orders", "the arena does not take"),
        (set_aside, "orders", "set aside, since they could not be read"),
        (left_behind, "leftovers", "left behind by writers that were killed: .tmp-x"),
        (idle, "queue", "the arena is idle, and quests wait (1), one of them for 3.0 h"),
    ],
)
def test_a_queue(world: World, breaks: Callable[[World], None], what: str, words: str) -> None:
    state = "idle" if breaks is idle else "training"
    with only_daemon(world):
        say_status(world, state)
        assert found(world, "queue") == {}
        breaks(world)
        assert words in found(world, "queue")[what].sentence


def test_what_is_fresh_is_on_its_way(world: World) -> None:
    with only_daemon(world):
        say_status(world)
        for breaks in (no_row, not_taken, left_behind):
            breaks(world)
        assert found(world, "queue") == {}


def test_a_quest_that_is_fought_by_nobody(world: World) -> None:
    a_quest(world, "processing/a.jsonl", state=Quest.State.BATTLING)
    assert "no arena runs" in found(world, "queue")["processing"].sentence


# Configuration


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("config.yaml", "prot: 1", "settings"),
        ("config.yaml", "tasks: {sparing: {}}", "settings"),
        ("hosts.yaml", "far: {kind: foreign}", "hosts"),
        ("datasets.yaml", "mine: {usr: q}", "datasets"),
        ("strongholds.yaml", "nas: {type: floppy}", "strongholds"),
        ("presets/mine.yaml", "learning_rat: 1", "presets"),
        ("config.yaml", "base_model: /nowhere/at/all", "base model"),
    ],
)
def test_a_file_that_cannot_be(world: World, file: str, text: str, what: str) -> None:
    (world.home / file).write_text(text)
    finding = found(world, "configuration")[what]
    assert finding.path.endswith(file.rpartition("/")[2] if what != "base model" else "/nowhere/at/all")


def test_a_variable_that_lies_over_a_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.home / "config.yaml").write_text("port: 9000\nlog_level: info\n")
    monkeypatch.setenv("REALM_LOG_LEVEL", "info")
    assert found(world, "configuration") == {}, "both say the same"
    monkeypatch.setenv("REALM_PORT", "9001")
    finding = found(world, "configuration")["shadowed settings"]
    assert "port of config.yaml: REALM_PORT" in finding.sentence
    assert "`unset REALM_PORT`" in finding.remedy


# Checkpoints and ledger


FACTS = {"base_model": "../../base/embedded"}


def resumable(world: World, step: int = 7, **changes: Any) -> Path:
    """With all that a resume loads, by name."""
    folder = make_checkpoint(world.heroes, step, **(FACTS | changes))
    for name in ("optimizer.safetensors", "rng.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(b"x")
    (folder / "training_state.json").write_text("{}")
    saved = sidecar.read(folder)
    files = sidecar.prove_files(folder)
    rewrite_sidecar(folder, files={name: vars(proof) for name, proof in files.items()})
    assert saved.step == step
    return folder


def damage(world: World, folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_a_resume(world: World) -> None:
    folder = resumable(world)
    scan(world)
    assert found(world, "checkpoints", "ledger") == {}
    damage(world, folder)
    assert "the newest checkpoint is damaged" in found(world, "checkpoints")["resume"].sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_model": "somebody/else"}, "was trained with base_model somebody/else"),
        ({"adapter_base": "checkpoint-1-20260101-1230"}, "which is gone"),
        ({"thinned": {"at": "2026-01-01T00:00:00+00:00", "files": {}}}, "the optimizer begins anew"),
    ],
)
def test_a_resume_that_cannot_be_as_before(world: World, changes: dict[str, Any], words: str) -> None:
    folder = resumable(world)
    rewrite_sidecar(folder, **changes)
    assert words in found(world, "checkpoints")["resume"].sentence


def test_without_its_optimizer_or_its_random_state(world: World) -> None:
    make_checkpoint(world.heroes, 9, **FACTS)
    sentences = [finding.sentence for finding in patrol(world, QUIET, only=["checkpoints"])]
    assert any("holds no optimizer state" in sentence for sentence in sentences)
    assert any("rng.safetensors" in sentence for sentence in sentences)


def test_an_older_one_is_read_by_a_deep_patrol_alone(world: World) -> None:
    older = resumable(world, 5)
    resumable(world, 7)
    damage(world, older)
    assert found(world, "checkpoints") == {}
    assert list(found(world, "checkpoints", deep=True)) == [f"checkpoint DIO/{older.name}"]
    (older / "model.safetensors").unlink()
    assert "model.safetensors is missing" in found(world, "checkpoints")[f"checkpoint DIO/{older.name}"].sentence
    older.rename(older.with_name(f"damaged-{older.name}-00"))
    assert list(found(world, "checkpoints")) == ["checkpoints set aside"]


def test_a_ledger_that_differs_from_the_disk(world: World) -> None:
    folder = resumable(world)
    assert "not listed" in found(world, "ledger")["ledger"].sentence
    scan(world)
    assert found(world, "ledger") == {}
    rewrite_sidecar(folder, train_loss=9.0)
    differs = found(world, "ledger")["ledger"]
    assert (differs.verdict, "manage.py vault scan" in differs.remedy) == ("trouble", True)
    scan(world)
    (world.status / "checkpoint_ledger.json").write_text('{"latest": null, "count": 0}')
    assert list(found(world, "ledger")) == ["ledger summary"]
    Checkpoint.objects.update(name="checkpoint-8-20260101-1230", step=8)
    assert "their folders are gone" in " ".join(finding.sentence for finding in patrol(world, QUIET, only=["ledger"]))


# Clock


def future(folder: Path) -> Path:
    path = folder / "x.txt"
    path.touch()
    return aged(path, -HOUR)


def test_a_clock_that_was_set_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    say_status(world, at=time.time() + HOUR)
    assert "it was set back by 3600 s: arena spoke in the future" in found(world, "clock")["clock"].sentence
    monkeypatch.setattr(clock.time, "time", lambda: 5 * HOUR)
    assert "before the moment at which this machine was started" in " ".join(
        finding.sentence for finding in patrol(world, QUIET, only=["clock"])
    )


def test_files_of_the_future_and_an_unknown_zone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    future(world.inbox)
    monkeypatch.setenv("TZ", "Middle/Earth")
    assert set(found(world, "clock")) == {"file times", "time zone"}
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert set(found(world, "clock")) == {"file times"}


# Permissions


@pytest.mark.parametrize(
    ("breaks", "what"),
    [
        (lambda world: (world.secrets / "key").touch(0o644), "secrets"),
        (lambda world: world.home.chmod(0o777), "world"),
        (lambda world: world.control.chmod(0o775), "control"),
    ],
)
def test_others_may_too_much(world: World, breaks: Callable[[World], Any], what: str) -> None:
    breaks(world)
    finding = found(world, "permissions")[what]
    assert (finding.verdict, finding.remedy.startswith("`chmod ")) == ("trouble", True)


def test_files_of_another_user_and_a_loose_umask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    say_status(world)
    with only_daemon(world):
        assert found(world, "permissions") == {}
        monkeypatch.setattr("sentinels.inspector.permissions._umask", lambda pid: 0)
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        assert set(found(world, "permissions")) == {"umask", "owner"}


# Guardian


def test_a_guardian_that_is_silent_or_has_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(world, "guardian") == {}, "no weaver runs: nobody is to be watched"
    monkeypatch.setattr(guardian.supervisord, "is_alive", lambda world: True)
    monkeypatch.setattr(guardian, "services", lambda config: [SimpleNamespace(name="guardian")])
    assert found(world, "guardian")["guardian"].sentence == "it has said nothing yet"
    states = {"oracle": {"state": "gave_up", "message": "five fast deaths"}, "arena": {"state": "running"}}
    (world.status / "guardian.json").write_text(json.dumps({"time": time.time(), "services": states}))
    assert found(world, "guardian")["given up: oracle"].sentence == "five fast deaths"
    assert not (world.status / EVENTS_FILE).exists()

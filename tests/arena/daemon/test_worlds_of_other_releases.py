"""Promise H2: worlds of earlier states open and go on; one of a newer release is refused in words and not changed.

The fixtures were played by those states: one quest won, one half fought and paused (tests/fixtures/worlds).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from realm import newer_world
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.newer_world import NewerWorld
from realm.world import CHECKOUT, World
from tests.support.checkpoints import make_checkpoint, rewrite_sidecar
from tests.support.live_arena import LiveArena

WORLDS = Path(__file__).parents[2] / "fixtures" / "worlds"
BASE = "models/base/tiny"
WORD = "was played by a newer release"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "goes_on"),
    [
        ("branches", False),
        pytest.param("branches", True, marks=pytest.mark.large),
        pytest.param("before-jobs", True, marks=pytest.mark.large),
    ],
)
def test_a_world_of_an_earlier_state_opens(name: str, goes_on: bool, tmp_path: Path) -> None:
    """In large its battle is fought to the end, too; one of another state is in test_old_world.py."""
    home = tmp_path / "world"
    with tarfile.open(WORLDS / f"{name}.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    config = (home / "config.yaml").read_bytes()
    steps = {folder: sidecar.verify(folder).step for folder in checkpoint_folders(home / "models/heroes/DIO")}
    arena = LiveArena(home, home / BASE, migrates=False, OMP_NUM_THREADS="1")
    if goes_on:
        go_on(arena)
    else:
        arena.manage("shell", "-c", OPEN)
    assert any((home / "backups").iterdir()), "the database is copied before it is changed"
    found = {each["what"]: each for each in json.loads(patrolled(arena))}
    assert {what for what, each in found.items() if each["verdict"] == "trouble"} == set(), found
    assert (home / "config.yaml").read_bytes() == config
    newest = sidecar.verify(checkpoint_folders(home / "models/heroes/DIO")[0])
    assert (newest.step > max(steps.values())) == newest.cursor.finished == goes_on


OPEN = """
from django.conf import settings
from arena.daemon.recovery import bring_into_line
from realm.databases import database
database.make_ready(settings.WORLD)
bring_into_line(settings.WORLD)
"""
"""As the daemon begins, without its trainer."""


def go_on(arena: LiveArena) -> None:
    arena.start()
    try:
        arena.wait_for(lambda: arena.status.get("state") == "paused", "it is as it was left")
        (arena.world.control / ".resume").touch()
        arena.wait_for(lambda: arena.completed() == {"first.jsonl", "second.jsonl"}, "the second is won, too")
    finally:
        arena.stop()


def patrolled(arena: LiveArena) -> str:
    return arena.manage("patrol", "--json", "--only", "database", "queue", "checkpoints", "ledger", "configuration")


# A newer release


def digests(home: Path) -> dict[str, str]:
    """Of all that is not made anew at each start."""
    files = [path for path in home.rglob("*") if path.is_file() and path.relative_to(home).parts[0] not in OF_A_START]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


OF_A_START = ("control", "logs", "status", "secrets")


def newer_checkpoint(world: World) -> None:
    rewrite_sidecar(make_checkpoint(world.heroes, 7), format_version=2)


@pytest.mark.slow
def test_a_checkpoint_of_a_newer_release_is_refused_and_not_set_aside(world: World) -> None:
    newer_checkpoint(world)
    before = digests(world.home)
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("REALM_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", "weave"], cwd=CHECKOUT, env=environment | {"REALM_HOME": str(world.home)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert WORD in done.stderr
    assert "Traceback" not in done.stderr
    assert digests(world.home) == before


@pytest.mark.django_db
def test_twin_without_the_check_it_would_be_taken_for_damage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer_checkpoint(world)
    with pytest.raises(NewerWorld, match=WORD):
        newer_world.check(world)
    monkeypatch.setattr(newer_world, "NewerCheckpoint", ZeroDivisionError)
    newer_world.check(world)


@pytest.mark.django_db
def test_a_database_of_a_newer_release(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world == django_settings.WORLD
    monkeypatch.setattr("realm.databases.database.is_a_file_of", lambda world: False)
    newer_world.check(world)
    MigrationRecorder(connection).record_applied("vault", "9999_of_tomorrow")
    with pytest.raises(NewerWorld, match=r"its database has vault\.9999_of_tomorrow"):
        newer_world.check(world)
    monkeypatch.setattr("realm.databases.database.newer_migrations", list)
    newer_world.check(world)


@pytest.mark.django_db
def test_a_damaged_sidecar_is_no_newer_one(world: World) -> None:
    folder = make_checkpoint(world.heroes, 7)
    (folder / sidecar.SIDECAR).write_text("{")
    newer_world.check(world)

"""What restic and borg are asked, and what is told of their answers; the campaign asks the programs themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.vault.archivist.test_snapshots import write_database
from vault import chronicle
from vault.archivist import database, rehearsing

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def rules(settings: Settings, **keys: Any) -> None:
    settings.REALM = replace(settings.REALM, archivist=keys)


@pytest.fixture(autouse=True)
def filled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(database, "_back_up", write_database)
    make_checkpoint(world.heroes, 100)
    return world


def vault(*words: str) -> Any:
    out = StringIO()
    call_command("vault", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


ANSWERS = {
    "restic backup": '{"message_type":"status"}\n{"message_type":"summary","snapshot_id":"0123456789",'
    '"data_added":7,"total_bytes_processed":9,"total_duration":0.5}\n',
    "borg create": '{"archive":{"duration":0.5,"stats":{"deduplicated_size":7,"original_size":9}}}',
}
NO_REPOSITORY = {"restic cat": "Fatal: x\nIs there a repository at y?", "borg info": "Repository y does not exist."}


class Program:
    """Stands for restic or borg; what it restores comes out of the snapshot."""

    def __init__(self, snapshots: Path, fails: str = "") -> None:
        self.ran: list[list[str]] = []
        self.environment: dict[str, str] = {}
        self._snapshots, self._fails = snapshots, fails

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.ran.append(command)
        self.environment = options["env"]
        what = " ".join(command[:2])
        if what == self._fails:
            trace = (
                'Traceback (most recent call last):\n  File "x.py"\nborg.RepositoryError: the disk is gone\nPID: 1\n'
            )
            return subprocess.CompletedProcess(command, 2, "", trace)
        if what in NO_REPOSITORY and len(self.ran) == 1:
            return subprocess.CompletedProcess(command, 10, "", NO_REPOSITORY[what])
        if what == "borg extract":
            (snapshot,) = self._snapshots.iterdir()
            shutil.copytree(snapshot / command[-1], options["cwd"] / command[-1])
        elif what == "restic restore":
            place, target = Path(command[command.index("--include") + 1]), Path(command[-1])
            shutil.copytree(place, target / place.relative_to("/"))
        return subprocess.CompletedProcess(command, 0, ANSWERS.get(what, ""), "")


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("restic", ["cat", "init", "backup", "forget", "forget", "prune", "restore"]),
        ("borg", ["info", "init", "create", "prune", "prune", "compact", "extract"]),
    ],
)
def test_an_engine_keeps_forgets_and_brings_back(
    filled: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, engine: str, words: list[str]
) -> None:
    program = Program(filled.backups)
    monkeypatch.setattr(subprocess, "run", program.run)
    rules(settings, engine=engine, repository="/kept", password_file="/password", environment={"X_Y": "z"})
    said = vault("snapshot", "--reason", "daily")
    assert (said["kept"]["engine"], said["kept"]["bytes_added"], said["kept"]["bytes_seen"]) == (engine, 7, 9)
    assert vault("rehearse")["source"] == engine
    assert [command[1] for command in program.ran] == words
    daily, risky = (command for command in program.ran if command[1] in ("forget", "prune") and len(command) > 2)
    assert [word for word in (*daily, *risky) if word.startswith("--keep")] == [
        "--keep-daily", "--keep-weekly", "--keep-last",
    ]  # fmt: skip
    assert program.environment["X_Y"] == "z"
    assert not any("password" in word for command in program.ran for word in command)
    assert [line.action for line in chronicle.read(filled)] == ["snapshot", "copy", "verify"]


def test_what_a_program_says_against_it_is_told_and_the_snapshot_stays(
    filled: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", Program(filled.backups, fails="borg info").run)
    rules(settings, engine="borg", repository="/kept")
    with pytest.raises(CommandError) as told:
        vault("snapshot")
    assert str(told.value).endswith("is whole all the same: borg.RepositoryError: the disk is gone")
    assert len(list(filled.backups.iterdir())) == 1


def test_a_program_that_is_not_installed_or_hangs_is_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(settings, engine="borg", repository="/x")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="borg is not installed"):
        vault("snapshot")

    def hang(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(CommandError, match="borg info did not end within 21600 s"):
        vault("snapshot", "--reason", "other")


def test_once_a_day_is_once(world: World) -> None:
    first = vault("snapshot", "--reason", "daily", "--once-a-day")
    assert vault("snapshot", "--reason", "daily", "--once-a-day")["name"] == first["name"]
    assert first["by"] == "taskmaster"


def test_a_rehearsal_finds_what_has_rotted_and_touches_nothing(world: World) -> None:
    with pytest.raises(CommandError, match="there is no snapshot to rehearse with"):
        vault("rehearse")
    taken = vault("snapshot")
    assert vault("rehearse")["checkpoint"] == "DIO/checkpoint-100-20260101-1230"
    weights = Path(taken["path"]) / "world/models/heroes/DIO/checkpoint-100-20260101-1230/model.safetensors"
    weights.unlink()
    weights.write_bytes(b"rotten")
    with pytest.raises(CommandError, match=r"model\.safetensors has another size"):
        vault("rehearse")


def test_twin_without_digests_what_has_rotted_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Path(vault("snapshot")["path"])
    sidecar = taken / "world/models/heroes/DIO/checkpoint-100-20260101-1230/.ledger.json"
    said = sidecar.read_bytes()
    sidecar.unlink()
    sidecar.write_bytes(said + b" ")
    with pytest.raises(CommandError):
        vault("rehearse")
    monkeypatch.setattr(rehearsing, "_hold_against", lambda folder, digest: 0)
    vault("rehearse")

"""Snapshots are taken whole, verified, restored whole or not at all, and refused in words."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from realm.checkpoints import moments, sidecar
from realm.world import World
from tavern.account.models import LoginSession
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from vault import chronicle
from vault.archivist import database, manifest, restoring, snapshots
from vault.archivist.snapshots import Snapshot, take
from vault.errors import Damaged, NotFound, Refused, VaultError
from vault.models import HistoryEntry

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

CHECKPOINT = "models/heroes/DIO/checkpoint-100-20260101-1230"


@pytest.fixture(autouse=True)
def one_second_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Names of snapshots are of the second: let each be of its own."""

    class Clock(datetime):
        seconds = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 11, 30, 12) + timedelta(seconds=cls.seconds)

    monkeypatch.setattr(snapshots, "datetime", Clock)

    def step() -> None:
        Clock.seconds += 1

    return step


@pytest.fixture(autouse=True)
def a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a test lies in the memory, and in a transaction."""
    monkeypatch.setattr(database, "_back_up", write_database)


def write_database(target: Path) -> None:
    with closing(sqlite3.connect(target)) as file:
        file.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1);")


@pytest.fixture
def filled(world: World) -> World:
    make_checkpoint(world.heroes, 100)
    (world.home / "config.yaml").write_text("autoplay: false\n")
    (world.lane("normal") / "quest.jsonl").write_text("{}\n")
    (world.secrets / "key").write_text("secret")
    (world.logs / "arena.log").write_text("log")
    world.current_model.symlink_to("heroes/DIO")
    return world


def take_one(world: World) -> Snapshot:
    return take(world, reason="manual", by="command line")


def test_a_snapshot_is_a_world_that_any_tool_can_read(filled: World) -> None:
    taken = take_one(filled)
    assert (taken.name, taken.checkpoints, taken.holds, taken.trouble) == ("20261130-120000-manual", 1, "world", "")
    home = taken.path / "world"
    assert (home / "queue/normal/quest.jsonl").read_text() == "{}\n"
    assert (home / "models/current_model" / Path(CHECKPOINT).name / WEIGHTS).samefile(
        filled.home / CHECKPOINT / WEIGHTS
    )
    assert not (home / "secrets").exists()
    assert not (home / "logs").exists()
    with closing(sqlite3.connect(home / "realm.sqlite3")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert snapshots.list_snapshots(filled) == [taken]
    assert [line.action for line in chronicle.read(filled)] == ["snapshot"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_database_is_copied_while_others_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    HistoryEntry.objects.create(seq=1, time=datetime.now(UTC), action="save", by="arena")
    LoginSession.objects.create(session_key="opens-the-door", expire_date=datetime.now(UTC))
    database.copy(World(tmp_path), tmp_path)
    database.check(tmp_path / "realm.sqlite3")
    assert b"opens-the-door" not in (tmp_path / "realm.sqlite3").read_bytes()
    with closing(sqlite3.connect(f"{(tmp_path / 'realm.sqlite3').as_uri()}?mode=ro", uri=True)) as file:
        assert file.execute("SELECT count(*) FROM vault_historyentry").fetchone() == (1,)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    monkeypatch.setattr(LoginSession, "lets_in", False)
    database.copy(World(tmp_path), tmp_path)
    assert b"opens-the-door" in (tmp_path / "realm.sqlite3").read_bytes(), "twin: who holds the copy is let in"


def test_the_same_reason_within_a_second_is_the_same_snapshot(filled: World) -> None:
    assert take_one(filled) == take_one(filled)
    assert HistoryEntry.objects.count() == 1


def test_what_the_last_snapshot_has_is_not_stored_again(filled: World, one_second_later: Callable[[], None]) -> None:
    first = take_one(filled)
    one_second_later()
    (filled.lane("normal") / "other.jsonl").write_text("{}\n")
    (filled.home / "config.yaml").write_text("autoplay: true\n")
    second = take_one(filled)
    quest, config = "world/queue/normal/quest.jsonl", "world/config.yaml"
    assert (second.path / quest).samefile(first.path / quest)
    assert not (second.path / quest).samefile(filled.lane("normal") / "quest.jsonl")
    assert (first.path / config).read_text() != (second.path / config).read_text()
    assert restoring.verify(second.path).checkpoints == 1


def test_an_interrupted_snapshot_is_none(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, said: manifest.SnapshotManifest) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "write", full)
        with pytest.raises(Refused, match=r"no snapshot: .* is full: [\d,]+ of its"):
            take_one(filled)
    assert list(filled.backups.iterdir()) == []
    assert not HistoryEntry.objects.exists()

    (filled.backups / ".tmp-killed").mkdir()
    take_one(filled)
    assert [path.name for path in filled.backups.iterdir()] == ["20261130-120000-manual"]


@pytest.mark.parametrize(
    ("reason", "word"), [("Before Retire", "before-retire"), ("../../x/", "x"), ("é-a\n", "a"), ("x" * 50, "x" * 40)]
)
def test_a_reason_becomes_a_word(filled: World, reason: str, word: str) -> None:
    assert take(filled, reason=reason, by="page").name == f"20261130-120000-{word}"
    assert [path.name for path in filled.backups.iterdir()] == [f"20261130-120000-{word}"]


def test_no_reason_is_refused(filled: World) -> None:
    with pytest.raises(Refused, match=r"'\.\./' is no reason"):
        take(filled, reason="../", by="page")


def test_the_floor_stays_free(filled: World, settings: Settings) -> None:
    settings.REALM = replace(settings.REALM, archivist={"floor_gb": 1e9})
    with pytest.raises(Refused, match=r"1,000,000,000,000,000,000 are to stay free \(archivist.floor_gb\)"):
        take_one(filled)
    assert list(filled.backups.iterdir()) == []


def test_a_damaged_checkpoint_is_left_out_and_named(filled: World) -> None:
    (make_checkpoint(filled.heroes, 200) / WEIGHTS).write_bytes(b"cut")
    taken = take_one(filled)
    assert taken.checkpoints == 1
    assert taken.left_out == (
        "DIO/checkpoint-200-20260101-1230: model.safetensors has another size than when it was saved",
    )


def test_a_restored_world_is_the_one_that_was_taken(filled: World, tmp_path: Path) -> None:
    taken = take_one(filled)
    made = restoring.restore(taken.path, tmp_path / "new", by="command line")
    fresh = World(made.home)
    sidecar.verify(fresh.home / CHECKPOINT)
    assert not (fresh.home / CHECKPOINT / WEIGHTS).samefile(filled.home / CHECKPOINT / WEIGHTS)
    assert (fresh.home / "config.yaml").read_text() == "autoplay: false\n"
    assert fresh.current_model.readlink() == Path("heroes/DIO")
    assert (fresh.secrets.stat().st_mode & 0o777, list(fresh.secrets.iterdir())) == (0o700, [])
    origin = restoring.read_origin(fresh)
    assert origin is not None
    assert (origin.snapshot, origin.world) == (taken.name, str(filled.home))
    assert [line.action for line in chronicle.read(fresh)] == ["restore"]
    assert made.files == restoring.verify(taken.path).files


def test_a_world_is_restored_into_nothing_else_than_a_new_folder(filled: World, tmp_path: Path) -> None:
    taken = take_one(filled)
    (tmp_path / "link").symlink_to(tmp_path)
    for home, why in {
        filled.home: "is not empty",
        filled.home / "config.yaml": "is no folder",
        tmp_path / "link": "is no folder",
        filled.backups / "x": "lies among the snapshots",
        taken.path / "x": "lies among the snapshots",
    }.items():
        with pytest.raises(Refused, match=why):
            restoring.restore(taken.path, home, by="command line")
    alone = take(filled, reason="before-migration", by="arena", database_alone=True)
    with pytest.raises(Refused, match="holds the database alone"):
        restoring.restore(alone.path, tmp_path / "new", by="command line")
    assert not (tmp_path / "new").exists()


def rewrite(folder: Path, **changes: Any) -> None:
    """What a manifest says that lies, sealed as if it did not."""
    path = folder / manifest.FILE
    value = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(sidecar.seal(value)))


PROOF = {"sha256": "0" * 64, "size_bytes": 1, "mtime_ns": 0}
LIES: dict[str, tuple[Callable[[Path], object], type[VaultError], str]] = {
    "no manifest": (lambda at: (at / "manifest.json").unlink(), NotFound, "is no snapshot"),
    "torn manifest": (lambda at: (at / "manifest.json").write_text("{"), Damaged, "cannot be read"),
    "edited manifest": (
        lambda at: (at / "manifest.json").write_text((at / "manifest.json").read_text().replace("DIO", "EVA")),
        Damaged,
        "has changed since it was written",
    ),
    "newer format": (lambda at: rewrite(at, format_version=2, release="9.1"), Refused, "format 2, of release '9.1'"),
    "unknown key": (lambda at: rewrite(at, extra=1), Refused, "unknown key 'extra'"),
    "path outside": (lambda at: rewrite(at, files={"../x": PROOF}), Refused, "'../x' is no path below a world"),
    "absolute path": (lambda at: rewrite(at, files={"/etc/x": PROOF}), Refused, "is no path below a world"),
    "checkpoint outside": (lambda at: rewrite(at, checkpoints={"../../x": "0" * 64}), Refused, "is no path below"),
    "link outside": (lambda at: rewrite(at, links={"models/current_model": "../../.."}), Refused, "is not allowed"),
    "bad digest": (lambda at: rewrite(at, files={"x": PROOF | {"sha256": "x"}}), Refused, "that cannot be"),
    "no time": (lambda at: rewrite(at, created_at="yesterday"), Refused, "'yesterday' is no time"),
    "words to a terminal": (lambda at: rewrite(at, reason="\x1b[2J"), Refused, "cannot be printed"),
    "missing file": (lambda at: (at / "world/config.yaml").unlink(), Damaged, "config.yaml is missing"),
    "foreign file": (lambda at: (at / "world/x").touch(), Damaged, "x is not in its manifest"),
    "cut file": (lambda at: os.truncate(at / "world/config.yaml", 3), Damaged, "config.yaml has another size"),
    "changed file": (
        lambda at: (at / "world/config.yaml").write_text("autoplay: falsy\n"),
        Damaged,
        "config.yaml has changed since the snapshot was taken",
    ),
    "fifo": (lambda at: os.mkfifo(at / "world/pipe"), Damaged, "pipe is no regular file"),
    "foreign link": (
        lambda at: (at / "world/config.yaml").unlink() or (at / "world/config.yaml").symlink_to("/etc/passwd"),
        Damaged,
        "config.yaml is a link",
    ),
    "folder behind a link": (
        lambda at: (at / "world/queue").rename(at / "q") and (at / "world/queue").symlink_to(at / "q"),
        Damaged,
        "queue is a link",
    ),
    "world behind a link": (
        lambda at: (at / "world").rename(at / "w") and (at / "world").symlink_to(at / "w"),
        Damaged,
        "holds no folder world",
    ),
    "sidecar of another": (
        lambda at: (at / "world" / CHECKPOINT / sidecar.SIDECAR).write_text("{}"),
        Damaged,
        ".ledger.json is not the one that was saved",
    ),
    "torn database": (lambda at: os.truncate(at / "world/realm.sqlite3", 4096), Damaged, "realm.sqlite3 has another"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any, django_db_setup: None) -> Path:
    """A snapshot of a small world, to be copied."""
    from django.conf import settings

    world = World(tmp_path_factory.mktemp("whole") / "world")
    world.create()
    make_checkpoint(world.heroes, 100)
    (world.home / "config.yaml").write_text("autoplay: false\n")
    (world.lane("normal") / "quest.jsonl").write_text("{}\n")
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "WORLD", world)
        patch.setattr(chronicle, "record", chronicle.append)
        patch.setattr(database, "_back_up", write_database)
        return take(world, reason="manual", by="command line").path


@pytest.mark.parametrize("lie", LIES)
def test_a_snapshot_that_is_not_what_it_says_is_refused_and_nothing_is_left(
    whole: Path, tmp_path: Path, lie: str
) -> None:
    folder = tmp_path / "backups" / whole.name
    shutil.copytree(whole, folder, symlinks=True)
    spoil, error, why = LIES[lie]
    spoil(folder)
    for check in (restoring.verify, lambda at: restoring.restore(at, tmp_path / "new", by="command line")):
        with pytest.raises(error) as told:
            check(folder)
        assert why in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["backups"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_a_flipped_bit_of_the_weights_is_found(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups" / whole.name
    shutil.copytree(whole, folder, symlinks=True)
    flip(folder / "world" / CHECKPOINT / WEIGHTS)
    for check in (restoring.verify, lambda at: restoring.restore(at, tmp_path / "new", by="command line")):
        with pytest.raises(Damaged, match=f"{CHECKPOINT}/{WEIGHTS} has changed"):
            check(folder)
    assert not (tmp_path / "new").exists()


def test_twin_without_the_digests_a_flipped_bit_is_restored(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups" / whole.name
    shutil.copytree(whole, folder, symlinks=True)
    flip(folder / "world" / CHECKPOINT / WEIGHTS)
    monkeypatch.setattr(restoring, "_check", lambda *anything: None)
    restoring.restore(folder, tmp_path / "new", by="command line")
    with pytest.raises(sidecar.DamagedCheckpoint):
        sidecar.verify(tmp_path / "new" / CHECKPOINT)


def test_an_empty_folder_is_empty_again_where_the_snapshot_is_damaged(whole: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "backups" / whole.name, tmp_path / "new"
    shutil.copytree(whole, folder, symlinks=True)
    flip(folder / "world" / CHECKPOINT / WEIGHTS)
    home.mkdir()
    with pytest.raises(Damaged):
        restoring.restore(folder, home, by="command line")
    assert list(home.iterdir()) == []
    restoring.restore(whole, home, by="command line")
    assert (home / "config.yaml").exists()


def test_a_disk_that_fills_up_leaves_nothing(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, files = restoring._read, iter(range(3))

    def full(path: Path, target: Path | None = None) -> tuple[int, str]:
        if next(files, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return read(path, target)

    monkeypatch.setattr(restoring, "_read", full)
    with pytest.raises(Refused, match=r"nothing was restored: .* is full: [\d,]+ of its"):
        restoring.restore(whole, tmp_path / "new", by="command line")
    assert list(tmp_path.iterdir()) == []


def test_commands_take_list_verify_and_restore(filled: World, tmp_path: Path) -> None:
    def vault(*words: str) -> str:
        out = StringIO()
        call_command("vault", *words, stdout=out)
        return out.getvalue()

    name = json.loads(vault("snapshot", "--json"))["name"]
    assert vault("snapshot", "--list").startswith(f"{name}               3 files, 1 checkpoints, ")
    assert vault("snapshot", "--verify", name).startswith(f"{name} is whole: 6 files, 1 checkpoints, ")
    home = tmp_path / "new"
    assert f"start it: REALM_HOME={home} scripts/start_all.sh" in vault("restore", name, "--to", str(home))
    assert [line.action for line in chronicle.read(filled)] == ["snapshot", "restore"]
    with pytest.raises(CommandError, match=f"there is no snapshot 'x'; known are: {name}"):
        vault("restore", "x", "--to", str(home))
    for outside in ("../backups", f"../backups/{name}", "/etc", ".", ""):
        with pytest.raises(CommandError, match="there is no snapshot"):
            vault("snapshot", "--verify", outside or "x")


def leave_moments(world: World) -> None:
    """As a thinning that was killed once its sidecar was sealed."""
    folder = world.home / CHECKPOINT
    (folder / moments.OPTIMIZER_FILE).write_bytes(b"moments")
    sidecar.write(folder, replace(sidecar.read(folder), files=sidecar.prove_files(folder)))
    moments.take_out(folder)
    (folder / moments.OPTIMIZER_FILE).write_bytes(b"moments")


def test_what_a_killed_thinning_left_behind_spoils_no_snapshot(filled: World) -> None:
    leave_moments(filled)
    assert restoring.verify(take_one(filled).path).checkpoints == 1


def test_twin_what_it_left_behind_is_no_file_of_the_snapshot(filled: World) -> None:
    leave_moments(filled)
    taken = take_one(filled).path
    shutil.copy(filled.home / CHECKPOINT / moments.OPTIMIZER_FILE, taken / "world" / CHECKPOINT)
    with pytest.raises(Damaged, match="is not in its manifest"):
        restoring.verify(taken)

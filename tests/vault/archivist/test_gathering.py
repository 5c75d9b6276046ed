"""A snapshot of a world that changes while it is copied is one that could have been killed at some instant."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from realm.checkpoints import sidecar
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.archivist import gathering
from vault.archivist.copying import Copier
from vault.archivist.gathering import Gathering
from vault.errors import Refused
from vault.strongholds.contract import Progress, unheard

STEPS = b"s" * 56


class LiveWorld:
    """One battle comes to its end and the next one begins, a change at a time."""

    def __init__(self, home: Path, saved: Path) -> None:
        """`saved` holds a hero's checkpoints as a trainer wrote them."""
        self.world, self._saved = World(home), saved
        self.world.create()
        for name in ("config.yaml", "data/rows.jsonl", "queue/order.json"):
            (home / name).write_text("{}\n")
        (self.world.inbox / "third.jsonl").write_text("third\n")
        (self.world.lane("normal") / "second.jsonl").write_text("second\n")
        (self.world.processing / "first.jsonl").write_text("first\n")
        (self.world.control / "arena.lock").write_text("123")
        self._begin("first")
        self._save(20, "first")
        self._announce(20, "first")

    def changes(self) -> list[Callable[[], object]]:
        queue = self.world.queue
        return [
            lambda: self._save(40, "first"),
            lambda: self._announce(40, "first"),
            lambda: self._save(60, "first"),
            lambda: self._announce(60, "first"),
            lambda: self._say("first", "battle_completed"),
            lambda: self._move(queue / "processing/first.jsonl", queue / "recently_completed/first.jsonl"),
            lambda: self._move(self.world.inbox / "third.jsonl", queue / "normal/third.jsonl"),
            lambda: self._move(queue / "normal/second.jsonl", queue / "processing/second.jsonl"),
            lambda: self._begin("second"),
            lambda: self._save(80, "second"),
            lambda: self._announce(80, "second"),
        ]

    def _begin(self, battle: str) -> None:
        (self.world.battles / battle).mkdir()
        (self.world.battles / battle / "order.json").write_text("{}")

    def _save(self, step: int, battle: str) -> None:
        with open(self.world.battles / battle / "steps.bin", "ab") as file:
            file.write(STEPS * 20)
        name = f"checkpoint-{step}-20260101-1230"
        shutil.copytree(self._saved / name, self.world.heroes / "DIO" / name, copy_function=os.link)

    def _announce(self, step: int, battle: str) -> None:
        self._say(battle, "checkpoint_saved", name=f"checkpoint-{step}-20260101-1230")

    def _say(self, battle: str, kind: str, **data: str) -> None:
        with open(self.world.battles / battle / "events.jsonl", "a") as file:
            file.write(json.dumps({"kind": kind, "data": data}) + "\n")

    @staticmethod
    def _move(source: Path, target: Path) -> None:
        source.rename(target)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    heroes = tmp_path_factory.mktemp("saved")
    for step, battle in ((20, "first"), (40, "first"), (60, "first"), (80, "second")):
        make_checkpoint(heroes, step, battle=battle)
    return heroes / "DIO"


def take(live: LiveWorld, copy: Path, progress: Progress = unheard, *, with_secrets: bool = False) -> Gathering:
    copy.mkdir(exist_ok=True)
    copier = Copier(home=live.world.home, target=copy, progress=progress)
    taken = Gathering(live.world, copier, with_secrets=with_secrets)
    taken.all_but_the_database()
    return taken


def gather(folder: Path, saved: Path, *, first: int, at_once: int) -> World:
    """The copy of a live world in which changes begin with the `first` file that is copied."""
    live, calls = LiveWorld(folder / "live", saved), iter(range(10_000))
    changes = iter(live.changes())

    def change(bytes_done: int, path: str) -> None:
        if next(calls) >= first:
            for _ in range(at_once):
                next(changes, lambda: None)()

    take(live, folder / "copy", change)
    return World(folder / "copy")


def faults(copy: World) -> Iterator[str]:
    """What no kill could have left."""
    saved = {path.name: sidecar.verify(path) for path in (copy.heroes / "DIO").iterdir()}
    where = {path.name: path.parent.name for path in [*copy.queue.rglob("*.jsonl"), *copy.inbox.glob("*.jsonl")]}
    if len(list(copy.queue.rglob("*.jsonl"))) + len(list(copy.inbox.glob("*.jsonl"))) != 3:
        yield f"quests lost or doubled: {where}"
    for battle in ("first", "second"):
        path = copy.battles / battle / "events.jsonl"
        data = path.read_text() if path.exists() else ""
        events = [json.loads(line) for line in data.splitlines()]
        if unknown := {each["data"]["name"] for each in events if "name" in each["data"]} - saved.keys():
            yield f"announced and not there: {unknown}"
        completed = any(each["kind"] == "battle_completed" for each in events)
        quest = where.get(f"{battle}.jsonl")
        if quest == "recently_completed" and not completed:
            yield f"the quest {battle} is completed, its battle is not"
        if (copy.battles / battle).exists() and quest not in ("processing", "recently_completed"):
            yield f"the battle {battle} has begun, its quest lies in {quest}"
        steps = copy.battles / battle / "steps.bin"
        newest = max((each.step for each in saved.values() if each.battle == battle), default=0)
        done = steps.stat().st_size // len(STEPS) if steps.exists() else 0
        if newest - (60 if battle == "second" else 0) > done:
            yield f"the battle {battle} has {done} steps and a checkpoint of step {newest}"
        if newest and not (copy.battles / battle).exists():
            yield f"a checkpoint of a battle that has not begun: {battle}"


def every_fault(folder: Path, saved: Path, whens: Iterable[tuple[int, int]]) -> Iterator[str]:
    for first, at_once in whens:
        place = folder / f"{first}-{at_once}"
        place.mkdir()
        yield from faults(gather(place, saved, first=first, at_once=at_once))


WHENS = [(first, 1 + first % 3) for first in range(22)]


@pytest.mark.slow
def test_whenever_a_world_changes_its_copy_is_one_that_was_killed(tmp_path: Path, saved: Path) -> None:
    assert list(every_fault(tmp_path, saved, WHENS)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ("_consistent_bytes", "announced and not there"),
        ("_leave_out_battles", "a checkpoint of a battle that has not begun"),
        ("_take_queue", "its quest lies in"),
    ],
)
def test_twin_without_a_guard_some_copy_is_not(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, guard: str, found: str
) -> None:
    def everything(self: Gathering, path: str, announced_bytes: int) -> int:
        return 10**9

    def one_look(self: Gathering) -> None:
        for path, _ in list(self._queue_files()):
            self._take(path)

    twins = {"_consistent_bytes": everything, "_leave_out_battles": lambda self, begun: None, "_take_queue": one_look}
    monkeypatch.setattr(Gathering, guard, twins[guard])
    assert any(found in fault for fault in every_fault(tmp_path, saved, WHENS))


def test_what_passes_stays_behind(tmp_path: Path, saved: Path) -> None:
    live, copy = LiveWorld(tmp_path / "live", saved), tmp_path / "copy"
    home = live.world.home
    for path in ("logs/arena.log", "status/arena.json", "uploads/x", "backups/x", "secrets/key", "inbox/.tmp-x.jsonl"):
        (home / path).write_text("x")
    (home / "inbox" / "link.jsonl").symlink_to("/etc/passwd")
    (home / "models" / "current_model").symlink_to("heroes/DIO")
    taken = take(live, copy)
    present = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert {path.split("/")[0] for path in present} == {"battles", "config.yaml", "data", "inbox", "models", "queue"}
    assert not [path for path in present if "lock" in path or "tmp" in path]
    assert taken.copier.left_out == ["inbox/link.jsonl is no regular file"]
    assert taken.links == {"models/current_model": "heroes/DIO"}

    (home / "secrets/key").chmod(0o600)
    take(live, copy, with_secrets=True)
    assert (copy / "secrets/key").read_text() == "x"
    assert [(copy / path).stat().st_mode & 0o777 for path in ("secrets", "secrets/key")] == [0o700, 0o600]


def test_a_checkpoint_with_a_link_in_it_is_left_out_as_it_could_not_be_restored(tmp_path: Path, saved: Path) -> None:
    live, copy = LiveWorld(tmp_path / "live", saved), tmp_path / "copy"
    weights = live.world.home / "models/heroes/DIO/checkpoint-20-20260101-1230/model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    (left_out,) = take(live, copy).copier.left_out
    assert "model.safetensors is no regular file" in left_out


def test_weights_are_linked_and_not_read(tmp_path: Path, saved: Path) -> None:
    live, copy = LiveWorld(tmp_path / "live", saved), tmp_path / "copy"
    taken = take(live, copy)
    weights = "models/heroes/DIO/checkpoint-20-20260101-1230/model.safetensors"
    assert (copy / weights).samefile(live.world.home / weights)
    assert not [path for path in taken.copier.proofs if "checkpoint-" in path]


def test_a_file_that_is_still_written_is_left_out(tmp_path: Path, saved: Path) -> None:
    live = LiveWorld(tmp_path / "live", saved)

    def write_on(bytes_done: int, path: str) -> None:
        with open(live.world.inbox / "third.jsonl", "a") as file:
            file.write("more\n")

    taken = take(live, tmp_path / "copy", write_on)
    assert taken.copier.left_out == ["inbox/third.jsonl was still being written"]
    assert not (tmp_path / "copy/inbox/third.jsonl").exists()


def test_a_queue_that_never_rests_is_refused(tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, numbers = LiveWorld(tmp_path / "live", saved), iter(range(10_000))
    monkeypatch.setattr(gathering, "_LOOKS", 5)

    def drop(bytes_done: int, path: str) -> None:
        (live.world.inbox / f"{next(numbers)}.jsonl").touch()

    with pytest.raises(Refused, match="the queue changes faster than it can be copied"):
        take(live, tmp_path / "copy", drop)

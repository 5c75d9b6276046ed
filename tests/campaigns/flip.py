"""B1 and B2: damaged files of real checkpoints are refused before use, by name, and the newest whole one is used.

Both are asked that load checkpoints: the trainer's loader and the inference host's.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from arena.oracle.catalogue import Catalogue, Entry
from arena.oracle.loading import Loader
from arena.oracle.trouble import UnfitCheckpoint
from arena.protocol import Event, EventKind, Order
from arena.training.saving import checkpoint
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import RealmConfig
from realm.world import World
from tests.campaigns import battles
from tests.campaigns.report import Figure, none_of
from tests.support import tiny_hero

PROMISED = {"flipped bit": 2000, "cut file": 200, "zeroed page": 200, "swapped file": 50}
UNGUARDED = 1000
QUICK_SHARE = 20
ROWS = 120
PAGE_BYTES = 4096
MODES = ("full", "lora")
WEIGHTS = {"full": "model.safetensors", "lora": "adapter_model.safetensors"}


@dataclass(frozen=True, slots=True)
class Damage:
    kind: str
    file: Path
    data: bytes
    """What the file holds afterwards."""


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    dice = random.Random(seed)
    orders = {mode: trained(folder / mode, mode) for mode in MODES}
    went_on = newest_whole(orders["full"], folder / "b2", quick=quick)
    wanted = {kind: count or max(1, number // (QUICK_SHARE if quick else 1)) for kind, number in PROMISED.items()}
    figures = [
        Figure(
            promise="B1",
            what="checkpoints",
            figure=", ".join(f"{mode}: {_bytes_of(orders[mode])} bytes" for mode in MODES),
        ),
        Figure(promise="B1", what="asked", figure="the trainer's loader, and the inference host's"),
    ]
    for kind, number in wanted.items():
        figures += refusals(kind, [orders[mode] for mode in MODES], number, dice)
    each = max(1, wanted["flipped bit"] * UNGUARDED // PROMISED["flipped bit"] // len(MODES))
    silent = sum(unguarded(orders[mode], mode, each, dice) for mode in MODES)
    told = f"{silent} of {each * len(MODES)}"
    figures.append(Figure(promise="B1", what="flips that safetensors alone loads in silence", figure=told))
    return figures + went_on


def refusals(kind: str, orders: list[Order], count: int, dice: random.Random) -> list[Figure]:
    """Each damage is done, the loader asked, and the damage undone."""
    accepted, unnamed, other = list[str](), list[str](), list[str]()
    for number in range(count):
        folders = checkpoint_folders(Path(orders[number % len(orders)].hero_folder))
        damage = DAMAGES[kind](dice, folders)
        order = orders[number % len(orders)]
        with done(damage):
            refusals = {"trainer": asked(folders[0]), "host": asked_host(order, folders[0])}
        for who, refusal in refusals.items():
            if refusal is None:
                accepted.append(f"{who}: {damage.file.parent.name}/{damage.file.name}")
            elif not _names(refusal, damage.file):
                unnamed.append(f"{who}: {refusal}")
        if len(other) < 1 and (asked(folders[0]) or asked_host(order, folders[0])):
            other.append(f"{damage.file}")
    return [
        none_of("B1", f"{kind}: accepted", accepted, count),
        none_of("B1", f"{kind}: refused without the file's name", unnamed, count),
        none_of("B1", f"{kind}: whole checkpoints refused afterwards", other, count),
    ]


def _names(refusal: str, file: Path) -> bool:
    """A sidecar may be named as such."""
    return file.name in refusal or (file.name == sidecar.SIDECAR and "its sidecar" in refusal)


def asked(folder: Path) -> str | None:
    """Why the loader refuses a checkpoint that is the only one, if it does. Nothing is left set aside."""
    alone = folder.parent.parent / "alone"
    alone.mkdir()
    here = alone / folder.name
    folder.rename(here)
    try:
        _, refused = checkpoint.newest_whole(alone)
    finally:
        (found,) = alone.iterdir()
        found.rename(folder)
        alone.rmdir()
    return str(refused[0]) if refused else None


def asked_host(order: Order, folder: Path) -> str | None:
    """Why an inference host refuses it, if it does, before it has read a weight."""
    settings = RealmConfig(base_model=order.base_model)
    world = World(Path(order.hero_folder).parent)
    catalogue = Catalogue(world, settings)
    loader = Loader(world, catalogue, dtype="float32", device=torch.device("cpu"))
    step = step_of(folder.name) or 0
    entry = Entry(hero=order.hero, step=step, name=folder.name, folder=folder, source=str(folder))
    try:
        loader.plan(entry, ())
    except UnfitCheckpoint as refusal:
        return str(refusal)
    return None


def flipped(dice: random.Random, folders: list[Path]) -> Damage:
    file = _some_file(dice, folders[0])
    data = bytearray(file.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return Damage("flipped bit", file, bytes(data))


def cut(dice: random.Random, folders: list[Path]) -> Damage:
    file = _some_file(dice, folders[0])
    data = file.read_bytes()
    return Damage("cut file", file, data[: dice.randrange(len(data))])


def zeroed(dice: random.Random, folders: list[Path]) -> Damage:
    """A page that held something else than zeros."""
    file = _some_file(dice, folders[0])
    data = file.read_bytes()
    pages = [at for at in range(0, len(data), PAGE_BYTES) if any(data[at : at + PAGE_BYTES])]
    at = dice.choice(pages)
    page = data[at : at + PAGE_BYTES]
    return Damage("zeroed page", file, data[:at] + bytes(len(page)) + data[at + len(page) :])


def swapped(dice: random.Random, folders: list[Path]) -> Damage:
    """A file of the same name from another checkpoint of the same hero, where it holds something else."""
    newest, *older = folders
    pairs = [
        (path, twin)
        for path in _files(newest)
        for twin in (folder / path.name for folder in older)
        if twin.is_file() and twin.read_bytes() != path.read_bytes()
    ]
    file, twin = dice.choice(pairs)
    return Damage("swapped file", file, twin.read_bytes())


DAMAGES: dict[str, Callable[[random.Random, list[Path]], Damage]] = {
    "flipped bit": flipped,
    "cut file": cut,
    "zeroed page": zeroed,
    "swapped file": swapped,
}


@contextmanager
def done(damage: Damage) -> Iterator[None]:
    whole = damage.file.read_bytes()
    damage.file.write_bytes(damage.data)
    try:
        yield
    finally:
        damage.file.write_bytes(whole)


def unguarded(order: Order, mode: str, count: int, dice: random.Random) -> int:
    """How many flips of the weights safetensors itself does not notice, though a value has changed or none has."""
    file = checkpoint_folders(Path(order.hero_folder))[0] / WEIGHTS[mode]
    whole, silent = file.read_bytes(), 0
    copy = file.parent.parent / "flipped.safetensors"
    for _ in range(count):
        data = bytearray(whole)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        copy.write_bytes(data)
        try:
            load_file(copy)
        except Exception:  # whatever it says, it did not load in silence
            continue
        silent += 1
    copy.unlink()
    return silent


def newest_whole(order: Order, scratch: Path, *, quick: bool) -> list[Figure]:
    """The newest 1…k checkpoints are damaged; the trainer goes on from the next one, and says so."""
    source = Path(order.hero_folder)
    names = [folder.name for folder in checkpoint_folders(source)]
    depths = [1, len(names)] if quick else list(range(1, len(names) + 1))
    wrong, unsaid = list[str](), list[str]()
    for damaged in depths:
        twin = _copied(order, scratch / str(damaged))
        for name in names[:damaged]:
            _spoil(Path(twin.hero_folder) / name / WEIGHTS["full"])
        expected = names[damaged] if damaged < len(names) else None
        kept = expected and sidecar.read(Path(twin.hero_folder) / expected).step
        said = _fight(twin)
        refusals_said = [event.message for event in said if event.kind == EventKind.CHECKPOINT_REFUSED]
        begun = next(event for event in said if event.kind in (EventKind.BATTLE_RESUMED, EventKind.BATTLE_STARTED))
        if begun.data["checkpoint"] != expected or begun.step != (kept or 0):
            wrong.append(f"{damaged} damaged: went on from {begun.data['checkpoint']}, not {expected}")
        if len(refusals_said) != damaged or not all(WEIGHTS["full"] in message for message in refusals_said):
            unsaid.append(f"{damaged} damaged: said {refusals_said}")
    return [
        none_of("B2", f"newest 1…{len(names)} damaged: did not go on from the newest whole one", wrong, len(depths)),
        none_of("B2", "refusals not told with the file's name", unsaid, len(depths)),
    ]


def trained(folder: Path, mode: str) -> Order:
    folder.mkdir(parents=True)
    recipe = replace(tiny_hero.RECIPE, mode=mode, lora_rank=4)
    order = tiny_hero.make_order(folder, rows=ROWS, recipe=recipe)
    _fight(order)
    folders = checkpoint_folders(Path(order.hero_folder))
    if len(folders) < 2:
        raise DamagedCheckpoint(f"{folder}: two whole checkpoints are needed, there are {len(folders)}")
    return order


def _fight(order: Order) -> list[Event]:
    """In a fork of this process, before it has computed anything itself; what it said."""
    before = len(battles.events_of(order))
    battles.fight(order)
    return battles.events_of(order)[before:]


def _copied(order: Order, folder: Path) -> Order:
    """The hero and its quest in another place, for a battle that is not fought yet."""
    shutil.copytree(Path(order.hero_folder).parent, folder)
    shutil.rmtree(folder / "battle")
    (folder / "battle").mkdir()
    moved = replace(
        order,
        battle_folder=str(folder / "battle"),
        quest_file=str(folder / Path(order.quest_file).name),
        hero_folder=str(folder / "hero"),
        base_model=str(folder / "base"),
        battle="after the damage",
    )
    moved.write()
    return moved


def _spoil(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _some_file(dice: random.Random, folder: Path) -> Path:
    """Each file as likely as any other: small ones matter as much."""
    return dice.choice([path for path in _files(folder) if path.stat().st_size])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _bytes_of(order: Order) -> int:
    newest = checkpoint_folders(Path(order.hero_folder))[0]
    return sum(path.stat().st_size for path in _files(newest))

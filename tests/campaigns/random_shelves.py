"""A hero with branches, adapters, marks, hosts and jobs drawn by chance, and what of it must stay whatever is done.

What must stay is said here by the way in which it was made, and not by the code that is tried.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from guild.champion import crown
from guild.models import EvaluationTask
from realm.checkpoints import branches, sidecar
from realm.checkpoints.moments import OPTIMIZER_FILE
from realm.checkpoints.names import canonical_name, checkpoint_folders
from realm.checkpoints.sidecar import DamagedCheckpoint, MeasuredOver
from realm.config import RealmConfig
from realm.disk import durable
from realm.oracle.served import Served
from realm.world import World
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from vault import index
from vault.assets.ids import checkpoint_id
from vault.models import Job
from vault.treasury import marks, safety, trash

HERO = "DIO"
FILE = "drawn.json"
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
OVER = MeasuredOver(name="taught", rows=60, sha256="a" * 64)


@dataclass
class Drawn:
    """What was made."""

    config: RealmConfig
    stays: dict[str, str] = field(default_factory=dict)
    """Why, by name."""
    moments: set[str] = field(default_factory=set)
    """Of those the ones that keep their moments."""
    damaged: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)

    def keep(self, name: str, why: str, *, moments: bool = True) -> None:
        self.stays.setdefault(name, why)
        if moments:
            self.moments.add(name)


@dataclass
class _Made:
    name: str
    step: int
    train_loss: float
    val_loss: float


def draw(world: World, seed: int) -> Drawn:
    """Fill a fresh world; the rows are made, too."""
    chance = random.Random(seed)
    drawn = Drawn(config=_config(chance))
    lines, active = _grow(world, chance, drawn)
    index.scan(world)
    names = sorted({one.name for line in lines.values() for one in line})
    _best(lines, drawn)
    _damage(world, chance, lines[active], drawn)
    _ends(lines, active, drawn)
    _choose(world, chance, names, drawn)
    durable.write_json(
        world.home / FILE, asdict(drawn) | {"moments": sorted(drawn.moments), "damaged": sorted(drawn.damaged)}
    )
    return drawn


def drawn_before(world: World) -> Drawn:
    """What `draw` made of this world."""
    said = json.loads((world.home / FILE).read_bytes())
    told = {key: set(said[key]) for key in ("moments", "damaged")}
    return Drawn(**(said | told | {"config": _settings(said["config"]["treasury"])}))


def _config(chance: random.Random) -> RealmConfig:
    rules: dict[str, float] = {
        "keep_newest": 2,
        "full_state": 2,
        "floor_gb": 0.0,
        "trash_gb": chance.choice((0.0, 1.0)),
    }
    rules["budget_gb"] = chance.choice((0.0, 1e-5))
    return _settings(rules)


def _settings(rules: dict[str, float]) -> RealmConfig:
    return RealmConfig(treasury=rules, champion_metric="val_loss", oracle_port=1)


def _grow(world: World, chance: random.Random, drawn: Drawn) -> tuple[dict[str, list[_Made]], str]:
    """The line of each branch, the oldest first, and the branch that is active."""
    hero, lines, active, moment = world.heroes / HERO, {"": list[_Made]()}, "", BEGUN
    for _ in range(chance.randint(8, 14)):
        if len(lines[active]) > 2 and chance.random() < 0.15:
            start = chance.choice(lines[active][:-1])
            found = branches.go_on_from(hero, sidecar.read(hero / start.name), moment=moment)
            if found.active not in lines:
                lines[found.active] = [one for one in lines[active] if one.step <= start.step]
                drawn.keep(start.name, "a branch begins at it")
            active = found.active
        moment += timedelta(hours=5)
        step = (lines[active][-1].step if lines[active] else 0) + 1
        made = _Made(canonical_name(step, moment), step, chance.random(), chance.random())
        base = chance.choice(lines[active]).name if lines[active] and chance.random() < 0.15 else None
        folder = make_checkpoint(
            world.heroes, step, name=made.name, created_at=moment.isoformat(), branch=active, val_set=OVER,
            train_loss=made.train_loss, val_loss=made.val_loss, mode="lora" if base else "full", adapter_base=base,
        )  # fmt: skip
        (folder / OPTIMIZER_FILE).write_bytes(chance.randbytes(3000))
        sidecar.write(folder, replace(sidecar.read(folder), files=sidecar.prove_files(folder)))
        lines[active].append(made)
    return lines, active


def _best(lines: dict[str, list[_Made]], drawn: Drawn) -> None:
    for line in lines.values():
        drawn.keep(min(line, key=lambda one: one.train_loss).name, "the best by train loss")
        drawn.keep(min(line, key=lambda one: one.val_loss).name, "the best by validation loss")


def _damage(world: World, chance: random.Random, line: list[_Made], drawn: Drawn) -> None:
    """The newest one is cut short now and then: nobody may count on it."""
    if chance.random() < 0.3:
        drawn.damaged.add(line[-1].name)
        (world.heroes / HERO / line[-1].name / WEIGHTS).write_bytes(b"cut")


def _ends(lines: dict[str, list[_Made]], active: str, drawn: Drawn) -> None:
    for branch, line in lines.items():
        whole = [one.name for one in line if one.name not in drawn.damaged]
        for name in whole[-2:] if branch == active else whole[-1:]:
            drawn.keep(name, "the newest whole of its branch")


def _choose(world: World, chance: random.Random, names: list[str], drawn: Drawn) -> None:
    """What players, hosts and jobs hold; then the adapters that may stay with it keep what they sit on."""
    champion = crown.crown(world, HERO, drawn.config.champion_metric)
    if champion:
        drawn.keep(champion.name, "the champion")
    name = chance.choice(names)
    marks.protect(world, HERO, name, by="page")
    drawn.keep(name, "protected")
    name = chance.choice(names)
    marks.protect(world, HERO, name, by="page", resume_point=False)
    drawn.keep(name, "protected, its weights alone", moments=False)
    name = chance.choice(names)
    crown.pin(world, HERO, branches.read(world.heroes / HERO).active, crown.Pin(name=name, by="page", at="2026-01-01"))
    drawn.keep(name, "promoted")
    drawn.served = [chance.choice(names)]
    drawn.keep(drawn.served[0], "loaded by a host")
    name = chance.choice(names)
    Job.objects.create(
        kind="push", state="running", asset_id=checkpoint_id(HERO, name), by="page", created_at=timezone.now()
    )
    drawn.keep(name, "copied by a job")
    name = chance.choice(names)
    EvaluationTask.objects.create(hero=HERO, checkpoint=name, step=1, skill="bin", level=1)
    drawn.keep(name, "waits to be evaluated")
    for folder in checkpoint_folders(world.heroes / HERO):
        base = sidecar.read(folder).adapter_base
        if base and folder.name in drawn.stays:
            drawn.keep(base, f"{folder.name} is an adapter on it", moments=False)


@contextmanager
def hosting(world: World, drawn: Drawn) -> Iterator[None]:
    """A host of this world lives and holds what was drawn."""
    with Served(world, 1) as host:
        host.tell([f"{HERO}/{name}" for name in drawn.served])
        yield


def delete_and_undo(world: World, drawn: Drawn) -> None:
    """As a person does to one that may go; then the trash is emptied."""
    keep = safety.reasons_to_keep(world, HERO)
    for folder in checkpoint_folders(world.heroes / HERO)[::-1]:
        if folder.name not in keep and folder.name not in drawn.stays:
            deleted = trash.delete(world, HERO, [folder.name], by="page", config=drawn.config)
            trash.undo(world, deleted.entry, by="page")
            break
    trash.empty(world, by="page")


def wrongs(world: World, drawn: Drawn) -> tuple[list[str], list[str]]:
    """What must stay and is gone, and what is there and is not whole."""
    hero = world.heroes / HERO
    gone = [f"{name}: {why}" for name, why in drawn.stays.items() if not (hero / name).is_dir()]
    gone += [f"moments of {name}" for name in drawn.moments if not (hero / name / OPTIMIZER_FILE).exists()]
    kept = [folder for place in sorted((hero / trash.FOLDER).glob("2*")) for folder in checkpoint_folders(place)]
    torn = []
    for folder in [*checkpoint_folders(hero), *kept]:
        try:
            if folder.name not in drawn.damaged:
                sidecar.verify(folder)
        except DamagedCheckpoint as damage:
            torn.append(str(damage))
    return gone, torn
